//! Invitations to documents, and links to them.

use coscribe::domain::DocumentId;
use serde_json::{Value, json};

use crate::{Answer, Client, Node, Person, Stranger};

/// An invitation or a link that was created.
#[derive(Debug, Clone)]
pub struct CreatedLink {
    /// Its secret.
    pub secret: String,
    /// Its id.
    pub id: String,
}

impl CreatedLink {
    fn of(created: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { secret: text(&created["secret"]), id: text(&created["link"]["id"]) }
    }
}

impl Person {
    /// Creates an invitation; without `uses` it has any number of them.
    pub async fn invite(
        &self,
        document: DocumentId,
        level: &str,
        uses: Option<i32>,
    ) -> CreatedLink {
        let operation = "mutation($id: ID!, $level: AccessLevel!, $uses: Int) {
            inviteToDocument(documentId: $id, level: $level, uses: $uses) { secret link { id } } }";
        let variables = json!({ "id": document, "level": level, "uses": uses });
        CreatedLink::of(&self.run(operation, variables).await.value())
    }

    /// Creates a link that admits this many guests.
    pub async fn create_link(&self, document: DocumentId, level: &str, guests: i32) -> CreatedLink {
        let operation = "mutation($id: ID!, $level: AccessLevel!, $guests: Int) {
            createLink(documentId: $id, level: $level, guests: $guests) { secret link { id } } }";
        let variables = json!({ "id": document, "level": level, "guests": guests });
        CreatedLink::of(&self.run(operation, variables).await.value())
    }

    /// Accepts an invitation.
    pub async fn accept(&self, secret: &str) -> Answer {
        let operation =
            "mutation($secret: String!) { acceptInvitation(secret: $secret) { id access } }";
        self.run(operation, json!({ "secret": secret })).await
    }

    /// Opens a link.
    pub async fn open_link(&self, secret: &str) -> Answer {
        let operation = "mutation($secret: String) { openLink(secret: $secret) { id access } }";
        self.run(operation, json!({ "secret": secret })).await
    }

    /// Revokes an invitation or a link.
    pub async fn revoke_link(&self, document: DocumentId, link: &str) -> Answer {
        let operation =
            "mutation($id: ID!, $link: ID!) { revokeLink(documentId: $id, linkId: $link) }";
        self.run(operation, json!({ "id": document, "link": link })).await
    }

    /// Enters the document of a link as a guest.
    ///
    /// # Errors
    /// The code with which the node refuses.
    pub async fn enter_as_guest(
        node: &impl Node,
        name: &str,
        secret: &str,
    ) -> Result<Self, String> {
        let operation = "mutation($name: String!, $secret: String) {
            enterAsGuest(name: $name, secret: $secret) { token account { id } } }";
        let variables = json!({ "name": name, "secret": secret });
        let answer = Stranger::at(node.address()).run(operation, variables).await;
        if !answer.is_ok() {
            return Err(answer.code().to_owned());
        }
        let entered = answer.value();
        let guest = Self::with_token_at(node, entered["token"].as_str().unwrap().to_owned());
        let id = entered["account"]["id"].as_str().unwrap().parse().unwrap();
        Ok(guest.known_as(name, id))
    }
}
