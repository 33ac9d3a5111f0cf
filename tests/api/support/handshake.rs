//! The upgrade of a connection to a socket.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest as _,
        http::{HeaderName, HeaderValue, Request},
        protocol::WebSocketConfig,
    },
};

use super::{Socket, TestNode, within};

/// An upgrade that is about to be asked for.
pub(crate) struct Handshake {
    address: SocketAddr,
    request: Request<()>,
    /// What the client's kernel takes in by itself, in bytes, if not as much as usual.
    receive_buffer: Option<u32>,
}

/// An upgrade that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) code: String,
}

impl TestNode {
    /// An upgrade as browsers ask for it, without a token.
    pub(crate) fn handshake(&self) -> Handshake {
        Handshake::to(self.node().address())
    }
}

impl Handshake {
    pub(super) fn to(address: SocketAddr) -> Self {
        Self::at(address, "")
    }

    fn at(address: SocketAddr, query: &str) -> Self {
        let request = format!("ws://{address}/graphql{query}").into_client_request().unwrap();
        Self { address, request, receive_buffer: None }
            .header("Sec-WebSocket-Protocol", "graphql-transport-ws")
    }

    /// To an editor's socket.
    pub(super) fn to_sync(address: SocketAddr, path: &str) -> Self {
        let request = format!("ws://{address}{path}").into_client_request().unwrap();
        Self { address, request, receive_buffer: None }
    }

    /// The same by a client that takes little.
    pub(super) fn receive_buffer(self, bytes: u32) -> Self {
        Self { receive_buffer: Some(bytes), ..self }
    }

    /// The same with a token in the address, as browsers have to send one.
    pub(crate) fn with_token_in_address(self, token: &str) -> Self {
        Self::at(self.address, &format!("?token={token}"))
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Asks for it.
    pub(crate) async fn open(self) -> Result<Socket, Refused> {
        let address = self.address;
        Ok(Socket::new(self.upgrade().await?, address))
    }

    /// Asks for it, and leaves what is said over it to the caller.
    pub(super) async fn upgrade(
        self,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Refused> {
        // Small frames leave at once, as they do from a browser.
        // Events may be larger than any client would expect.
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = within("a connection", socket.connect(self.address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = MaybeTlsStream::Plain(stream);
        let upgrade = client_async_with_config(self.request, stream, Some(config));
        match within("an upgrade", upgrade).await {
            Ok((stream, _response)) => Ok(stream),
            Err(Error::Http(response)) => {
                let challenge = response.headers().get("www-authenticate");
                let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
                let body = response.body().clone().unwrap_or_default();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let code = body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
                let status = response.status().as_u16();
                Err(Refused { status, challenge, code: code.to_owned() })
            }
            Err(error) => panic!("the upgrade failed: {error}"),
        }
    }
}
