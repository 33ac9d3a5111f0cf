//! The history of a document as people read it: runs of changes by one author without a long pause.
//!
//! Whether a version begins a run depends on it and the one before alone, so runs are the same wherever a page begins.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use entity::{document, document_change};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{DocumentId, User, UserId, Version};

/// So many changes are read at once.
const PAGE: u64 = 1_000;

/// After so many a page ends early, with what it has; more than the longest run.
const MAX_ROWS: usize = 20_000;

/// A run is cut off at every multiple of so many versions, so that reading a page of them has an end.
const MAX_ENTRY_CHANGES: i64 = 10_000;

/// Changes by one author without a long pause.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The version of the first one.
    pub from: Version,
    /// The version of the last one.
    pub to: Version,
    /// Who made them; nobody when the account is gone.
    pub author: Option<User>,
    /// When the first one was stored.
    pub started_at: DateTime<Utc>,
    /// When the last one was stored.
    pub ended_at: DateTime<Utc>,
}

/// Some runs of a document, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The runs.
    pub runs: Vec<HistoryEntry>,
    /// Whether there are older ones.
    pub has_next: bool,
}

/// A change, as far as the history wants to know.
#[derive(Debug, Clone, Copy)]
struct HistoryStep {
    version: i64,
    author: Option<Uuid>,
    at: DateTime<Utc>,
}

impl HistoryStep {
    /// Whether this one and `newer`, the next, are of one run.
    fn goes_on(&self, newer: &Self, pause: Duration) -> bool {
        let between = (newer.at - self.at).to_std().unwrap_or_default();
        self.author == newer.author && between <= pause && newer.version % MAX_ENTRY_CHANGES != 0
    }
}

impl Store {
    /// Runs of changes, newest first: at most `count`, or fewer where they are long, all of them before the version
    /// `before` if there is one. The beginning of the document is a change of its owner. What was forgotten is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_runs(
        &self,
        document: DocumentId,
        before: Option<Version>,
        count: u32,
    ) -> Result<HistoryPage, StoreError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut gathering = Gathering { runs: Vec::new(), count, pause: self.history_pause };
        let mut below = before.map_or(i64::MAX, Version::number);
        let mut read = 0;
        loop {
            let steps = self.list_steps(document, below).await?;
            let is_last = (steps.len() as u64) < PAGE;
            read += steps.len();
            for step in steps {
                below = step.version;
                if gathering.add(step) {
                    return self.name(gathering.runs, true).await;
                }
            }
            if is_last {
                break;
            }
            if read >= MAX_ROWS {
                // The last one may go on; it is the first of the next page.
                gathering.runs.pop();
                return self.name(gathering.runs, true).await;
            }
        }
        // The first version is no row of the log; where the log begins with the next one, nothing was forgotten.
        if let Some(first) = self.find_beginning(document, below).await?
            && gathering.add(first)
        {
            return self.name(gathering.runs, true).await;
        }
        self.name(gathering.runs, false).await
    }

    async fn list_steps(
        &self,
        document: DocumentId,
        below: i64,
    ) -> Result<Vec<HistoryStep>, StoreError> {
        let rows: Vec<(i64, Option<Uuid>, DateTime<Utc>)> = document_change::Entity::find()
            .select_only()
            .column(document_change::Column::Version)
            .column(document_change::Column::AuthorId)
            .column(document_change::Column::At)
            .filter(document_change::Column::DocumentId.eq(document.uuid()))
            .filter(document_change::Column::Version.lt(below))
            .order_by_desc(document_change::Column::Version)
            .limit(PAGE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(rows
            .into_iter()
            .map(|(version, author, at)| HistoryStep { version, author, at })
            .collect())
    }

    /// The first version, if it is the one before `below`, or the only one there is.
    async fn find_beginning(
        &self,
        document: DocumentId,
        below: i64,
    ) -> Result<Option<HistoryStep>, StoreError> {
        let row: Option<(Uuid, DateTime<Utc>, i64)> = document::Entity::find()
            .select_only()
            .column(document::Column::OwnerId)
            .column(document::Column::CreatedAt)
            .column(document::Column::Version)
            .filter(document::Column::Id.eq(document.uuid()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        let second = Version::FIRST.next().number();
        let is_next = |head: i64| below == second || (head == 1 && below > second);
        Ok(row.filter(|(_, _, head)| is_next(*head)).map(|(owner, at, _)| HistoryStep {
            version: Version::FIRST.number(),
            author: Some(owner),
            at,
        }))
    }

    /// Runs with the names of their authors.
    async fn name(&self, runs: Vec<Found>, has_next: bool) -> Result<HistoryPage, StoreError> {
        let authors = runs.iter().filter_map(|run| run.author).map(UserId::from);
        let users: HashMap<UserId, User> = self.load_users(authors).await?;
        let runs = runs.into_iter().map(|run| HistoryEntry {
            from: Version::new(run.first.version),
            to: Version::new(run.to),
            author: run.author.and_then(|author| users.get(&author.into()).cloned()),
            started_at: run.first.at,
            ended_at: run.ended_at,
        });
        Ok(HistoryPage { runs: runs.collect(), has_next })
    }
}

/// A run, as it is put together from its end.
struct Found {
    first: HistoryStep,
    to: i64,
    author: Option<Uuid>,
    ended_at: DateTime<Utc>,
}

struct Gathering {
    runs: Vec<Found>,
    count: usize,
    pause: Duration,
}

impl Gathering {
    /// Takes in the change before the last one. True when it belongs to a run that is not wanted any more.
    fn add(&mut self, step: HistoryStep) -> bool {
        if let Some(run) = self.runs.last_mut()
            && step.goes_on(&run.first, self.pause)
        {
            run.first = step;
            return false;
        }
        if self.runs.len() == self.count {
            return true;
        }
        let HistoryStep { version, author, at } = step;
        self.runs.push(Found { first: step, to: version, author, ended_at: at });
        false
    }
}
