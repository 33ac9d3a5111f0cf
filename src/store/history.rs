//! The history of a document as users read it: entries of successive changes by one author without a long pause. A compaction, and a
//! change that takes others back, are entries of their own.
//!
//! Whether a change begins an entry depends only on that change and the one before it. Entries are therefore the same
//! wherever a page begins.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::{document, document_change};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{NamedVersion, Store, StoreError};
use crate::domain::{DocumentId, User, UserId, Version, VersionRange};

/// How many changes one query reads.
const MAX_CHANGES_PER_QUERY: u64 = 1_000;

/// After reading this many changes, a page ends with the entries that it has. Larger than [`MAX_ENTRY_CHANGES`], so
/// that a page has at least one complete entry.
const MAX_CHANGES_PER_PAGE: usize = 20_000;

/// A change whose version is a multiple of this begins an entry, which limits the cost of reading one entry.
const MAX_ENTRY_CHANGES: i64 = 10_000;

/// Successive changes by one author without a long pause.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The version of the first change.
    pub from: Version,
    /// The version of the last change.
    pub to: Version,
    /// The author of the changes, unless the account was deleted.
    pub author: Option<User>,
    /// When the first change was stored.
    pub started_at: DateTime<Utc>,
    /// When the last change was stored.
    pub ended_at: DateTime<Utc>,
    /// The name of the newest version of the entry that has one.
    pub name: Option<Arc<str>>,
    /// The versions whose changes the entry takes back, if it does.
    pub takes_back: Option<VersionRange>,
}

/// One page of the history of a document, newest entry first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Whether there are older entries.
    pub has_next: bool,
}

/// The parts of a change that the history uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChangeSummary {
    pub(super) version: i64,
    pub(super) author: Option<Uuid>,
    pub(super) at: DateTime<Utc>,
    pub(super) takes_back: Option<VersionRange>,
    /// Whether it is an entry of its own.
    pub(super) is_alone: bool,
}

/// A row of [`ChangeSummary`]: version, author, time, kind, and the first and last version that it takes back.
type SummaryRow =
    (i64, Option<Uuid>, DateTime<Utc>, document_change::Kind, Option<i64>, Option<i64>);

/// The longest pause between two changes of one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPause(pub(super) Duration);

impl ChangeSummary {
    fn from_row((version, author, at, kind, from, to): SummaryRow) -> Self {
        let takes_back = taken_range(from, to);
        let is_alone = takes_back.is_some() || kind == document_change::Kind::Compacted;
        Self { version, author, at, takes_back, is_alone }
    }

    /// Whether this change and `next`, the change after it, belong to one entry.
    pub(super) fn shares_entry_with(&self, next: &Self, EntryPause(pause): EntryPause) -> bool {
        let between = (next.at - self.at).to_std().unwrap_or_default();
        let is_alone = self.is_alone || next.is_alone;
        !is_alone
            && self.author == next.author
            && between <= pause
            && next.version % MAX_ENTRY_CHANGES != 0
    }
}

/// Returns the versions that a change takes back, from the columns of its row.
pub(super) fn taken_range(from: Option<i64>, to: Option<i64>) -> Option<VersionRange> {
    let range = |(from, to)| VersionRange { from: Version::new(from), to: Version::new(to) };
    from.zip(to).map(range)
}

/// Returns the name of the newest version of a range that has one. `named` has the newest version first.
pub(super) fn name_in(
    named: &[NamedVersion],
    VersionRange { from, to }: VersionRange,
) -> Option<Arc<str>> {
    let found = named.iter().find(|named| (from..=to).contains(&named.version));
    found.map(|named| Arc::clone(&named.name))
}

