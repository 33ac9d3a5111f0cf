//! People: somebody with an account, and what he does over HTTP.

use std::net::SocketAddr;

use coscribe::domain::{SessionId, UserId};
use serde_json::{Value, json};

use super::{Answer, Client, Handshake, Reply, Socket, Tab, TestNode, http_client};

/// Every account of a test has this password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Somebody with an account. Sends operations over HTTP.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) token: String,
    /// The session that is named in `X-Session-Id`.
    session: Option<SessionId>,
    address: SocketAddr,
    http: reqwest::Client,
}

impl TestNode {
    /// Somebody new, with an account on this node.
    pub(crate) async fn person(&self, name: &str) -> Person {
        Person::register(self.node().address(), name).await
    }

    /// Somebody without a token.
    pub(crate) fn stranger(&self) -> Stranger {
        Stranger { address: self.node().address(), http: http_client() }
    }
}

impl Person {
    /// Somebody new, with an account at a node that listens there.
    pub(crate) async fn register(address: SocketAddr, name: &str) -> Self {
        let email = format!("{}@example.org", name.to_lowercase());
        let operation = "mutation($email: String!, $name: String!, $password: String!) {
            register(email: $email, name: $name, password: $password) { token account { id } } }";
        let variables = json!({ "email": email, "name": name, "password": PASSWORD });
        let stranger = Stranger { address, http: http_client() };
        let registered = stranger.run(operation, variables).await.value();
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

    /// The same person at another node, or at one that was restarted.
    pub(crate) fn at(&self, node: &TestNode) -> Self {
        self.at_address(node.node().address())
    }

    /// The same person at a node that listens there.
    pub(crate) fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Where the node listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same person, naming a session in `X-Session-Id`.
    pub(crate) fn naming(&self, session: SessionId) -> Self {
        Self { session: Some(session), ..self.clone() }
    }

    /// The same person with another token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// A request with his token, still without a body.
    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        let url = format!("http://{}/graphql", self.address);
        let request = self.http.post(url).bearer_auth(&self.token);
        match self.session {
            Some(session) => request.header("X-Session-Id", session.to_string()),
            None => request,
        }
    }

    /// Sends what a request's body says.
    pub(crate) async fn send(&self, body: &Value) -> Reply {
        Reply::to(self.post().json(body)).await
    }

    /// A socket, admitted.
    pub(crate) async fn connect(&self) -> Socket {
        let socket = Handshake::to(self.address).open().await.unwrap();
        socket.introduce(&self.token).await
    }

    /// A socket, or the close frame with which it was refused.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn try_to_connect(&self) -> Result<Socket, (u16, String)> {
        let socket = Handshake::to(self.address).open().await.unwrap();
        socket.introduce_or_be_refused(&self.token).await
    }

    /// A tab with a document open: a socket that listens to everything about it.
    pub(crate) async fn open(&self, document: coscribe::domain::DocumentId) -> Tab {
        Tab::open(self.connect().await, document).await
    }
}

impl Client for Person {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        self.send(&json!({ "query": operation, "variables": variables })).await.answer()
    }
}

/// Somebody without a token.
pub(crate) struct Stranger {
    address: SocketAddr,
    http: reqwest::Client,
}

impl Client for Stranger {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        let body = json!({ "query": operation, "variables": variables });
        let request = self.http.post(format!("http://{}/graphql", self.address)).json(&body);
        Reply::to(request).await.answer()
    }
}
