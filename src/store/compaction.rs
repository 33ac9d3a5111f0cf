//! Stores compactions: a new Yjs state of a document as a change of its own.

use entity::{document, document_change, document_snapshot};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Head, Store, StoreError,
    document_lock::lock_documents,
    log::select_head,
    rows,
    stored_bytes::{count_bytes, row_bytes, signed},
};
use crate::domain::{ChangeKind, DocumentId, Party, Version};

impl Store {
    /// Stores a compaction of a document as the version after `head`, together with the snapshot of it: `state`, one Yjs v1
    /// update with a history of its own. Text and title stay as they are. It is stored for `payer`. Returns the version. None if
    /// the document has another head.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn store_compaction(
        &self,
        document: DocumentId,
        head: &Head,
        state: Vec<u8>,
        payer: Party,
    ) -> Result<Option<Version>, StoreError> {
        self.write(payer, async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            let row = select_head(document).into_tuple().one(&txn).await?;
            let is_same =
                row.map(Head::from_row).is_some_and(|stored| stored.is_same_version(head));
            if !is_same {
                return Ok(None);
            }
            let (version, at) = (head.version.next(), rows::now());
            document::Entity::update_many()
                .col_expr(document::Column::Version, Expr::value(version.number()))
                .col_expr(document::Column::UpdatedAt, Expr::value(at))
                .col_expr(document::Column::Content, Expr::value(""))
                .filter(document::Column::Id.eq(document.uuid()))
                .exec(&txn)
                .await?;
            let title = head.title.to_string();
            let bytes = row_bytes([title.len()]).saturating_add(row_bytes([state.len()]));
            let change = document_change::ActiveModel {
                document_id: Set(document.uuid()),
                version: Set(version.number()),
                kind: Set(rows::stored_kind(ChangeKind::Compacted)),
                author_id: Set(None),
                session_id: Set(None),
                edit_id: Set(None),
                fingerprint: Set(None),
                title: Set(title),
                at: Set(at),
                delta: Set(None),
                update: Set(None),
                taken_from: Set(None),
                taken_to: Set(None),
            };
            document_change::Entity::insert(change).exec_without_returning(&txn).await?;
            let snapshot = document_snapshot::ActiveModel {
                document_id: Set(document.uuid()),
                version: Set(version.number()),
                state: Set(state),
                body_text: Set(None),
            };
            document_snapshot::Entity::insert(snapshot).exec_without_returning(&txn).await?;
            let counted = count_bytes(&txn, [(document, signed(bytes))]).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(Some(version))
        })
        .await
    }
}
