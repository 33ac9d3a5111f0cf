//! Alice, Bob, and a document that both may edit.

use coscribe::domain::DocumentId;

use crate::{Editor, Node as _, Person, Tab, TestDatabase, TestNode};

/// Where most stories begin.
pub struct Pair {
    /// The node where both have their account.
    pub node: TestNode,
    /// The owner of the document.
    pub alice: Person,
    /// A collaborator who may edit it.
    pub bob: Person,
    /// The document: "Project Alpha" with the text "Welcome."
    pub document: DocumentId,
}

impl Pair {
    /// Starts a node with the default settings.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a node with these settings.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::on(TestNode::start_with(variables).await).await
    }

    /// Starts a node with these settings in this database.
    pub async fn start_in(variables: &[(&str, &str)], database: TestDatabase) -> Self {
        Self::on(TestNode::start_in(variables, Some(database)).await).await
    }

    async fn on(node: TestNode) -> Self {
        let (alice, bob, document) = node.alice_and_bob().await;
        Self { node, alice, bob, document }
    }

    /// Opens Alice's tab, then Bob's, and waits until Alice knows of Bob.
    pub async fn open(&self) -> (Tab, Tab) {
        let alices_tab = self.alice.open(self.document).await;
        let bobs_tab = self.bob.open(self.document).await;
        alices_tab.expect_joined(&self.bob).await;
        (alices_tab, bobs_tab)
    }

    /// Opens an editor for Alice, then one for Bob.
    pub async fn open_editors(&self) -> (Editor, Editor) {
        (self.alice.open_editor(self.document).await, self.bob.open_editor(self.document).await)
    }

    /// Drops the clients and stops the node.
    pub async fn stop<T>(self, clients: T) {
        drop(clients);
        self.node.stop().await;
    }

    /// Drops the clients and stops both nodes.
    pub async fn stop_with<T>(self, peer: TestNode, clients: T) {
        drop(clients);
        peer.stop().await;
        self.node.stop().await;
    }
}
