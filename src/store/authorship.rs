//! Removes a user whose account is being deleted as the author of changes.
//!
//! No index leads from a user to their changes, since every change would have to write to it. So all documents are looked at, page
//! by page: an index of the changes of a document leads to those of an author.

use std::collections::BTreeSet;

use entity::{document, document_change, document_receipt};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait as _, IntoValueTuple, Query},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    document_lock::lock_documents,
    stored_bytes::{count_bytes, delete_counted},
};
use crate::domain::{DocumentId, Party, UserId};

/// How many documents are looked at in one step.
const DOCUMENTS_AT_ONCE: u64 = 500;

/// How many changes or receipts one transaction changes.
const ROWS_AT_ONCE: u64 = 1_000;

/// A step of looking for the changes of an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthorshipStep {
    /// Some were found in these documents. There may be more.
    Changed,
    /// These documents have none. The last of them.
    Looked(Uuid),
    /// There are no further documents.
    Ended,
}

impl Store {
    /// Removes a user from some of the changes in the documents after `after`, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub(super) async fn forget_author(
        &self,
        author: UserId,
        after: Option<Uuid>,
    ) -> Result<AuthorshipStep, StoreError> {
        let reading = self.list_document_ids(after);
        let documents = self.read_for(Party::Node, reading).await??;
        let Some(last) = documents.last().copied() else { return Ok(AuthorshipStep::Ended) };
        let has_changed = self.forget_author_of_changes(author, &documents).await?
            || self.delete_receipts_of(author, &documents).await?
            || self.forget_creator(author, &documents).await?;
        Ok(if has_changed { AuthorshipStep::Changed } else { AuthorshipStep::Looked(last) })
    }

    /// Returns the ids of documents after `after`, also of deleted ones.
    pub(super) async fn list_document_ids(
        &self,
        after: Option<Uuid>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut documents = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .order_by_asc(document::Column::Id)
            .limit(DOCUMENTS_AT_ONCE);
        if let Some(after) = after {
            documents = documents.filter(document::Column::Id.gt(after));
        }
        Ok(documents.into_tuple().all(&self.readers).await?)
    }

    async fn forget_author_of_changes(
        &self,
        author: UserId,
        documents: &[Uuid],
    ) -> Result<bool, StoreError> {
        use document_change::Column::{AuthorId, DocumentId, Kind, SessionId, Title, Version};
        let finding = document_change::Entity::find()
            .select_only()
            .columns([DocumentId, Version])
            .filter(DocumentId.is_in(documents.iter().copied()))
            .filter(AuthorId.eq(author.uuid()))
            .limit(ROWS_AT_ONCE)
            .into_tuple()
            .all(&self.readers);
        let found: Vec<(Uuid, i64)> = self.read_for(Party::Node, finding).await??;
        if found.is_empty() {
            return Ok(false);
        }
        let found = found.into_iter().map(IntoValueTuple::into_value_tuple);
        let is_deletion = Kind.eq(document_change::Kind::Deleted);
        let none = || Expr::value(Option::<Uuid>::None);
        // The deletion of a document is the last trace of its title.
        let title = Expr::case(is_deletion, Expr::val("")).finally(Title.into_expr());
        let update = document_change::Entity::update_many()
            .col_expr(AuthorId, none())
            .col_expr(SessionId, none())
            .col_expr(Title, title.into())
            .filter(Expr::tuple([DocumentId, Version].map(Expr::col)).in_tuples(found));
        self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        Ok(true)
    }

    async fn delete_receipts_of(
        &self,
        author: UserId,
        documents: &[Uuid],
    ) -> Result<bool, StoreError> {
        use document_receipt::Column::{AuthorId, DocumentId as Document, EditId, Title};
        let finding = document_receipt::Entity::find()
            .select_only()
            .columns([Document, EditId])
            .filter(Document.is_in(documents.iter().copied()))
            .filter(AuthorId.eq(author.uuid()))
            .limit(ROWS_AT_ONCE)
            .into_tuple()
            .all(&self.readers);
        let found: Vec<(Uuid, String)> = self.read_for(Party::Node, finding).await??;
        if found.is_empty() {
            return Ok(false);
        }
        let locked: BTreeSet<Uuid> = found.iter().map(|(document, _)| *document).collect();
        let found = found.into_iter().map(IntoValueTuple::into_value_tuple);
        let delete = Query::delete()
            .from_table(document_receipt::Entity)
            .and_where(AuthorId.eq(author.uuid()))
            .and_where(Expr::tuple([Document, EditId].map(Expr::col)).in_tuples(found))
            .to_owned();
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, locked.into_iter().map(DocumentId::from)).await?;
            let freed =
                delete_counted::<document_receipt::Entity>(&txn, delete, Document, &[Title])
                    .await?;
            let counted = count_bytes(&txn, freed).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(true)
        })
        .await
    }

    /// Forgets that a user has created documents that others own now.
    async fn forget_creator(
        &self,
        creator: UserId,
        documents: &[Uuid],
    ) -> Result<bool, StoreError> {
        use document::Column::{CreatorId, Id};
        let finding = document::Entity::find()
            .select_only()
            .column(Id)
            .filter(Id.is_in(documents.iter().copied()))
            .filter(CreatorId.eq(creator.uuid()))
            .into_tuple()
            .all(&self.readers);
        let found: Vec<Uuid> = self.read_for(Party::Node, finding).await??;
        if found.is_empty() {
            return Ok(false);
        }
        let update = document::Entity::update_many()
            .col_expr(CreatorId, Expr::value(Uuid::nil()))
            .filter(Id.is_in(found));
        self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        Ok(true)
    }
}
