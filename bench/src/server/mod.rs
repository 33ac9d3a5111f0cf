//! The server under load: nodes that are started here with what they need, or the addresses of a deployment.

mod deployment;
mod folder;
mod node;
mod postgres;
mod private_process;
mod program;
mod redis;

pub(crate) use self::{
    deployment::{Deployment, Needs},
    node::NodeProcess,
    postgres::Postgres,
    program::Program,
    redis::Redis,
};
