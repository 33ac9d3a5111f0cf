//! What a user does with documents, over HTTP and over a socket alike.

use coscribe::domain::DocumentId;
use serde_json::{Value, json};

use crate::{Answer, Person};

/// Every field of a document.
const DOCUMENT: &str = "id title content version access createdAt updatedAt owner { id name }
    collaborators { level grantedAt user { id name } }";

/// A sender of operations: a person over HTTP, a socket, or a tab.
pub trait Client {
    /// Sends an operation and waits for its answer.
    async fn run(&self, operation: &str, variables: Value) -> Answer;

    /// Creates a document.
    async fn create_document(&self, title: &str, content: &str) -> DocumentId {
        let operation = "mutation($title: String!, $content: String!) {
            createDocument(title: $title, content: $content) { id } }";
        let variables = json!({ "title": title, "content": content });
        let document = self.run(operation, variables).await.value();
        document["id"].as_str().unwrap().parse().unwrap()
    }

    /// Creates an empty document that the others may edit.
    async fn create_shared_document(&self, others: &[&Person]) -> DocumentId {
        let document = self.create_document("Plan", "").await;
        for other in others {
            self.grant(document, other, "EDIT").await.value();
        }
        document
    }

    /// Reads a document; null if the user has no access to it.
    async fn read(&self, document: DocumentId) -> Value {
        let operation = format!("query($id: ID!) {{ document(id: $id) {{ {DOCUMENT} }} }}");
        self.run(&operation, json!({ "id": document })).await.value()
    }

    /// Reads the text of a document.
    async fn read_text(&self, document: DocumentId) -> String {
        self.read(document).await["content"].as_str().unwrap().to_owned()
    }

    /// Reads the version of a document.
    async fn read_version(&self, document: DocumentId) -> i64 {
        self.read(document).await["version"].as_i64().unwrap()
    }

    /// Changes what `changes` names: `title`, `content`, `metadata`, `baseVersion`.
    async fn update(&self, document: DocumentId, changes: Value) -> Answer {
        let operation = format!(
            "mutation($id: ID!, $title: String, $content: String, $metadata: JSONObject, $baseVersion: Int) {{
                updateDocument(id: $id, title: $title, content: $content, metadata: $metadata, baseVersion: $baseVersion)
                {{ {DOCUMENT} }} }}"
        );
        let mut variables = changes;
        variables["id"] = json!(document);
        self.run(&operation, variables).await
    }

    /// Replaces the whole text.
    async fn write(&self, document: DocumentId, content: &str) -> Answer {
        self.update(document, json!({ "content": content })).await
    }

    /// Replaces the title.
    async fn rename(&self, document: DocumentId, title: &str) -> Answer {
        self.update(document, json!({ "title": title })).await
    }

    /// Sends a delta that was made for the version `base`.
    async fn edit(&self, document: DocumentId, base: i64, delta: Value) -> Answer {
        self.edit_as(document, base, delta, Value::Null).await
    }

    /// Sends a delta with a `mutationId`, under which it may be repeated.
    async fn edit_as(&self, document: DocumentId, base: i64, delta: Value, name: Value) -> Answer {
        let operation = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID) {
            editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name)
            { version } }";
        let variables = json!({ "id": document, "base": base, "delta": delta, "name": name });
        self.run(operation, variables).await
    }

    /// Inserts a text at the beginning of the first version and returns the version that this makes.
    async fn insert(&self, document: DocumentId, text: &str) -> i64 {
        let answer = self.edit(document, 1, json!([{ "insert": text }])).await;
        answer.value()["version"].as_i64().unwrap()
    }

    /// Deletes a document: puts it into the bin of its owner.
    async fn delete(&self, document: DocumentId) -> Answer {
        let operation = "mutation($id: ID!) { deleteDocument(id: $id) }";
        self.run(operation, json!({ "id": document })).await
    }

    /// Deletes a document in the bin for good.
    async fn purge(&self, document: DocumentId) -> Answer {
        let operation = "mutation($id: ID!) { purge(documentId: $id) }";
        self.run(operation, json!({ "id": document })).await
    }

    /// Deletes a document for good.
    async fn delete_for_good(&self, document: DocumentId) {
        self.delete(document).await.value();
        self.purge(document).await.value();
    }

    /// Brings a document back from the bin.
    async fn undelete(&self, document: DocumentId) -> Answer {
        let operation =
            format!("mutation($id: ID!) {{ undelete(documentId: $id) {{ {DOCUMENT} }} }}");
        self.run(&operation, json!({ "id": document })).await
    }

    /// Gives a user access, by e-mail address.
    async fn grant(&self, document: DocumentId, to: &Person, level: &str) -> Answer {
        let operation = "mutation($document: ID!, $level: AccessLevel!, $email: String!) {
            grantAccess(documentId: $document, level: $level, email: $email)
            { level grantedAt user { id name } } }";
        let variables = json!({ "document": document, "level": level, "email": to.email });
        self.run(operation, variables).await
    }

    /// Grants access to a user, who is named by their id.
    async fn grant_by_id(&self, document: DocumentId, to: &Person, level: &str) -> Answer {
        let operation = "mutation($document: ID!, $level: AccessLevel!, $user: ID!) {
            grantAccess(documentId: $document, level: $level, userId: $user)
            { level grantedAt user { id name } } }";
        let variables = json!({ "document": document, "level": level, "user": to.id });
        self.run(operation, variables).await
    }

    /// Accepts access that was granted.
    async fn accept_access(&self, document: DocumentId) -> Answer {
        let operation =
            "mutation($document: ID!) { acceptAccess(documentId: $document) { access } }";
        self.run(operation, json!({ "document": document })).await
    }

    /// Revokes a user's access.
    async fn revoke(&self, document: DocumentId, from: &Person) -> Answer {
        let operation = "mutation($document: ID!, $user: ID!) {
            revokeAccess(documentId: $document, userId: $user) }";
        self.run(operation, json!({ "document": document, "user": from.id })).await
    }

    /// Gets a ticket with which an editor opens a document once.
    async fn create_ticket(&self, document: DocumentId) -> Answer {
        let operation = "mutation($document: ID!) {
            createTicket(documentId: $document) { ticket expiresAt } }";
        self.run(operation, json!({ "document": document })).await
    }

    /// Moves the cursor.
    async fn move_cursor(&self, document: DocumentId, line: i64, column: i64) -> Answer {
        let cursor = json!({ "line": line, "column": column });
        self.place_cursor(document, cursor).await
    }

    /// Moves the cursor; with an `anchor` it is a selection.
    async fn place_cursor(&self, document: DocumentId, cursor: Value) -> Answer {
        let operation = "mutation($document: ID!, $cursor: CursorInput!) {
            updateCursor(documentId: $document, cursor: $cursor) }";
        self.run(operation, json!({ "document": document, "cursor": cursor })).await
    }

    /// Lists the sessions that have a document open.
    async fn presence(&self, document: DocumentId) -> Answer {
        let operation = "query($document: ID!) { documentPresence(documentId: $document) {
            documentId sessionId color joinedAt lastSeen user { id name }
            cursor { line column anchor { line column } } } }";
        self.run(operation, json!({ "document": document })).await
    }

    /// Lists the ids of the sessions that have a document open.
    async fn present_sessions(&self, document: DocumentId) -> Vec<Value> {
        let present = self.presence(document).await.value();
        present.as_array().unwrap().iter().map(|entry| entry["sessionId"].clone()).collect()
    }
}
