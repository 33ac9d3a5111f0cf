//! Authorization of batches at commit time.
//!
//! [`CommitAuthorization`] holds the heads and owners of documents and the levels of authors. It is read in the transaction that
//! stores the batches, after their documents are locked, so neither can change before the commit. One query serves all
//! batches.

use std::{
    collections::{BTreeSet, HashMap},
    iter,
};

use chrono::{DateTime, Utc};
use entity::Level;
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{
    Batch, CommitError, Committed, StoreError,
    rows::{self, entitled_level_sql},
    statement_sizes::fill_up,
    stored_bytes::{CountedBytes, signed},
};
use crate::domain::{AccessLevel, DocumentId, User, UserId, Version};

/// The heads and levels that decide whether batches may be stored.
pub(super) struct CommitAuthorization {
    documents: HashMap<DocumentId, DocumentFacts>,
    authors: HashMap<(DocumentId, UserId), Author>,
}

/// What is stored of a document.
struct DocumentFacts {
    version: Version,
    stored_at: DateTime<Utc>,
    owner: Uuid,
    /// The length of the text, in bytes.
    size: i64,
}

struct Author {
    user: User,
    level: Option<AccessLevel>,
}

#[derive(FromQueryResult)]
struct Row {
    document_id: Uuid,
    version: i64,
    updated_at: DateTime<Utc>,
    owner_id: Uuid,
    size: i64,
    user_id: Uuid,
    user_name: String,
    level: Option<Level>,
    entitled_level: Option<Level>,
}

impl CommitAuthorization {
    /// Reads the heads of the documents and the levels of the authors of these batches.
    pub(super) async fn load(
        txn: &DatabaseTransaction,
        batches: &[Batch],
    ) -> Result<Self, StoreError> {
        let pairs: BTreeSet<_> = batches
            .iter()
            .flat_map(|batch| {
                batch.required_levels().map(|(author, _)| (batch.document.uuid(), author.uuid()))
            })
            .collect();
        let mut authorization = Self { documents: HashMap::new(), authors: HashMap::new() };
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // No document has the id of zeros.
        fill_up(&mut pairs, &(Uuid::nil(), Uuid::nil()));
        if pairs.is_empty() {
            return Ok(authorization);
        }
        let query = select_levels(pairs.len());
        let ids = pairs.into_iter().flat_map(|(document, user)| [document.into(), user.into()]);
        let values: Vec<Value> = iter::once(rows::now().into()).chain(ids).collect();
        let query = Statement::from_sql_and_values(txn.get_database_backend(), query, values);
        for row in txn.query_all_raw(query).await? {
            let row = Row::from_query_result(&row, "")?;
            let (document, id) = (DocumentId::from(row.document_id), UserId::from(row.user_id));
            let facts = DocumentFacts {
                version: Version::new(row.version),
                stored_at: row.updated_at,
                owner: row.owner_id,
                size: row.size,
            };
            authorization.documents.insert(document, facts);
            let level = rows::effective_level(id, row.owner_id, row.level, row.entitled_level);
            let user = User { id, name: row.user_name.into() };
            authorization.authors.insert((document, id), Author { user, level });
        }
        Ok(authorization)
    }

    /// Decides whether the batch may be stored. Returns the reply for the case that it is stored at `at`.
    ///
    /// # Errors
    /// [`CommitError::Denied`] if an author lacks the required level, or there is no such document;
    /// [`CommitError::Overtaken`] if the document is not at the base version of the batch.
    pub(super) fn check(&self, batch: &Batch, at: DateTime<Utc>) -> Result<Committed, CommitError> {
        let author = |user: UserId| self.authors.get(&(batch.document, user));
        let level = |user: UserId| author(user).and_then(|author| author.level);
        let denied: BTreeSet<_> = batch
            .required_levels()
            .filter(|(user, required)| !level(*user).is_some_and(|level| level.allows(*required)))
            .map(|(user, _)| user)
            .collect();
        if !denied.is_empty() {
            return Err(CommitError::Denied(denied.into_iter().collect()));
        }
        let is_base = |facts: &DocumentFacts| {
            facts.version == batch.base
                && batch.base_at.is_none_or(|base_at| base_at == facts.stored_at)
        };
        if !self.documents.get(&batch.document).is_some_and(is_base) {
            return Err(CommitError::Overtaken);
        }
        let authors = batch.required_levels().filter_map(|(user, _)| author(user));
        let authors = authors.map(|author| (author.user.id, author.user.clone())).collect();
        Ok(Committed { at, authors })
    }

    /// Whether a batch makes the text longer.
    pub(super) fn lengthens(&self, batch: &Batch) -> bool {
        let before = self.documents.get(&batch.document).map_or(0, |facts| facts.size);
        batch.changes.last().is_some_and(|last| signed(last.size as u64) > before)
    }

    /// Returns `bytes` for the owner of a document, if there is such a document.
    pub(super) fn counted_for(&self, document: DocumentId, bytes: i64) -> Option<CountedBytes> {
        let owner = self.documents.get(&document)?.owner;
        Some(CountedBytes { owner, bytes })
    }
}

/// Returns the query that selects, for each of `count` pairs of a document and a user, the document's head and owner and the
/// user's name and levels. A pair whose document is deleted or whose document or user does not exist yields no row. Its first
/// parameter is the present time. It is text, because
/// building a query tree for every commit costs time.
fn select_levels(count: usize) -> String {
    let pairs = (0..count).map(|pair| format!("(${}, ${})", 2 * pair + 2, 2 * pair + 3));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    format!(
        r#"SELECT requested.column1 AS document_id, requested.column2 AS user_id,
        document.version, document.updated_at, document.owner_id, document.size,
        "user".name AS user_name, document_access.level,
        {ENTITLED_LEVEL} AS entitled_level
        FROM (VALUES {pairs}) AS requested
        INNER JOIN document ON document.id = requested.column1
        INNER JOIN "user" ON "user".id = requested.column2
        LEFT JOIN document_access ON document_access.document_id = requested.column1
            AND document_access.user_id = requested.column2
            AND (document_access.ends_at IS NULL OR document_access.ends_at > $1)
        WHERE document.deleted_at IS NULL"#
    )
}

/// The highest level that the user of a pair is entitled to.
const ENTITLED_LEVEL: &str = entitled_level_sql!("requested.column1", "requested.column2", "$1");
