//! Reading the change log: the result of an earlier edit, and the changes between two versions.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::{document, document_change, document_receipt, user};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Func, IntoValueTuple, UnionType},
};
use uuid::Uuid;

use super::{Receipt, Store, StoreError, rows};
use crate::domain::{
    Change, ChangeKind, Delta, DocumentId, EditId, Fingerprint, User, UserId, Version,
};

/// How many changes one page may have.
const MAX_PAGE_CHANGES: u64 = 512;

/// A page of the change log that was not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPage {
    after: i64,
    last: i64,
    /// The bytes of its deltas and updates.
    pub bytes: usize,
}

/// The columns that changes and receipts have in common, for an edit that was accepted.
#[derive(FromQueryResult)]
struct ReceiptRow {
    author_id: Uuid,
    edit_id: String,
    version: i64,
    title: String,
    at: DateTime<Utc>,
    fingerprint: Option<Vec<u8>>,
}

impl ReceiptRow {
    fn into_receipt(self) -> Receipt {
        Receipt {
            version: Version::new(self.version),
            title: self.title.into(),
            at: self.at,
            fingerprint: self.fingerprint.and_then(|bytes| bytes.try_into().ok()).map(Fingerprint),
        }
    }
}

impl Store {
    /// Returns when a change was stored. `None` if the log does not have it: it is no longer kept, or it is version 1.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_change_time(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        find_change_time_in(&self.readers, document, version).await
    }

    /// Returns the deletion of a document. `None` if it was not deleted, or never existed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_deletion(&self, document: DocumentId) -> Result<Option<Change>, StoreError> {
        let last = document_change::Entity::find()
            .filter(document_change::Column::DocumentId.eq(document.uuid()))
            .order_by_desc(document_change::Column::Version)
            .find_also_related(user::Entity)
            .one(&self.readers)
            .await?;
        let last = last.map(|(row, author)| to_change(row, author)).transpose()?;
        Ok(last.filter(|last| last.kind == ChangeKind::Deleted))
    }

    /// Returns the results of those of these edits that were accepted earlier. Of a deleted document only the deletion is
    /// found.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_edits(
        &self,
        document: DocumentId,
        edits: &[(UserId, EditId)],
    ) -> Result<HashMap<(UserId, EditId), Receipt>, StoreError> {
        find_edits_in(&self.readers, document, edits).await
    }

    /// Returns the changes after the version `after` up to `up_to`, oldest first, without the whole texts: as many as
    /// have at most `bytes` in total, but at least one, and at most 512. Empty if there are none.
    ///
    /// The first change is the one just after `after`, unless that one is no longer kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_changes(
        &self,
        document: DocumentId,
        after: Version,
        up_to: Version,
        bytes: usize,
    ) -> Result<Vec<Change>, StoreError> {
        match self.find_log_page(document, after, up_to, bytes).await? {
            Some(page) => self.read_log_page(document, page).await,
            None => Ok(vec![]),
        }
    }

    /// Returns the page that [`Store::list_changes`] would read. `None` if it is empty.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_log_page(
        &self,
        document: DocumentId,
        after: Version,
        up_to: Version,
        bytes: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        let length = |column: document_change::Column| {
            let length = Func::cust("octet_length").arg(column.into_expr());
            // In PostgreSQL, `octet_length` is a 32-bit integer.
            Expr::from(Func::coalesce([length.into(), Expr::val(0)])).cast_as("bigint")
        };
        let sizes: Vec<(i64, i64, i64)> = changes_after(document, after.number())
            .select_only()
            .column(document_change::Column::Version)
            .expr(length(document_change::Column::Delta))
            .expr(length(document_change::Column::Update))
            .filter(document_change::Column::Version.lte(up_to.number()))
            .limit(MAX_PAGE_CHANGES)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(page_that_fits(after, &sizes, bytes))
    }

    /// Reads a page of changes, oldest first, without the whole texts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn read_log_page(
        &self,
        document: DocumentId,
        page: LogPage,
    ) -> Result<Vec<Change>, StoreError> {
        let rows = changes_after(document, page.after)
            .filter(document_change::Column::Version.lte(page.last))
            .find_also_related(user::Entity)
            .all(&self.readers)
            .await?;
        rows.into_iter().map(|(row, author)| to_change(row, author)).collect()
    }
}

/// Returns when a change was stored. `None` if the log does not have it.
pub(super) async fn find_change_time_in(
    connection: &impl ConnectionTrait,
    document: DocumentId,
    version: Version,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let found = document_change::Entity::find()
        .select_only()
        .column(document_change::Column::At)
        .filter(document_change::Column::DocumentId.eq(document.uuid()))
        .filter(document_change::Column::Version.eq(version.number()));
    Ok(found.into_tuple().one(connection).await?)
}

