//! TCP ports on this machine.

use std::{iter, net::TcpListener, time::Duration};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use crate::measure::wait_until_async;

/// The ports that are taken. They are below those that the system gives to outgoing connections, so that no client takes the
/// port of a server which is down for a moment.
const FIRST: u16 = 10_000;
const PORTS: u16 = 10_000;

/// How many ports are tried.
const ATTEMPTS: usize = 1_000;

/// Returns a port that was free a moment ago.
///
/// # Errors
/// None was found.
pub(super) fn find_free() -> anyhow::Result<u16> {
    // The last bits of such an id are random.
    let random = || FIRST + (Uuid::now_v7().as_u128() % u128::from(PORTS)) as u16;
    let mut ports = iter::repeat_with(random).take(ATTEMPTS);
    ports.find(|port| is_free(*port)).with_context(|| {
        format!("no port between {FIRST} and {} is free: end what listens there", FIRST + PORTS)
    })
}

/// Waits until a port can be taken again.
///
/// # Errors
/// Another process still has it after this time.
pub(super) async fn wait_until_free(port: u16, limit: Duration) -> anyhow::Result<()> {
    ensure!(
        wait_until_async(limit, async || is_free(port)).await,
        "another process has taken port {port} while its server was down: end that process, or run this again"
    );
    Ok(())
}

/// Returns whether nothing listens on a port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_another_process_has_taken_is_named() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = wait_until_free(port, Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains(&format!("port {port}")), "{error:#}");
    }

    #[tokio::test]
    async fn a_port_is_waited_for() {
        let port = find_free().unwrap();
        let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let waiting = wait_until_free(port, Duration::from_secs(60));
        let (waited, ()) = tokio::join!(waiting, async move { drop(taken) });
        waited.unwrap();
    }
}
