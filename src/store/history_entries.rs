//! Groups the changes of a document into history entries, in the order of versions.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::document_change;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    HistoryEntry, NamedVersion, Store, StoreError,
    history::{ChangeSummary, EntryPause, name_in, taken_range},
};
use crate::domain::{
    Change, ChangeKind, DocumentId, Exhausted, User, UserId, Version, VersionRange,
};

/// The most entries. Each takes some hundred bytes.
const MAX_ENTRIES: usize = 500_000;

/// The entries of a part of a document's history, oldest first. They are those that [`Store::list_history`] returns, except that the
/// first and the last may have fewer changes.
#[derive(Debug)]
pub struct HistoryEntries {
    pause: EntryPause,
    /// The named versions of the document, newest first.
    named: Vec<NamedVersion>,
    entries: Vec<HistoryEntry>,
    last: Option<ChangeSummary>,
}

impl HistoryEntries {
    /// Adds the creation of the document, before all changes. Returns the number of its entry, from 0.
    ///
    /// # Errors
    /// [`Exhausted`] if there are too many entries.
    pub fn add_creation(
        &mut self,
        author: Option<User>,
        at: DateTime<Utc>,
    ) -> Result<u32, Exhausted> {
        self.push(Version::FIRST, author, at, None, false)
    }

    /// Adds the change after those before, with the versions that it takes back. Returns the number of its entry, from 0.
    ///
    /// # Errors
    /// [`Exhausted`] if there are too many entries.
    pub fn add(
        &mut self,
        change: &Change,
        takes_back: Option<VersionRange>,
    ) -> Result<u32, Exhausted> {
        let is_alone = takes_back.is_some() || change.kind == ChangeKind::Compacted;
        self.push(change.version, change.author.clone(), change.at, takes_back, is_alone)
    }

    fn push(
        &mut self,
        version: Version,
        author: Option<User>,
        at: DateTime<Utc>,
        takes_back: Option<VersionRange>,
        is_alone: bool,
    ) -> Result<u32, Exhausted> {
        let change = ChangeSummary {
            version: version.number(),
            author: author.as_ref().map(|author| author.id.uuid()),
            at,
            takes_back,
            is_alone,
        };
        let follows = self.last.is_some_and(|last| last.shares_entry_with(&change, self.pause));
        self.last = Some(change);
        let is_full = self.entries.len() >= MAX_ENTRIES;
        match self.entries.last_mut() {
            Some(entry) if follows => (entry.to, entry.ended_at) = (version, at),
            _ if is_full => return Err(Exhausted::Steps),
            _ => self.entries.push(HistoryEntry {
                from: version,
                to: version,
                author,
                started_at: at,
                ended_at: at,
                name: None,
                takes_back,
            }),
        }
        Ok(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
    }

    /// Returns about how much memory the entries take, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<HistoryEntry>()
    }

    /// Returns an entry by its number, with its name.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<HistoryEntry> {
        let entry = self.entries.get(usize::try_from(number).ok()?)?;
        let name = name_in(&self.named, VersionRange { from: entry.from, to: entry.to });
        Some(HistoryEntry { name, ..entry.clone() })
    }
}

