//! Forgetting what is older than operators want kept.
//!
//! What goes is the beginning of a log, up to a snapshot: then the text at every version that is still named can be
//! made from that snapshot and what follows it.

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt, document_snapshot};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{Store, StoreError};

/// The logs of at most so many documents are shortened in one transaction, so that nobody waits long for the writer.
const AT_ONCE: u64 = 64;

impl Store {
    /// Forgets changes that were stored before `before` and are not needed to open a document, of some documents;
    /// says of how many, 0 when nothing is left to forget.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_changes(&self, before: DateTime<Utc>) -> Result<usize, StoreError> {
        let txn = self.begin().await?;
        let of_snapshot = |change: document_change::Column, snapshot: document_snapshot::Column| {
            Expr::col((document_change::Entity, change))
                .equals((document_snapshot::Entity, snapshot))
        };
        let is_same =
            of_snapshot(document_change::Column::DocumentId, document_snapshot::Column::DocumentId)
                .and(of_snapshot(
                    document_change::Column::Version,
                    document_snapshot::Column::Version,
                ));
        // A snapshot whose own change is old and still there: everything up to it may go.
        let mut question = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::DocumentId)
            .column_as(document_snapshot::Column::Version.max(), "version")
            .filter(document_change::Column::At.lt(before))
            .group_by(document_snapshot::Column::DocumentId)
            .limit(AT_ONCE);
        QueryTrait::query(&mut question).inner_join(document_change::Entity, is_same);
        let old: Vec<(Uuid, i64)> = question.into_tuple().all(&txn).await?;
        for (document, version) in &old {
            document_change::Entity::delete_many()
                .filter(document_change::Column::DocumentId.eq(*document))
                .filter(document_change::Column::Version.lte(*version))
                .exec(&txn)
                .await?;
            document_snapshot::Entity::delete_many()
                .filter(document_snapshot::Column::DocumentId.eq(*document))
                .filter(document_snapshot::Column::Version.lt(*version))
                .exec(&txn)
                .await?;
        }
        document_receipt::Entity::delete_many()
            .filter(document_receipt::Column::At.lt(before))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        Ok(old.len())
    }
}
