//! What the tests are written with: nodes, people and their sockets.

mod answer;
mod client;
pub(crate) mod editor;
mod handshake;
mod inbox;
mod line;
mod meters;
mod node;
mod pair;
mod person;
pub(crate) mod raw;
mod reply;
mod socket;
mod tab;

pub(crate) use answer::Answer;
pub(crate) use client::Client;
pub(crate) use handshake::Handshake;
#[allow(unused_imports, reason = "for tests/cluster")]
pub(crate) use meters::Meters;
#[allow(unused_imports, reason = "TestDatabase is for tests/cluster")]
pub(crate) use node::{ON_FILE, TestDatabase, TestNode, within};
pub(crate) use pair::Pair;
pub(crate) use person::{PASSWORD, Person};
pub(crate) use reply::{Reply, http_client};
pub(crate) use socket::Socket;
pub(crate) use tab::Tab;
