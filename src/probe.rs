//! Asks the server on this machine whether it lives: for containers, in which there is no other client.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::settings::Settings;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `GET /healthz` where these settings let a server listen.
///
/// # Errors
/// Nobody answers, or not with 200.
pub fn probe(settings: &Settings) -> anyhow::Result<()> {
    let address = address(&settings.server.host, settings.server.port)?;
    let answer = ask(address).with_context(|| format!("nobody answers on http://{address}"))?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("http://{address}/healthz answers {status:?}");
    }
    Ok(())
}

/// Where to ask: a server that listens everywhere is asked at home.
fn address(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().context("server.host is no address")?;
    let mut address = addresses.next().context("server.host is no address")?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    // The head is all that matters.
    socket.take(1024).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_at_home() {
        let shown = |host, port| address(host, port).unwrap().to_string();
        assert_eq!(shown("0.0.0.0", 4000), "127.0.0.1:4000");
        assert_eq!(shown("::", 4000), "[::1]:4000");
        assert_eq!(shown("127.0.0.1", 80), "127.0.0.1:80");
    }
}
