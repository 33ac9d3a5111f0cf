//! The health check of a server on this machine, for containers without an HTTP client.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::settings::Settings;

/// Time for connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `/healthz` from the address in these settings.
///
/// # Errors
/// No server responds, or its status is not 200.
pub fn probe(settings: &Settings) -> anyhow::Result<()> {
    let address = address(&settings.server.host, settings.server.port)?;
    let response = request_health(address).with_context(|| {
        format!(
            "no server responds on http://{address}; start it, or check server.host and server.port"
        )
    })?;
    let status = response.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("http://{address}/healthz responds with {status:?} instead of status 200");
    }
    Ok(())
}

/// Returns the address to connect to. For a server that listens on all addresses it is the loopback address.
fn address(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().context("server.host has no address")?;
    let mut address = addresses.next().context("server.host has no address")?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

fn request_health(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut response = String::new();
    // Only the status line matters.
    socket.take(1024).read_to_string(&mut response)?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_reached_over_loopback() {
        let shown = |host, port| address(host, port).unwrap().to_string();
        assert_eq!(shown("0.0.0.0", 4000), "127.0.0.1:4000");
        assert_eq!(shown("::", 4000), "[::1]:4000");
        assert_eq!(shown("127.0.0.1", 80), "127.0.0.1:80");
    }
}
