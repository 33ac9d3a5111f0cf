//! The sockets that connections come in by.
//!
//! A server that is paused leaves new connections to the operating system, which takes them in and lets them wait for
//! nobody. So the listening sockets are held here as well, to be closed before the server is: whoever connects to a
//! node that goes down is refused at once, and can try another one.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, ToSocketAddrs as _},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::ServerOptions;

/// What a node listens on: one socket for each address that its host stands for.
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Listens on those addresses of the host that can be had.
    ///
    /// # Errors
    /// None of them can.
    pub fn bind(options: &ServerOptions) -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (options.host.as_str(), options.port).to_socket_addrs()? {
            match listen(address, options.backlog) {
                Ok(listener) => listeners.push(listener),
                Err(error) => refused = error,
            }
        }
        if listeners.is_empty() { Err(refused) } else { Ok(Self(listeners)) }
    }

    /// The first of the addresses, with the port that it got.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let first = self.0.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        first.local_addr()
    }

    /// The same sockets again, for a server to accept from.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn again(&self) -> io::Result<Vec<TcpListener>> {
        self.0.iter().map(TcpListener::try_clone).collect()
    }

    /// Refuses whoever connects from now on, and whoever has not been accepted yet.
    pub fn close(&self) {
        for listener in &self.0 {
            // Linux stops listening; elsewhere the socket stays until the server lets go of it.
            if let Err(error) = SockRef::from(listener).shutdown(Shutdown::Both) {
                tracing::debug!(%error, "a listening socket could not be closed");
            }
        }
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted node need not wait until the last connections of its predecessor are forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;

    #[test]
    fn nobody_gets_in_once_they_are_closed() {
        let options = ServerOptions {
            host: "127.0.0.1".to_owned(),
            port: 0,
            workers: 1,
            drain: Duration::from_secs(1),
            body_within: Duration::from_secs(1),
            data_dir: "data".into(),
            allowed_origins: vec![],
            max_connections: 1,
            backlog: 8,
            tcp_user_timeout: Duration::from_secs(1),
        };
        let listeners = Listeners::bind(&options).unwrap();
        let servers = listeners.again().unwrap();
        let address = listeners.address().unwrap();
        let taken = ServerOptions { port: address.port(), ..options };
        assert!(Listeners::bind(&taken).is_err());
        assert!(TcpStream::connect(address).is_ok());

        listeners.close();

        assert!(TcpStream::connect(address).is_err());
        drop(servers);
    }
}
