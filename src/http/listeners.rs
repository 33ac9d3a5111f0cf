//! The listening sockets of a node, and what each of them serves.
//!
//! A paused server leaves new connections to the operating system, which accepts them although they will not be served.
//! Therefore the node keeps the listening sockets and closes them before the server: a client that connects to a
//! stopping node is refused immediately and can try another one.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, ToSocketAddrs as _},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{RouteScope, ServerOptions};

/// The listening sockets of a node: one per address of its host, and the one of the metrics if they have their own.
pub struct Listeners(Vec<(TcpListener, RouteScope)>);

impl Listeners {
    /// Listens on every address of the host that is available, and on that of the metrics.
    ///
    /// # Errors
    /// None is available, or that of the metrics is not. Returns the error of the last one.
    pub fn bind(options: &ServerOptions) -> io::Result<Self> {
        let mut listeners = Vec::new();
        let scope = match options.metrics_address {
            Some(_) => RouteScope::WithoutMetrics,
            None => RouteScope::All,
        };
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (options.host.as_str(), options.port).to_socket_addrs()? {
            match listen(address, options.backlog) {
                Ok(listener) => listeners.push((listener, scope)),
                Err(error) => last_error = error,
            }
        }
        if listeners.is_empty() {
            return Err(last_error);
        }
        if let Some(address) = options.metrics_address {
            listeners.push((listen(address, options.backlog)?, RouteScope::Metrics));
        }
        Ok(Self(listeners))
    }

    /// Returns the first address, with the port that was selected.
    ///
    /// # Errors
    /// The operating system cannot report it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let (first, _) = self.0.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        first.local_addr()
    }

    /// Returns the address of the metrics, if they have their own.
    ///
    /// # Errors
    /// The operating system cannot report it.
    pub fn metrics_address(&self) -> io::Result<Option<SocketAddr>> {
        let metrics = self.0.iter().find(|(_, scope)| *scope == RouteScope::Metrics);
        metrics.map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Returns handles of the same sockets, for a server to accept from.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn duplicate(&self) -> io::Result<Vec<(TcpListener, RouteScope)>> {
        self.0.iter().map(|(listener, scope)| Ok((listener.try_clone()?, *scope))).collect()
    }

    /// Refuses connections from now on, including those that have not been accepted yet.
    pub fn close(&self) {
        for (listener, _) in &self.0 {
            // Linux stops listening. On other systems the socket stays until the server drops its handle.
            if let Err(error) = SockRef::from(listener).shutdown(Shutdown::Both) {
                tracing::debug!(%error, "a listening socket could not be closed");
            }
        }
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise a restarted node would have to wait for the last connections of its predecessor to expire.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;
    use crate::http::ForwardedHeader;

    #[test]
    fn closed_listeners_refuse_connections() {
        let options = ServerOptions {
            host: "127.0.0.1".to_owned(),
            port: 0,
            workers: 1,
            drain: Duration::from_secs(1),
            head_within: Duration::from_secs(1),
            body_within: Duration::from_secs(1),
            answer_patience: Duration::from_secs(1),
            least_rate: 1,
            data_dir: "data".into(),
            allowed_origins: vec![],
            allowed_headers: vec![],
            max_connections: 1,
            reserved_percent: 0,
            connections_per_address: 1,
            public_schema: true,
            trusted_proxies: vec![],
            forwarded_header: ForwardedHeader::XForwardedFor,
            metrics_address: None,
            backlog: 8,
            keep_alive: Duration::from_secs(1),
            tcp_user_timeout: Duration::from_secs(1),
        };
        let listeners = Listeners::bind(&options).unwrap();
        let servers = listeners.duplicate().unwrap();
        let address = listeners.address().unwrap();
        let taken = ServerOptions { port: address.port(), ..options };
        assert!(Listeners::bind(&taken).is_err());
        assert!(TcpStream::connect(address).is_ok());

        listeners.close();

        assert!(TcpStream::connect(address).is_err());
        drop(servers);
    }
}
