//! Snapshots: the text of a document at some versions, so that opening it need not read the whole log.

use entity::{document, document_snapshot};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};

use super::{Store, StoreError, pools::lock_documents};
use crate::domain::{DocumentId, Version};

/// A document's text at one version, as it is stored.
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
    /// The plain text of a document that was made before there were snapshots.
    Plain(String),
}

impl Store {
    /// The newest snapshot of a document that is not after `version`; none if the document is gone, or what led to
    /// `version` is no longer kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_snapshot(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<Snapshot>, StoreError> {
        let snapshot = document_snapshot::Entity::find()
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .filter(document_snapshot::Column::Version.lte(version.number()))
            .order_by_desc(document_snapshot::Column::Version)
            .one(&self.readers)
            .await?;
        if let Some(row) = snapshot {
            let version = Version::new(row.version);
            return Ok(Some(Snapshot { version, state: SnapshotState::Yjs(row.state) }));
        }
        self.find_plain(document, version).await
    }

    /// The text of a document that has no snapshots at all, at the version that it has.
    async fn find_plain(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Option<Snapshot>, StoreError> {
        let kept: Option<i64> = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::Version)
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        if kept.is_some() {
            return Ok(None);
        }
        let row: Option<(i64, String)> = document::Entity::find()
            .select_only()
            .columns([document::Column::Version, document::Column::Content])
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .filter(document::Column::Version.lte(version.number()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.map(|(version, text)| Snapshot {
            version: Version::new(version),
            state: SnapshotState::Plain(text),
        }))
    }

    /// Keeps the state of a document at a version. One that is kept already stays as it is; of a document that is
    /// gone nothing is kept. The one before goes when the one before that is less than `every` versions older than
    /// this: a document that is opened and closed often does not keep its text every time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn store_snapshot(
        &self,
        document: DocumentId,
        version: Version,
        state: Vec<u8>,
        every: u32,
    ) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        lock_documents(&txn, [document]).await?;
        let there: Option<i64> = document::Entity::find()
            .select_only()
            .column(document::Column::Version)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&txn)
            .await?;
        if there.is_none() {
            return Ok(());
        }
        let row = document_snapshot::ActiveModel {
            document_id: Set(document.uuid()),
            version: Set(version.number()),
            state: Set(state),
        };
        let key = [document_snapshot::Column::DocumentId, document_snapshot::Column::Version];
        document_snapshot::Entity::insert(row)
            .on_conflict(OnConflict::columns(key).do_nothing_on(key).to_owned())
            .exec_without_returning(&txn)
            .await?;
        thin_out(&txn, document, version, every).await?;
        txn.commit().await?;
        Ok(())
    }
}

/// Drops the snapshot before `version` if the one before that will do. Where the log was shortened there is none before
/// that, so what the rest of the log needs stays.
async fn thin_out(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: Version,
    every: u32,
) -> Result<(), StoreError> {
    let before: Vec<i64> = document_snapshot::Entity::find()
        .select_only()
        .column(document_snapshot::Column::Version)
        .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
        .filter(document_snapshot::Column::Version.lt(version.number()))
        .order_by_desc(document_snapshot::Column::Version)
        .limit(2)
        .into_tuple()
        .all(txn)
        .await?;
    if let [last, one_before] = before[..]
        && version.number() - one_before < i64::from(every)
    {
        document_snapshot::Entity::delete_many()
            .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
            .filter(document_snapshot::Column::Version.eq(last))
            .exec(txn)
            .await?;
    }
    Ok(())
}
