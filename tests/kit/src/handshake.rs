//! The WebSocket handshake, with any headers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use coscribe::domain::DocumentId;
use serde_json::Value;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use crate::{RawSocket, Socket, connection::Stream, within};

/// The key of the example in RFC 6455, section 1.3, and the server's answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The receive buffer of a slow client, in bytes. It is small beside the megabytes that the server's kernel buffers. A
/// smaller one would make reading slow, since every few kilobytes need a round trip.
const SLOW_BUFFER: u32 = 32_768;

/// A handshake that is about to be sent.
#[must_use]
pub struct Handshake {
    address: SocketAddr,
    path: String,
    headers: Vec<(String, String)>,
    receive_buffer: Option<u32>,
}

/// The server's reply to a handshake.
pub struct HandshakeReply {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    stream: TcpStream,
    /// What was read after the headers.
    rest: Vec<u8>,
}

/// A handshake that was refused.
#[derive(Debug)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The header `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The code of the error in the body.
    pub code: String,
}

impl Handshake {
    /// Asks for graphql-transport-ws at `/graphql`.
    pub fn to(address: SocketAddr) -> Self {
        let mut handshake = Self::to_path(address, "/graphql");
        handshake.push("Sec-WebSocket-Protocol", "graphql-transport-ws");
        handshake
    }

    /// Asks for any path, without a subprotocol.
    pub fn to_path(address: SocketAddr, path: &str) -> Self {
        let mut handshake =
            Self { address, path: path.to_owned(), headers: vec![], receive_buffer: None };
        handshake.push("Host", &address.to_string());
        handshake.push("Upgrade", "websocket");
        handshake.push("Connection", "Upgrade");
        handshake.push("Sec-WebSocket-Version", "13");
        handshake.push("Sec-WebSocket-Key", KEY);
        handshake
    }

    /// Asks for a document, as an editor does that shows no token, with this query in the address.
    pub fn to_document(address: SocketAddr, document: DocumentId, query: &str) -> Self {
        Self::to_path(address, &format!("/sync/{document}{query}"))
    }

    /// Offers a token beside the subprotocol `name`, as browsers can.
    pub fn token_beside(self, name: &str, token: &str) -> Self {
        self.replace("Sec-WebSocket-Protocol", &format!("{name}, bearer.{token}"))
    }

    /// Puts a token into the address.
    pub fn token_in_address(self, token: &str) -> Self {
        Self { path: format!("{}?token={token}", self.path), ..self }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.push(name, value);
        self
    }

    /// Removes a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces a header.
    pub fn replace(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// Makes the client slow: its kernel receives only some kilobytes while the client does not read.
    pub fn slow(self) -> Self {
        Self { receive_buffer: Some(SLOW_BUFFER), ..self }
    }

    /// Sends the handshake and opens a socket.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn open(self) -> Result<Socket, Refusal> {
        let address = self.address;
        Ok(Socket::new(self.send().await.into_stream().await?, address))
    }

    /// Sends the handshake, which the server must accept, and opens a raw socket.
    pub async fn open_raw(self) -> RawSocket {
        self.send().await.into_raw_socket()
    }

    /// Sends the handshake and waits for the reply.
    pub async fn send(self) -> HandshakeReply {
        self.try_send().await.unwrap()
    }

    /// Sends the handshake and waits for the reply of a node that may be going down.
    ///
    /// # Errors
    /// The node accepts no connection, or ends it without a reply.
    pub async fn try_send(self) -> io::Result<HandshakeReply> {
        within("the reply to a handshake", self.exchange()).await
    }

    /// Sends the handshake and returns the connection if the server accepts it. Waits without a deadline.
    pub(crate) async fn try_open(self) -> Option<Stream> {
        let reply = self.exchange().await.ok()?;
        if reply.status != 101 {
            return None;
        }
        reply.into_stream().await.ok()
    }

    fn push(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    async fn exchange(self) -> io::Result<HandshakeReply> {
        let socket = match self.address.ip() {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(self.address).await?;
        // Small frames leave at once, as they do from a browser.
        SockRef::from(&stream).set_tcp_nodelay(true).unwrap();
        let mut request = format!("GET {} HTTP/1.1\r\n", self.path);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        HandshakeReply::read(stream).await
    }
}

impl HandshakeReply {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The raw socket, if the server accepted the handshake; fails the test otherwise.
    #[must_use]
    pub fn into_raw_socket(self) -> RawSocket {
        self.assert_accepted();
        RawSocket::new(self.stream, self.rest)
    }

    /// The WebSocket connection, or the refusal.
    pub(crate) async fn into_stream(mut self) -> Result<Stream, Refusal> {
        if self.status != 101 {
            return Err(self.read_refusal().await);
        }
        self.assert_accepted();
        // Events may be larger than a client would expect.
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let (stream, rest) = (self.stream, self.rest);
        Ok(WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config)).await)
    }

    fn assert_accepted(&self) {
        assert_eq!(self.status, 101);
        assert_eq!(self.header("sec-websocket-accept"), Some(ACCEPT));
    }

    async fn read_refusal(&mut self) -> Refusal {
        let length = self.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.rest.len() < length {
            let read = within("the body of a refusal", self.stream.read_buf(&mut self.rest)).await;
            assert_ne!(read.unwrap(), 0, "half a body");
        }
        let body: Value = serde_json::from_slice(&self.rest).unwrap_or_default();
        Refusal {
            status: self.status,
            challenge: self.header("www-authenticate").map(str::to_owned),
            code: body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned(),
        }
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
