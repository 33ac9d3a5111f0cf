//! Alice, Bob, and a document of hers that he may edit.

use coscribe::domain::DocumentId;

use super::{Client as _, Person, Tab, TestDatabase, TestNode};

/// Where most stories begin.
pub(crate) struct Pair {
    pub(crate) node: TestNode,
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) document: DocumentId,
}

impl Pair {
    /// On a node with the usual settings.
    pub(crate) async fn meet() -> Self {
        Self::meet_with(&[]).await
    }

    /// On a node with these settings.
    pub(crate) async fn meet_with(variables: &[(&str, &str)]) -> Self {
        Self::on(TestNode::start_with(variables).await).await
    }

    /// The same in this database.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn meet_in(variables: &[(&str, &str)], database: TestDatabase) -> Self {
        Self::on(TestNode::start_in(variables, Some(database)).await).await
    }

    async fn on(node: TestNode) -> Self {
        let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
        let document = alice.create_document("Project Alpha", "Welcome.").await;
        alice.grant(document, &bob, "EDIT").await.value();
        Self { node, alice, bob, document }
    }

    /// Both open the document: Alice's tab and Bob's. Each knows of the other.
    pub(crate) async fn open(&self) -> (Tab, Tab) {
        let alices_tab = self.alice.open(self.document).await;
        let bobs_tab = self.bob.open(self.document).await;
        alices_tab.expect_joined(&self.bob).await;
        (alices_tab, bobs_tab)
    }

    /// The same where there is another node.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn end_with<T>(self, other: TestNode, tabs: T) {
        drop(tabs);
        other.stop().await;
        self.node.stop().await;
    }

    /// Everybody goes; nothing of them may stay.
    pub(crate) async fn end<T>(self, tabs: T) {
        drop(tabs);
        self.node.stop().await;
    }
}
