//! Snapshots: the text of a document at some of its versions.
//!
//! Opening a document reads its newest snapshot and the changes after it instead of the whole log.

use chrono::{DateTime, Utc};
use entity::{document, document_snapshot, named_version};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait as _, Func, OnConflict, Query},
};

use super::{
    Head, Store, StoreError,
    document_lock::lock_documents,
    log::select_head,
    log_reader::find_change_time_in,
    named_versions::delete_named_where,
    stored_bytes::{CountedBytes, count_bytes, delete_counted, row_bytes, signed},
};
use crate::domain::{DocumentId, Party, Version};

/// The stored text of a document at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The text at that version.
    pub state: SnapshotState,
}

/// How a text is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// The whole state as one Yjs v1 update.
    Yjs(Vec<u8>),
    /// Plain text, of a document that was created before the server stored snapshots.
    Plain(String),
}

/// The result of looking for a small snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundSnapshot {
    /// The snapshot.
    Whole(Snapshot),
    /// There is a snapshot with more bytes than the caller wanted. Its text was not read.
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
}

/// A snapshot to be stored.
pub struct NewSnapshot {
    /// The party for whose work it is stored.
    pub payer: Party,
    /// The document.
    pub document: DocumentId,
    /// The version of the text.
    pub version: Version,
    /// When that version was stored, if it is known.
    pub at: Option<DateTime<Utc>>,
    /// The state as one Yjs v1 update.
    pub state: Vec<u8>,
    /// The plain text of the body, if it is to be read without the state.
    pub body_text: Option<String>,
    /// The number of versions between two snapshots that are kept.
    pub every: u32,
    /// How long it waits for its turn.
    pub patience: SnapshotPatience,
}

/// How long a snapshot waits for its turn to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotPatience {
    /// As long as other writes, `store.acquire_within`: a user waits until it is stored.
    Usual,
    /// 30 s, because no user waits for it.
    Long,
}

/// The columns of a snapshot that count as its bytes.
pub(super) const COUNTED: [document_snapshot::Column; 2] =
    [document_snapshot::Column::State, document_snapshot::Column::BodyText];

/// The version of a snapshot, its size in bytes, and its state unless that is too large.
type SnapshotRow = (i64, i64, Option<SnapshotState>);

