//! A bystander who works on the same node.

use std::{net::IpAddr, time::Duration};

use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, HttpReply, Node, PASSWORD, Person, Socket, http_client_at};
use serde_json::json;
use tokio::time::Instant;

/// One thing that the bystander did.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// What they did.
    pub(crate) action: &'static str,
    /// How long it took.
    pub(crate) took: Duration,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// A bystander without their connection.
#[derive(Clone)]
pub(crate) struct Identity {
    person: Person,
    document: DocumentId,
    small: DocumentId,
}

/// A user who edits, reads and opens documents over a socket.
pub(crate) struct Bystander {
    /// The user.
    pub(crate) person: Person,
    /// The document that they edit.
    pub(crate) document: DocumentId,
    small: DocumentId,
    socket: Socket,
}

impl Bystander {
    /// Registers a user, who creates two documents and opens one.
    pub(crate) async fn register(node: &impl Node, name: &str) -> Self {
        let person = node.person(name).await;
        let document = person.create_document("Shared", &"word ".repeat(2_000)).await;
        let small = person.create_document("Small", "text").await;
        Self::connect(Identity { person, document, small }).await
    }

    /// Opens the document of a user who has registered before.
    pub(crate) async fn connect(Identity { person, document, small }: Identity) -> Self {
        let socket = person.connect().await;
        let operation = "subscription($id: ID!) { presenceUpdated(documentId: $id) { kind } }";
        socket.start_with("presence", operation, json!({ "id": document })).await;
        Self { person, document, small, socket }
    }

    /// Returns who it is, to connect again.
    pub(crate) fn identity(&self) -> Identity {
        Identity { person: self.person.clone(), document: self.document, small: self.small }
    }

    /// Does everything once.
    pub(crate) async fn work(&self) -> Vec<Sample> {
        let (id, small) = (json!({ "id": self.document }), json!({ "id": self.small }));
        let edit = "mutation($id: ID!) { updateDocument(id: $id, title: \"Ours\") { version } }";
        let steps = "mutation($id: ID!) {
            editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: \"x\" }]) { version } }";
        let cursor =
            "mutation($id: ID!) { updateCursor(documentId: $id, cursor: { line: 0, column: 1 }) }";
        let read = "query($id: ID!) { document(id: $id) { content } }";
        vec![
            self.time("me", "{ me { id } }", json!({})).await,
            self.time("rename", edit, id.clone()).await,
            self.time("edit", steps, id.clone()).await,
            self.time("cursor", cursor, id).await,
            self.time("open", read, small).await,
        ]
    }

    /// Signs in at the node at this base address, from this address.
    pub(crate) async fn sign_in(&self, url: &str, source: IpAddr) -> Sample {
        let asked = Instant::now();
        let login =
            "mutation($e: String!, $p: String!) { login(email: $e, password: $p) { token } }";
        let variables = json!({ "e": self.person.email, "p": PASSWORD });
        let body = json!({ "query": login, "variables": variables });
        let request = http_client_at(source).post(format!("{url}/graphql")).json(&body);
        sample("sign in", asked, &HttpReply::to(request).await.answer())
    }

    async fn time(
        &self,
        action: &'static str,
        operation: &str,
        variables: serde_json::Value,
    ) -> Sample {
        let asked = Instant::now();
        sample(action, asked, &self.socket.run(operation, variables).await)
    }
}

fn sample(action: &'static str, asked: Instant, answer: &Answer) -> Sample {
    let failure = (!answer.is_ok()).then(|| reason(answer));
    Sample { action, took: asked.elapsed(), failure }
}

fn reason(answer: &Answer) -> String {
    answer.errors()[0]["extensions"]["code"].as_str().unwrap_or("no code").to_owned()
}
