//! The server under load: nodes that are started here with what they need, or the addresses of a deployment.

mod deployment;
mod folder;
mod node;
mod port;
mod postgres;
mod private_process;
mod profile;
mod program;
mod redis;

pub(crate) use self::{
    deployment::{Deployment, Needs, Versions},
    node::NodeProcess,
    postgres::Postgres,
    profile::profile_of,
    program::Program,
    redis::Redis,
};
