//! The kernel's list of connections.

use std::net::SocketAddr;

/// Whether the kernel still holds the server's end of a connection.
#[must_use]
pub fn kernel_holds_connection(server: SocketAddr, client: SocketAddr) -> bool {
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

/// The most bytes that the kernel may hold for one direction of a connection between two local sockets: the largest
/// send buffer and the largest receive buffer.
#[must_use]
pub fn largest_kernel_buffers() -> u64 {
    ["tcp_wmem", "tcp_rmem"].map(largest_buffer).iter().sum()
}

/// Reads the last number of a setting that lists the smallest, the usual and the largest size of a buffer in bytes.
fn largest_buffer(setting: &str) -> u64 {
    let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{setting}")).unwrap();
    sizes.split_whitespace().last().unwrap().parse().unwrap()
}