/// Returns the results of those of these edits that were accepted earlier. Of a deleted document only the deletion is
/// found: the rest of its log may be kept for a while, but belongs to a document that does not exist.
pub(super) async fn find_edits_in(
    connection: &impl ConnectionTrait,
    document: DocumentId,
    edits: &[(UserId, EditId)],
) -> Result<HashMap<(UserId, EditId), Receipt>, StoreError> {
    if edits.is_empty() {
        return Ok(HashMap::new());
    }
    let names =
        || edits.iter().map(|(author, edit)| (author.uuid(), edit.as_str()).into_value_tuple());
    let named = |author: Expr, edit: Expr| Expr::tuple([author, edit]).in_tuples(names());
    let mut live = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.eq(document.uuid()))
        .filter(document::Column::DeletedAt.is_null());
    let live = QueryTrait::query(&mut live).take();
    let mut changes = document_change::Entity::find()
        .select_only()
        .columns([
            document_change::Column::AuthorId,
            document_change::Column::EditId,
            document_change::Column::Version,
            document_change::Column::Title,
            document_change::Column::At,
            document_change::Column::Fingerprint,
        ])
        .filter(document_change::Column::DocumentId.eq(document.uuid()))
        .filter(named(
            document_change::Column::AuthorId.into_expr(),
            document_change::Column::EditId.into_expr(),
        ))
        .filter(
            Condition::any()
                .add(document_change::Column::DocumentId.in_subquery(live.clone()))
                .add(document_change::Column::Kind.eq(rows::stored_kind(ChangeKind::Deleted))),
        );
    let mut receipts = document_receipt::Entity::find()
        .select_only()
        .columns([
            document_receipt::Column::AuthorId,
            document_receipt::Column::EditId,
            document_receipt::Column::Version,
            document_receipt::Column::Title,
            document_receipt::Column::At,
            document_receipt::Column::Fingerprint,
        ])
        .filter(document_receipt::Column::DocumentId.eq(document.uuid()))
        .filter(named(
            document_receipt::Column::AuthorId.into_expr(),
            document_receipt::Column::EditId.into_expr(),
        ))
        .filter(document_receipt::Column::DocumentId.in_subquery(live));
    let receipts = QueryTrait::query(&mut receipts).take();
    let select = QueryTrait::query(&mut changes).union(UnionType::All, receipts).take();
    let mut found = HashMap::new();
    for row in connection.query_all(&select).await? {
        let row = ReceiptRow::from_query_result(&row, "")?;
        let edit = EditId::new(&row.edit_id).map_err(StoreError::internal)?;
        found.insert((UserId::from(row.author_id), edit), row.into_receipt());
    }
    Ok(found)
}

/// Selects the changes of a document after a version, oldest first.
fn changes_after(document: DocumentId, after: i64) -> Select<document_change::Entity> {
    document_change::Entity::find()
        .filter(document_change::Column::DocumentId.eq(document.uuid()))
        .filter(document_change::Column::Version.gt(after))
        .order_by_asc(document_change::Column::Version)
}

/// Returns the page of at most `max_bytes` after a version, with at least one change. `sizes` are versions with the sizes of
/// their delta and update.
fn page_that_fits(after: Version, sizes: &[(i64, i64, i64)], max_bytes: usize) -> Option<LogPage> {
    let mut page: Option<LogPage> = None;
    for (version, delta, update) in sizes {
        let size = delta.unsigned_abs().saturating_add(update.unsigned_abs());
        let bytes = page.map_or(0, |page| page.bytes).saturating_add(to_usize(size));
        if page.is_some() && bytes > max_bytes {
            break;
        }
        page = Some(LogPage { after: after.number(), last: *version, bytes });
    }
    page
}

fn to_usize(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn to_change(
    row: document_change::Model,
    author: Option<user::Model>,
) -> Result<Change, StoreError> {
    let delta: Option<Delta> = row
        .delta
        .map(|delta| serde_json::from_str(&delta))
        .transpose()
        .map_err(StoreError::internal)?;
    Ok(Change {
        document: row.document_id.into(),
        kind: rows::change_kind(row.kind),
        version: Version::new(row.version),
        author: author.map(|user| User { id: user.id.into(), name: user.name.into() }),
        session: row.session_id.map(Into::into),
        title: row.title.into(),
        delta: delta.map(Arc::new),
        update: row.update.map(Bytes::from),
        content: None,
        at: row.at,
        previous_at: None,
    })
}
