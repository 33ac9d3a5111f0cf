//! What the raw tests look at from outside: the meters, and the kernel's list of connections.

use std::{net::SocketAddr, time::Duration};

use super::Listens;
use crate::support::node::within;

/// How often something is looked at that cannot tell by itself that it has changed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until something holds, but not for ever.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let looking = async {
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !holds().await {
            look.tick().await;
        }
    };
    within(what, looking).await;
}

/// What `/metrics` shows under `name`, labels included.
pub(crate) async fn meter(node: &impl Listens, name: &str) -> u64 {
    let page = reqwest::get(node.at("/metrics")).await.unwrap().text().await.unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}

/// Waits until `/metrics` shows `value` under `name`.
pub(crate) async fn until_meter(node: &impl Listens, name: &str, value: u64) {
    until(&format!("{name} {value}"), async || meter(node, name).await == value).await;
}

/// How many subscriptions there are.
pub(crate) async fn seats(node: &impl Listens) -> u64 {
    let mut seats = 0;
    for topic in ["changes", "presence", "cursors"] {
        seats += meter(node, &format!("active_subscriptions_total{{topic=\"{topic}\"}}")).await;
    }
    seats
}

/// Whether the kernel still holds the server's end of a connection.
pub(crate) fn holds_connection(server: SocketAddr, client: SocketAddr) -> bool {
    let ports = |local: &str, remote: &str| -> Option<(u16, u16)> {
        let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
        Some((port(local)?, port(remote)?))
    };
    let list = std::fs::read_to_string("/proc/net/tcp").unwrap();
    list.lines().skip(1).any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        ports(fields[1], fields[2]) == Some((server.port(), client.port()))
    })
}
