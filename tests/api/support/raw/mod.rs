//! A client that can do everything wrong: it writes bytes, breaks frames, stops reading, and hangs up.
//!
//! It knows frames and nothing of the server's code that reads them. [`Handshake`] opens a [`RawSocket`], which
//! sends any [`Frame`] and says exactly what it [`Received`]; messages of graphql-transport-ws are JSON on top.

use std::net::SocketAddr;

mod account;
mod frame;
mod handshake;
mod process;
mod socket;
mod talk;
mod watch;

pub(crate) use account::{Account, Minter, document, shared_document};
pub(crate) use frame::{Frame, Opcode};
pub(crate) use handshake::Handshake;
pub(crate) use process::Server;
pub(crate) use socket::{RawSocket, Received};
pub(crate) use talk::refused;
pub(crate) use watch::{holds_connection, meter, seats, until, until_meter};

use super::TestNode;

/// Something that listens: a node of the test, or a process.
pub(crate) trait Listens {
    fn address(&self) -> SocketAddr;

    /// `http://ADDRESS` and this path.
    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

impl Listens for TestNode {
    fn address(&self) -> SocketAddr {
        self.node().address()
    }
}
