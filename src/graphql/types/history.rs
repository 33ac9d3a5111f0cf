//! The history of a document, page by page, and its text at a version.

use async_graphql::{Context, ID, Object};

use super::{
    Base64, JsonValue, PageInfo, Timestamp, UserType, VersionRangeType,
    difference::EntryCountsType, id::id,
};
use crate::{
    domain::{DocumentId, Version},
    editing::entry_counts::ChangeRange,
    graphql::{
        ApiError,
        answer::{Encoded, FirstTime, answer_budget},
        caller::{api, caller},
        complexity::{CONTENT, TEXT_REBUILD},
        loaders::loaders,
    },
    store::{HistoryEntry, HistoryPage},
};

/// An entry of the history.
pub(in crate::graphql) struct HistoryEntryType {
    document: DocumentId,
    entry: HistoryEntry,
}

/// An entry of the history: consecutive changes by one author, with pauses of at most `store.history_pause` (5 minutes by
/// default) between them. What `takeBackChanges` makes is an entry of its own.
#[Object(name = "HistoryEntry")]
impl HistoryEntryType {
    /// The version that the first change created.
    async fn from_version(&self) -> i64 {
        self.entry.from.number()
    }

    /// The version that the last change created. Pass it to `documentAt` for the text after this entry.
    async fn to_version(&self) -> i64 {
        self.entry.to.number()
    }

    /// The author of the changes. Null of a compaction, and if the account of the author was deleted.
    async fn author(&self) -> Option<UserType> {
        self.entry.author.clone().map(UserType)
    }

    /// The time at which the first change was stored.
    async fn started_at(&self) -> Timestamp {
        Timestamp(self.entry.started_at)
    }

    /// The time at which the last change was stored.
    async fn ended_at(&self) -> Timestamp {
        Timestamp(self.entry.ended_at)
    }

    /// How much the changes inserted and deleted. Null if they have more than 2 MiB or are no longer kept.
    #[graphql(complexity = "TEXT_REBUILD + child_complexity")]
    async fn counts(&self, ctx: &Context<'_>) -> Result<Option<EntryCountsType>, ApiError> {
        let (from, to) = (self.entry.from, self.entry.to);
        let changes = ChangeRange { document: self.document, from, to };
        let counts = api(ctx)?.rooms.count_changes(changes, caller(ctx).party()).await?;
        Ok(counts.map(Into::into))
    }

    /// The name of the newest version of the entry that has one. `Document.namedVersions` lists all of them.
    async fn name(&self) -> Option<&str> {
        self.entry.name.as_deref()
    }

    /// The versions whose changes the entry takes back. Null unless `takeBackChanges` made it.
    async fn takes_back(&self) -> Option<VersionRangeType> {
        self.entry.takes_back.map(Into::into)
    }
}

/// An entry of the history and its page cursor.
pub(in crate::graphql) struct HistoryEdge {
    cursor: String,
    node: HistoryEntryType,
}

/// An entry of the history and its page cursor.
#[Object]
impl HistoryEdge {
    /// Pass this as `after` to get the entries after this one.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn node(&self) -> &HistoryEntryType {
        &self.node
    }
}

/// A page of a document's history, newest first.
pub(in crate::graphql) struct HistoryConnection {
    edges: Vec<HistoryEdge>,
    page_info: PageInfo,
}

impl HistoryConnection {
    /// Returns a page, which is not the first if `has_previous`.
    pub(in crate::graphql) fn new(
        document: DocumentId,
        page: HistoryPage,
        has_previous: bool,
    ) -> Self {
        let edges: Vec<_> = page
            .entries
            .into_iter()
            .map(|entry| HistoryEdge {
                cursor: entry.from.to_string(),
                node: HistoryEntryType { document, entry },
            })
            .collect();
        let cursors = edges.iter().map(|edge: &HistoryEdge| edge.cursor.as_str());
        let page_info = PageInfo::new(cursors, page.has_next, has_previous);
        Self { edges, page_info }
    }
}

/// A page of a document's history, newest first.
#[Object]
impl HistoryConnection {
    async fn edges(&self) -> &[HistoryEdge] {
        &self.edges
    }

    async fn nodes(&self) -> Vec<&HistoryEntryType> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}

/// The text of a document at a version.
pub(in crate::graphql) struct DocumentText {
    document: DocumentId,
    version: Version,
    content: Encoded<String>,
    content_field: FirstTime,
}

impl DocumentText {
    /// Creates the text of `document` at `version`, whose bytes have been spent.
    pub(in crate::graphql) fn new(
        document: DocumentId,
        version: Version,
        content: Encoded<String>,
    ) -> Self {
        Self { document, version, content, content_field: FirstTime::default() }
    }
}

/// A document at a version.
#[Object]
impl DocumentText {
    /// The id of the document.
    async fn document_id(&self) -> ID {
        id(self.document.uuid())
    }

    /// The version.
    async fn version(&self) -> i64 {
        self.version.number()
    }

    /// The plain text of the body at `version`, whatever its type, as `content` of a document.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        if !self.content_field.take() {
            answer_budget(ctx)?.spend_bytes(self.content.bytes())?;
        }
        Ok(self.content.clone())
    }

    /// The content at `version` as a JSON object in a string, as in `exportDocument`.
    #[graphql(complexity = "TEXT_REBUILD")]
    async fn json(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        loaders(ctx)?.json(self.document, self.version).await
    }

    /// The content of a root type of Yjs at `version`: of a text a list of steps (`insert`, `attributes`), of XML a list of nodes
    /// (`type`, `attrs`, `content`, `text`, `marks`), of a map an object, and of a list a list. Null if it has no content. The default is the
    /// body of the document: the one that was named when it was created, or else `content` if it has text, and otherwise the first root
    /// type by name that has content, trees first and maps last.
    #[graphql(complexity = "TEXT_REBUILD")]
    async fn body(
        &self,
        ctx: &Context<'_>,
        root: Option<String>,
    ) -> Result<Encoded<JsonValue>, ApiError> {
        loaders(ctx)?.body(self.document, self.version, root).await
    }

    /// The whole Yjs document at `version` as one Yjs v1 update.
    #[graphql(complexity = "TEXT_REBUILD")]
    async fn update(&self, ctx: &Context<'_>) -> Result<Encoded<Base64>, ApiError> {
        loaders(ctx)?.update(self.document, self.version).await
    }
}
