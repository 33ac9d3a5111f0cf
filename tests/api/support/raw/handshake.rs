//! The upgrade, with any headers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{Listens, RawSocket};
use crate::support::node::within;

/// The key of the example in RFC 6455, section 1.3, and what a server must make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A handshake that asks for graphql-transport-ws at `/graphql`, unless it is told otherwise.
pub(crate) struct Handshake {
    address: SocketAddr,
    path: String,
    headers: Vec<(String, String)>,
    receive_buffer: Option<u32>,
}

/// What the server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Handshake {
    pub(crate) fn to(node: &impl Listens) -> Self {
        let address = node.address();
        let headers = [
            ("Host", &*address.to_string()),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Protocol", "graphql-transport-ws"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { address, path: "/graphql".to_owned(), headers, receive_buffer: None }
    }

    pub(crate) fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// One more header.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// How much the client's kernel takes in while the client does not read.
    pub(crate) fn receive_buffer(self, bytes: u32) -> Self {
        Self { receive_buffer: Some(bytes), ..self }
    }

    /// A socket that the server has accepted.
    pub(crate) async fn open(self) -> RawSocket {
        self.send().await.accepted()
    }

    /// The answer, if the server still takes anybody in.
    pub(crate) async fn try_send(self) -> io::Result<Reply> {
        within("the answer to a handshake", self.exchange()).await
    }

    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.unwrap()
    }

    async fn exchange(self) -> io::Result<Reply> {
        let socket = match self.address.ip() {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(self.address).await?;
        SockRef::from(&stream).set_tcp_nodelay(true).unwrap();
        let mut request = format!("GET {} HTTP/1.1\r\n", self.path);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        Reply::read(stream).await
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(there, _)| there.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The socket, which the server must have accepted.
    pub(crate) fn accepted(self) -> RawSocket {
        assert_eq!(self.status, 101);
        assert_eq!(self.header("sec-websocket-accept"), Some(ACCEPT));
        RawSocket::new(self.stream, self.rest)
    }

    async fn read(mut stream: TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let rest = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { status: status.parse().unwrap(), headers, stream, rest })
    }
}
