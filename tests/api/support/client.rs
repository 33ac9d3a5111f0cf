//! What somebody does, over HTTP and over a socket alike.

use coscribe::domain::DocumentId;
use serde_json::{Value, json};

use super::{Answer, Person};

/// All that a document shows.
const DOCUMENT: &str = "id title content version access createdAt updatedAt owner { id name }
    collaborators { level grantedAt user { id name } }";

/// Whoever sends operations: a person over HTTP, or a socket.
pub(crate) trait Client {
    /// Sends an operation and waits for its answer.
    async fn run(&self, operation: &str, variables: Value) -> Answer;

    /// Makes a document.
    async fn create_document(&self, title: &str, content: &str) -> DocumentId {
        let operation = "mutation($title: String!, $content: String!) {
            createDocument(title: $title, content: $content) { id } }";
        let variables = json!({ "title": title, "content": content });
        let document = self.run(operation, variables).await.value();
        document["id"].as_str().unwrap().parse().unwrap()
    }

    /// Reads a document; null if there is none.
    async fn read(&self, document: DocumentId) -> Value {
        let operation = format!("query($id: ID!) {{ document(id: $id) {{ {DOCUMENT} }} }}");
        self.run(&operation, json!({ "id": document })).await.value()
    }

    /// Changes whatever `changes` names: `title`, `content`, `baseVersion`.
    async fn update(&self, document: DocumentId, changes: Value) -> Answer {
        let operation = format!(
            "mutation($id: ID!, $title: String, $content: String, $baseVersion: Int) {{
                updateDocument(id: $id, title: $title, content: $content, baseVersion: $baseVersion)
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

    /// Deletes a document.
    async fn delete(&self, document: DocumentId) -> Answer {
        let operation = "mutation($id: ID!) { deleteDocument(id: $id) }";
        self.run(operation, json!({ "id": document })).await
    }

    /// Gives somebody access, by e-mail address.
    async fn grant(&self, document: DocumentId, to: &Person, level: &str) -> Answer {
        let operation = "mutation($document: ID!, $level: AccessLevel!, $email: String!) {
            grantAccess(documentId: $document, level: $level, email: $email)
            { level grantedAt user { id name } } }";
        let variables = json!({ "document": document, "level": level, "email": to.email });
        self.run(operation, variables).await
    }

    /// Takes somebody's access away.
    async fn revoke(&self, document: DocumentId, from: &Person) -> Answer {
        let operation = "mutation($document: ID!, $user: ID!) {
            revokeAccess(documentId: $document, userId: $user) }";
        self.run(operation, json!({ "document": document, "user": from.id })).await
    }

    /// Moves the cursor.
    async fn move_cursor(&self, document: DocumentId, line: i64, column: i64) -> Answer {
        let cursor = json!({ "line": line, "column": column });
        self.place_cursor(document, cursor).await
    }

    /// Moves the cursor, a selection perhaps.
    async fn place_cursor(&self, document: DocumentId, cursor: Value) -> Answer {
        let operation = "mutation($document: ID!, $cursor: CursorInput!) {
            updateCursor(documentId: $document, cursor: $cursor) }";
        self.run(operation, json!({ "document": document, "cursor": cursor })).await
    }

    /// Asks who has a document open.
    async fn presence(&self, document: DocumentId) -> Answer {
        let operation = "query($document: ID!) { documentPresence(documentId: $document) {
            documentId sessionId color joinedAt lastSeen user { id name }
            cursor { line column anchor { line column } } } }";
        self.run(operation, json!({ "document": document })).await
    }
}