impl Store {
    /// Returns no entries of a document, to which its changes are added.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn begin_entries(&self, document: DocumentId) -> Result<HistoryEntries, StoreError> {
        let pause = EntryPause(self.history_pause);
        let named = self.list_named_versions([document]).await?.remove(&document);
        let named = named.unwrap_or_default();
        Ok(HistoryEntries { pause, named, entries: Vec::new(), last: None })
    }

    /// Returns what the changes of these versions take back, by the version of each change that does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_taken_back(
        &self,
        document: DocumentId,
        VersionRange { from, to }: VersionRange,
    ) -> Result<HashMap<Version, VersionRange>, StoreError> {
        let rows: Vec<(i64, Option<i64>, Option<i64>)> = document_change::Entity::find()
            .select_only()
            .column(document_change::Column::Version)
            .column(document_change::Column::TakenFrom)
            .column(document_change::Column::TakenTo)
            .filter(document_change::Column::DocumentId.eq(document.uuid()))
            .filter(document_change::Column::Version.between(from.number(), to.number()))
            .filter(document_change::Column::TakenFrom.is_not_null())
            .into_tuple()
            .all(&self.readers)
            .await?;
        let taken = |(version, from, to)| Some((Version::new(version), taken_range(from, to)?));
        Ok(rows.into_iter().filter_map(taken).collect())
    }

    /// Returns who created a document and when: version 1. `None` as author if the account was deleted. `None` if there is no such
    /// document.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_creator(
        &self,
        document: DocumentId,
    ) -> Result<Option<(Option<User>, DateTime<Utc>)>, StoreError> {
        let second = Version::FIRST.next().number();
        let Some(creation) = self.find_creation(document, second).await? else { return Ok(None) };
        let author = creation.author.map(UserId::from);
        let users = self.load_users(author).await?;
        let author = author.and_then(|author| users.get(&author).cloned());
        Ok(Some((author, creation.at)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn there_is_a_limit_to_the_entries() {
        let pause = EntryPause(Duration::from_secs(300));
        let mut entries = HistoryEntries { pause, named: vec![], entries: Vec::new(), last: None };
        let at = Utc::now();
        let mut add = |is_alone| entries.push(Version::FIRST, None, at, None, is_alone);
        for number in 0..MAX_ENTRIES - 1 {
            assert_eq!(add(true), Ok(u32::try_from(number).unwrap()));
        }
        let last = u32::try_from(MAX_ENTRIES - 1).unwrap();
        assert_eq!([add(false), add(false)], [Ok(last), Ok(last)], "changes of one entry");
        assert_eq!(add(true), Err(Exhausted::Steps));
    }

    #[test]
    fn changes_of_one_author_without_a_pause_share_an_entry() {
        let pause = EntryPause(Duration::from_secs(300));
        let named = NamedVersion {
            version: Version::new(4),
            name: "Draft".into(),
            named_by: None,
            named_at: Utc::now(),
        };
        let mut entries =
            HistoryEntries { pause, named: vec![named], entries: Vec::new(), last: None };
        let user = |name: &str| User { id: UserId::new(), name: name.into() };
        let (alice, bob) = (user("Alice"), user("Bob"));
        let began = Utc::now();
        let taken = VersionRange { from: Version::new(4), to: Version::new(4) };
        let mut add =
            |version, author: Option<&User>, seconds, takes_back: Option<VersionRange>| {
                let at = began + TimeDelta::seconds(seconds);
                let is_alone = takes_back.is_some();
                let number =
                    entries.push(Version::new(version), author.cloned(), at, takes_back, is_alone);
                number.unwrap()
            };
        let numbers = [
            add(1, Some(&alice), 0, None),
            add(2, Some(&alice), 300, None),
            add(3, Some(&bob), 301, None),
            add(4, Some(&bob), 700, None),
            add(5, Some(&bob), 701, Some(taken)),
            add(6, Some(&bob), 702, None),
            add(7, None, 703, None),
        ];
        assert_eq!(numbers, [0, 0, 1, 2, 3, 4, 5]);
        let first = entries.find(0).unwrap();
        assert_eq!((first.from, first.to), (Version::new(1), Version::new(2)));
        assert_eq!(first.ended_at, began + TimeDelta::seconds(300));
        let named = entries.find(2).unwrap();
        assert_eq!((named.name.as_deref(), named.takes_back), (Some("Draft"), None));
        let reversal = entries.find(3).unwrap();
        assert_eq!((reversal.name, reversal.takes_back), (None, Some(taken)));
        assert_eq!(entries.find(5).unwrap().author, None);
        assert!(entries.find(6).is_none());
    }
}