impl Store {
    /// Returns the newest snapshot of a document at or before `version`. `None` if the document was deleted, or if the
    /// snapshots and changes for `version` are no longer kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_snapshot(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<Snapshot>, StoreError> {
        let row = self.find_snapshot_row(document, version, usize::MAX).await?;
        Ok(row.and_then(|(version, _, state)| Some(whole(version, state?))))
    }

    /// As [`Store::find_snapshot`], but reads the snapshot only if it has at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_small_snapshot(
        &self,
        document: DocumentId,
        version: Version,
        max_bytes: usize,
    ) -> Result<Option<FoundSnapshot>, StoreError> {
        let row = self.find_snapshot_row(document, version, max_bytes).await?;
        Ok(row.map(|(version, bytes, state)| match state {
            Some(state) => FoundSnapshot::Whole(whole(version, state)),
            None => FoundSnapshot::TooLarge { bytes: usize::try_from(bytes).unwrap_or(usize::MAX) },
        }))
    }

    /// Returns the plain text of the body that is kept beside the snapshot of a version. `None` if there is none, or if the document
    /// was deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_body_text(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<String>, StoreError> {
        let text: Option<Option<String>> = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::BodyText)
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .filter(document_snapshot::Column::Version.eq(version.number()))
            .filter(is_kept(document_snapshot::Column::DocumentId, document))
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(text.flatten())
    }

    /// Returns the oldest snapshot of a document that is kept. `None` if it has none, or was deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_oldest_snapshot(
        &self,
        document: DocumentId,
    ) -> Result<Option<Snapshot>, StoreError> {
        let oldest = self.find_oldest_version(document).await?;
        self.find_snapshot(document, oldest.unwrap_or(Version::new(i64::MAX))).await
    }

    /// Returns the version of the oldest snapshot of a document that is kept: the change log is complete after it. `None` if the
    /// document has no snapshot.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_oldest_version(
        &self,
        document: DocumentId,
    ) -> Result<Option<Version>, StoreError> {
        let oldest: Option<i64> = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::Version)
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .order_by_asc(document_snapshot::Column::Version)
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(oldest.map(Version::new))
    }

    async fn find_snapshot_row(
        &self,
        document: DocumentId,
        version: Version,
        max_bytes: usize,
    ) -> Result<Option<SnapshotRow>, StoreError> {
        let state = || document_snapshot::Column::State.into_expr();
        let row: Option<(i64, i64, Option<Vec<u8>>)> = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::Version)
            .expr(size_of_column(state()))
            .expr(if_small(state(), max_bytes))
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .filter(document_snapshot::Column::Version.lte(version.number()))
            .filter(is_kept(document_snapshot::Column::DocumentId, document))
            .order_by_desc(document_snapshot::Column::Version)
            .into_tuple()
            .one(&self.readers)
            .await?;
        match row {
            Some((version, bytes, state)) => {
                Ok(Some((version, bytes, state.map(SnapshotState::Yjs))))
            }
            None => self.find_plain_text(document, version, max_bytes).await,
        }
    }

    /// Returns the text of a document that has no snapshot at all, at its present version.
    async fn find_plain_text(
        &self,
        document: DocumentId,
        version: Version,
        max_bytes: usize,
    ) -> Result<Option<SnapshotRow>, StoreError> {
        let any_snapshot: Option<i64> = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::Version)
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        if any_snapshot.is_some() {
            return Ok(None);
        }
        let content = || document::Column::Content.into_expr();
        let row: Option<(i64, i64, Option<String>)> = document::Entity::find()
            .select_only()
            .column(document::Column::Version)
            .expr(size_of_column(content()))
            .expr(if_small(content(), max_bytes))
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .filter(document::Column::Version.lte(version.number()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.map(|(version, bytes, text)| (version, bytes, text.map(SnapshotState::Plain))))
    }

    /// Stores a snapshot. An existing one at its version stays unchanged. Nothing is stored for a deleted document, and
    /// none for a version that the document does not have: the database may have lost it, and may have another change
    /// under its number.
    ///
    /// The previous snapshot is deleted if the one before it is less than `every` versions older than this one. A
    /// document that is often opened and closed therefore does not keep a snapshot each time.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the payer had no turn within the time of `patience`, [`StoreError::Unavailable`],
    /// [`StoreError::Internal`].
    pub async fn store_snapshot(&self, snapshot: NewSnapshot) -> Result<(), StoreError> {
        let NewSnapshot { payer, document, version, at, state, body_text, every, patience } =
            snapshot;
        // PostgreSQL has no text with this character. The text is read from the state then.
        let body_text = body_text.filter(|text| !text.contains('\0'));
        let storing = async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            if !has_version(&txn, document, version, at).await? {
                return Ok(());
            }
            let text_bytes = body_text.as_ref().map_or(0, String::len);
            let bytes = signed(row_bytes([state.len(), text_bytes]));
            let row = document_snapshot::ActiveModel {
                document_id: Set(document.uuid()),
                version: Set(version.number()),
                state: Set(state),
                body_text: Set(body_text),
            };
            let key = [document_snapshot::Column::DocumentId, document_snapshot::Column::Version];
            let inserted = document_snapshot::Entity::insert(row)
                .on_conflict(OnConflict::columns(key).do_nothing_on(key).to_owned())
                .exec_without_returning(&txn)
                .await?;
            let added = if inserted > 0 { bytes } else { 0 };
            let freed = delete_superseded(&txn, document, version, every).await?;
            let counted = count_bytes(&txn, [(document, added + freed)]).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(())
        };
        match patience {
            SnapshotPatience::Usual => self.write(payer, storing).await,
            SnapshotPatience::Long => self.write_patiently(payer, storing).await,
        }
    }
}

