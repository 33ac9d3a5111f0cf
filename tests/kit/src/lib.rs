//! The vocabulary of the Rust tests.
//!
//! - Nodes: a [`TestNode`] runs inside the test, a [`NodeProcess`] is the real binary. Both are a [`Node`].
//! - People: a [`Person`] has an account on a node. A [`Client`] sends operations: a person over HTTP, a [`Socket`], or a
//!   [`Tab`], which is a socket that subscribes to everything about one document. A [`Pair`] is Alice, Bob and a document
//!   that both may edit.
//! - Editors: an [`Editor`] is a Yjs client of one document.
//! - Raw frames: a [`RawSocket`] is the level below [`Socket`]; the test decides every byte.
//! - Clusters: a [`Cluster`] starts node processes that share a database and Redis. [`Proxy`], [`RedisServer`],
//!   [`RedisCluster`] and [`PostgresServer`] fail on demand.
//! - Outside issuers: an [`IdentityProvider`] signs tokens with a [`SigningKey`].
//! - Rooms without sockets: a [`Backend`].
//!
//! Methods that wait are called `expect_…`, and no wait is longer than [`DEADLINE`]. Silence is shown by a marker: an event
//! that takes the same path and must be the next to arrive. Stopping a node fails the test if a room, session or seat
//! remains.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails the test"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the kit reads what the test run was given from the environment"
)]
#![allow(async_fn_in_trait, reason = "a test awaits on one thread")]

mod answer;
mod application;
mod backend;
mod client;
mod cluster;
mod connection;
mod database;
mod deadline;
mod editor;
mod editor_state;
mod frame;
mod handshake;
mod http_reply;
mod identity_provider;
mod inbox;
mod kernel;
mod link;
mod metrics;
mod node;
mod pair;
mod patience;
mod person;
mod pgbouncer;
mod ports;
mod postgres_server;
mod process;
mod proxy;
mod questioned;
mod random;
mod raw_messages;
mod raw_socket;
mod redis_cluster;
mod redis_server;
mod rust_files;
mod services;
mod signing_key;
mod socket;
mod tab;
mod test_node;
mod token_minter;

pub use answer::Answer;
pub use application::Application;
pub use backend::{Backend, generous_rooms};
pub use client::Client;
pub use cluster::Cluster;
pub use database::TestDatabase;
pub use deadline::{DEADLINE, expect_eventually, within};
pub use editor::{Editor, new_doc, sync_message};
pub use editor_state::EditorState;
pub use frame::{Frame, Opcode};
pub use handshake::{Handshake, HandshakeReply, Refusal};
pub use http_reply::{HttpReply, http_client, http_client_at};
pub use identity_provider::IdentityProvider;
pub use kernel::{kernel_holds_connection, largest_kernel_buffers};
pub use link::CreatedLink;
pub use metrics::Metrics;
pub use node::Node;
pub use pair::Pair;
pub use person::{PASSWORD, Person, Stranger};
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
pub use postgres_server::PostgresServer;
pub use process::{NodeProcess, Program};
pub use proxy::{Network, Proxy};
pub use questioned::{AskedQuestion, Questioned};
pub use random::Random;
pub use raw_socket::{RawSocket, ServerFrame};
pub use redis_cluster::RedisCluster;
pub use redis_server::RedisServer;
pub use rust_files::rust_files;
pub use services::{
    certificate_authority, database_url, number, redis_cluster_url, redis_tls_url, redis_url,
};
pub use signing_key::SigningKey;
pub use socket::Socket;
pub use tab::Tab;
pub use test_node::{ON_FILE, TestNode};
pub use token_minter::TokenMinter;
