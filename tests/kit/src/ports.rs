//! Ports for servers that cannot choose one themselves, or that must listen on the same one again.

use std::{net::TcpListener, ops::Range};

/// Below the ports that the kernel gives to outgoing connections. Otherwise one of them could take the port before the
/// server does, or while it restarts; even a client that waits for the server could be connected to itself.
const PORTS: Range<u16> = 10_000..20_000;

/// Returns a random port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let random = uuid::Uuid::new_v4().as_u128() % u128::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