/// A column that is null where it has more than `max_bytes` bytes, so that those are not read.
pub(super) fn if_small(column: Expr, max_bytes: usize) -> Expr {
    let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    Expr::case(size_of_column(column.clone()).lte(max_bytes), column).into()
}

pub(super) fn size_of_column(column: Expr) -> Expr {
    // In PostgreSQL, `octet_length` is a 32-bit integer.
    Expr::from(Func::cust("octet_length").arg(column)).cast_as("bigint")
}

pub(super) fn whole(version: i64, state: SnapshotState) -> Snapshot {
    Snapshot { version: Version::new(version), state }
}

/// Selects only rows of a document that was not deleted, by the column of their document: those of a deleted one may still be
/// there.
pub(super) fn is_kept(column: impl ColumnTrait, document: DocumentId) -> Expr {
    let mut kept = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.eq(document.uuid()))
        .filter(document::Column::DeletedAt.is_null());
    column.in_subquery(QueryTrait::query(&mut kept).take())
}

/// Whether a document that was not deleted has a version, and stored it at `at`, if that is known.
pub(super) async fn has_version(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: Version,
    at: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    let row = select_head(document).into_tuple().one(txn).await?;
    let Some(head) = row.map(Head::from_row) else { return Ok(false) };
    let Some(at) = at else { return Ok(head.version >= version) };
    if head.version <= version {
        return Ok((head.version, head.at) == (version, at));
    }
    // The log may no longer have the change.
    Ok(find_change_time_in(txn, document, version).await?.is_none_or(|stored| stored == at))
}

/// Deletes the snapshots and the names of versions after `head`, which the database has lost.
pub(super) async fn delete_lost_snapshots(
    txn: &DatabaseTransaction,
    document: DocumentId,
    head: Version,
) -> Result<Vec<CountedBytes>, StoreError> {
    let is_lost = document_snapshot::Column::Version.gt(head.number());
    let freed = delete_where(txn, document, is_lost).await?;
    let is_lost = named_version::Column::Version.gt(head.number());
    let names = delete_named_where(txn, document, is_lost).await?;
    count_bytes(txn, [(document, freed + names)]).await
}

/// Deletes the snapshots of a document that meet a condition. Returns the negative of what they took.
pub(super) async fn delete_where(
    txn: &DatabaseTransaction,
    document: DocumentId,
    condition: Expr,
) -> Result<i64, StoreError> {
    use document_snapshot::Column::DocumentId;
    let delete = Query::delete()
        .from_table(document_snapshot::Entity)
        .and_where(DocumentId.eq(document.uuid()))
        .and_where(condition)
        .to_owned();
    let freed =
        delete_counted::<document_snapshot::Entity>(txn, delete, DocumentId, &COUNTED).await?;
    Ok(freed.values().sum())
}

/// Deletes the snapshot before `version` if the one before that is less than `every` versions older than `version`.
/// After the log was shortened, there is no such earlier snapshot, so the one that the log depends on stays. Returns the
/// negative of what the deleted one took.
async fn delete_superseded(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: Version,
    every: u32,
) -> Result<i64, StoreError> {
    let previous: Vec<i64> = document_snapshot::Entity::find()
        .select_only()
        .column(document_snapshot::Column::Version)
        .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
        .filter(document_snapshot::Column::Version.lt(version.number()))
        .order_by_desc(document_snapshot::Column::Version)
        .limit(2)
        .into_tuple()
        .all(txn)
        .await?;
    if let [last, second_last] = previous[..]
        && version.number() - second_last < i64::from(every)
    {
        return delete_where(txn, document, document_snapshot::Column::Version.eq(last)).await;
    }
    Ok(0)
}