impl Store {
    /// Returns the entries of a document's history before the version `before`, or from the head, newest first: at most
    /// `count`, and fewer if they are long. Creating the document counts as a change by the user who did. Changes that are no
    /// longer kept are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_history(
        &self,
        document: DocumentId,
        before: Option<Version>,
        count: u32,
    ) -> Result<HistoryPage, StoreError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let pause = EntryPause(self.history_pause);
        let mut collector = EntryCollector { entries: Vec::new(), count, pause };
        let mut below = before.map_or(i64::MAX, Version::number);
        let mut changes_read = 0;
        loop {
            let changes = self.list_summaries(document, below).await?;
            let is_last_query = (changes.len() as u64) < MAX_CHANGES_PER_QUERY;
            changes_read += changes.len();
            for change in changes {
                below = change.version;
                if collector.push(change).is_break() {
                    return self.build_page(document, collector.entries, true).await;
                }
            }
            if is_last_query {
                break;
            }
            if changes_read >= MAX_CHANGES_PER_PAGE {
                // The oldest entry may be incomplete, so the next page begins with it.
                collector.entries.pop();
                return self.build_page(document, collector.entries, true).await;
            }
        }
        // The log has no row for the first version. If the log begins with the second one, it is complete.
        if let Some(creation) = self.find_creation(document, below).await?
            && collector.push(creation).is_break()
        {
            return self.build_page(document, collector.entries, true).await;
        }
        self.build_page(document, collector.entries, false).await
    }

    /// Returns the newest changes before the version `below`, newest first.
    async fn list_summaries(
        &self,
        document: DocumentId,
        below: i64,
    ) -> Result<Vec<ChangeSummary>, StoreError> {
        let rows: Vec<SummaryRow> = document_change::Entity::find()
            .select_only()
            .column(document_change::Column::Version)
            .column(document_change::Column::AuthorId)
            .column(document_change::Column::At)
            .column(document_change::Column::Kind)
            .column(document_change::Column::TakenFrom)
            .column(document_change::Column::TakenTo)
            .filter(document_change::Column::DocumentId.eq(document.uuid()))
            .filter(document_change::Column::Version.lt(below))
            .order_by_desc(document_change::Column::Version)
            .limit(MAX_CHANGES_PER_QUERY)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(ChangeSummary::from_row).collect())
    }

    /// Returns the creation of the document as a change, if it is the change just before `below` or the only one.
    pub(super) async fn find_creation(
        &self,
        document: DocumentId,
        below: i64,
    ) -> Result<Option<ChangeSummary>, StoreError> {
        let row: Option<(Uuid, Option<Uuid>, DateTime<Utc>, i64)> = document::Entity::find()
            .select_only()
            .column(document::Column::OwnerId)
            .column(document::Column::CreatorId)
            .column(document::Column::CreatedAt)
            .column(document::Column::Version)
            .filter(document::Column::Id.eq(document.uuid()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        let second = Version::FIRST.next().number();
        let is_next = |head: i64| below == second || (head == 1 && below > second);
        let row = row.filter(|(.., head)| is_next(*head));
        Ok(row.map(|(owner, creator, at, _)| ChangeSummary {
            version: Version::FIRST.number(),
            // No user has the id of zeros, which stands for a deleted account.
            author: Some(creator.unwrap_or(owner)).filter(|author| !author.is_nil()),
            at,
            takes_back: None,
            is_alone: false,
        }))
    }

    /// Returns the entry with this version, as it was when the version was the head: without later changes. `None` if the version is
    /// not in the log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_entry_up_to(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<HistoryEntry>, StoreError> {
        let page = self.list_history(document, Some(version.next()), 1).await?;
        Ok(page.entries.into_iter().next().filter(|entry| entry.to == version))
    }

    /// Loads the authors of the entries and returns the page.
    async fn build_page(
        &self,
        document: DocumentId,
        entries: Vec<PartialEntry>,
        has_next: bool,
    ) -> Result<HistoryPage, StoreError> {
        let authors = entries.iter().filter_map(|entry| entry.author).map(UserId::from);
        let users: HashMap<UserId, User> = self.load_users(authors).await?;
        let named = self.list_named_versions([document]).await?.remove(&document);
        let named = named.unwrap_or_default();
        let entries = entries.into_iter().map(|entry| {
            let (from, to) = (Version::new(entry.first.version), Version::new(entry.to));
            HistoryEntry {
                from,
                to,
                author: entry.author.and_then(|author| users.get(&author.into()).cloned()),
                started_at: entry.first.at,
                ended_at: entry.ended_at,
                name: name_in(&named, VersionRange { from, to }),
                takes_back: entry.first.takes_back,
            }
        });
        Ok(HistoryPage { entries: entries.collect(), has_next })
    }
}

/// An entry that older changes may still extend.
struct PartialEntry {
    /// The oldest change so far.
    first: ChangeSummary,
    to: i64,
    author: Option<Uuid>,
    ended_at: DateTime<Utc>,
}

/// Groups changes, newest first, into at most `count` entries.
struct EntryCollector {
    entries: Vec<PartialEntry>,
    count: usize,
    pause: EntryPause,
}

impl EntryCollector {
    /// Adds the next older change. Breaks without adding it if it would begin an entry beyond `count`.
    fn push(&mut self, change: ChangeSummary) -> ControlFlow<()> {
        if let Some(entry) = self.entries.last_mut()
            && change.shares_entry_with(&entry.first, self.pause)
        {
            entry.first = change;
            return ControlFlow::Continue(());
        }
        if self.entries.len() == self.count {
            return ControlFlow::Break(());
        }
        let ChangeSummary { version, author, at, .. } = change;
        self.entries.push(PartialEntry { first: change, to: version, author, ended_at: at });
        ControlFlow::Continue(())
    }
}
