//! People: users with an account, and what they do over HTTP.

use std::net::SocketAddr;

use coscribe::domain::{DocumentId, SessionId, UserId};
use serde_json::{Value, json};

use crate::{
    Answer, Client, Handshake, HttpReply, Node, RawSocket, Socket, Tab, http_client, within,
};

/// The password of every account.
pub const PASSWORD: &str = "correct horse battery staple";

/// A user with an account. As a [`Client`] it sends operations over HTTP.
#[derive(Clone)]
pub struct Person {
    /// The display name.
    pub name: String,
    /// The user's id.
    pub id: UserId,
    /// The e-mail address: `name@example.org`.
    pub email: String,
    /// The token of the account.
    pub token: String,
    /// The session that requests name in `X-Session-Id`.
    session: Option<SessionId>,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Person {
    /// Registers an account at the node at `address`.
    pub async fn register(address: SocketAddr, name: &str) -> Self {
        let email = format!("{}@example.org", name.to_lowercase());
        let operation = "mutation($email: String!, $name: String!, $password: String!) {
            register(email: $email, name: $name, password: $password) { token account { id } } }";
        let variables = json!({ "email": email, "name": name, "password": PASSWORD });
        let registered = Stranger::at(address).run(operation, variables).await.value();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            name: name.to_owned(),
            id: text(&registered["account"]["id"]).parse().unwrap(),
            email,
            token: text(&registered["token"]),
            session: None,
            address,
            http: http_client(),
        }
    }

    /// The user of a token that an outside issuer has signed, at this node.
    pub async fn with_outside_token(node: &impl Node, name: &str, token: String) -> Self {
        let person = Self { name: name.to_owned(), ..Self::with_token_at(node, token) };
        let me = person.run("{ me { id email } }", json!({})).await.value();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { id: text(&me["id"]).parse().unwrap(), email: text(&me["email"]), ..person }
    }

    /// The user of a token at this node, who need not be accepted. Their name and id are not known.
    #[must_use]
    pub fn with_token_at(node: &impl Node, token: String) -> Self {
        Self {
            name: String::new(),
            id: UserId::new(),
            email: String::new(),
            token,
            session: None,
            address: node.address(),
            http: http_client(),
        }
    }

    /// The same person, whose name and id are these.
    pub(crate) fn known_as(self, name: &str, id: UserId) -> Self {
        Self { name: name.to_owned(), id, ..self }
    }

    /// The same person at another node, or at one that was restarted.
    #[must_use]
    pub fn at(&self, node: &impl Node) -> Self {
        self.at_address(node.address())
    }

    /// The same person at the node at `address`.
    #[must_use]
    pub fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same person, naming a session in `X-Session-Id`.
    #[must_use]
    pub fn with_session(&self, session: SessionId) -> Self {
        Self { session: Some(session), ..self.clone() }
    }

    /// The same person with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// The address of the node.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request to `/graphql` with the token, still without a body.
    pub fn post(&self) -> reqwest::RequestBuilder {
        let url = format!("http://{}/graphql", self.address);
        let request = self.http.post(url).bearer_auth(&self.token);
        match self.session {
            Some(session) => request.header("X-Session-Id", session.to_string()),
            None => request,
        }
    }

    /// Sends a request with this body.
    pub async fn send(&self, body: &Value) -> HttpReply {
        HttpReply::to(self.post().json(body)).await
    }

    /// Sends an operation and waits for its answer. `None` if the node ends before it has sent the whole answer.
    pub async fn try_run(&self, operation: &str, variables: Value) -> Option<Answer> {
        let body = json!({ "query": operation, "variables": variables });
        Some(HttpReply::try_to(self.post().json(&body)).await.ok()?.answer())
    }

    /// Opens a socket and waits until it is admitted.
    pub async fn connect(&self) -> Socket {
        self.open_socket(Handshake::to(self.address)).await
    }

    /// Opens a socket, or returns the close frame with which the node refuses it.
    ///
    /// # Errors
    /// The code and reason of the close frame.
    pub async fn try_connect(&self) -> Result<Socket, (u16, String)> {
        let mut socket = Handshake::to(self.address).open().await.unwrap();
        socket.try_init(&self.token).await?;
        Ok(socket)
    }

    /// Opens sockets until one is admitted, as clients do.
    pub async fn reconnect(&self) -> Socket {
        let admitted = async {
            loop {
                if let Ok(socket) = self.try_connect().await {
                    return socket;
                }
            }
        };
        within("the admission", admitted).await
    }

    /// Opens a socket that replaces the session `predecessor`, and waits until it is admitted.
    pub async fn connect_in_place_of(&self, predecessor: SessionId) -> Socket {
        let mut socket = Handshake::to(self.address).open().await.unwrap();
        let payload = json!({ "authToken": self.token, "replaces": predecessor });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        socket.expect_ack().await;
        socket
    }

    /// Opens a raw socket and waits until it is admitted.
    pub async fn connect_raw(&self) -> RawSocket {
        self.open_raw_socket(Handshake::to(self.address)).await
    }

    /// Opens a raw socket whose kernel receives only some kilobytes ahead of the test.
    pub async fn connect_slow_raw(&self) -> RawSocket {
        self.open_raw_socket(Handshake::to(self.address).slow()).await
    }

    /// Opens a document in a tab: a socket that subscribes to everything about it.
    pub async fn open(&self, document: DocumentId) -> Tab {
        Tab::open(self.connect().await, document).await
    }

    /// Opens a document in a tab whose kernel receives only some kilobytes ahead of the test.
    pub async fn open_slow(&self, document: DocumentId) -> Tab {
        let socket = self.open_socket(Handshake::to(self.address).slow()).await;
        Tab::open(socket, document).await
    }

    async fn open_socket(&self, handshake: Handshake) -> Socket {
        let mut socket = handshake.open().await.unwrap();
        socket.init(&self.token).await;
        socket
    }

    async fn open_raw_socket(&self, handshake: Handshake) -> RawSocket {
        let mut socket = handshake.open_raw().await;
        socket.init(&self.token).await;
        socket
    }
}

impl Client for Person {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        self.send(&json!({ "query": operation, "variables": variables })).await.answer()
    }
}

/// A client without a token, over HTTP.
pub struct Stranger {
    address: SocketAddr,
    http: reqwest::Client,
}

impl Stranger {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, http: http_client() }
    }
}

impl Client for Stranger {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        let body = json!({ "query": operation, "variables": variables });
        let request = self.http.post(format!("http://{}/graphql", self.address)).json(&body);
        HttpReply::to(request).await.answer()
    }
}
