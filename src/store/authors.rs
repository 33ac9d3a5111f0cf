//! What the authors of a batch may do, read in the transaction that stores it.

use std::collections::HashMap;

use entity::{Level, document, document_access, user};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{Batch, StoreError, rows};
use crate::domain::{AccessLevel, ChangeKind, User, UserId, Version};

/// What the authors of a batch may do, and what they are called.
pub(super) struct Authors {
    pub(super) users: HashMap<UserId, User>,
    levels: HashMap<UserId, Option<AccessLevel>>,
}

#[derive(FromQueryResult)]
struct AuthorRow {
    version: i64,
    owner_id: Uuid,
    user_id: Uuid,
    user_name: String,
    level: Option<Level>,
}

impl Authors {
    /// Reads them and the head, which is none when the document is not there.
    pub(super) async fn load(
        txn: &DatabaseTransaction,
        batch: &Batch,
    ) -> Result<(Option<Version>, Self), StoreError> {
        let ids = batch.authors().map(UserId::uuid);
        let is_author = Expr::col((user::Entity, user::Column::Id)).is_in(ids);
        let is_grant = Expr::col((document_access::Entity, document_access::Column::DocumentId))
            .eq(Expr::col((document::Entity, document::Column::Id)))
            .and(
                Expr::col((document_access::Entity, document_access::Column::UserId))
                    .eq(Expr::col((user::Entity, user::Column::Id))),
            );
        let mut question = document::Entity::find()
            .select_only()
            .columns([document::Column::Version, document::Column::OwnerId])
            .column_as(user::Column::Id, "user_id")
            .column_as(user::Column::Name, "user_name")
            .column(document_access::Column::Level)
            .filter(document::Column::Id.eq(batch.document.uuid()))
            .filter(document::Column::DeletedAt.is_null());
        QueryTrait::query(&mut question)
            .inner_join(user::Entity, is_author)
            .left_join(document_access::Entity, is_grant);
        let rows = question.into_model::<AuthorRow>().all(txn).await?;
        let head = rows.first().map(|row| Version::new(row.version));
        let mut authors = Self { users: HashMap::new(), levels: HashMap::new() };
        for row in rows {
            let id = UserId::from(row.user_id);
            authors.levels.insert(id, rows::level_of(id, row.owner_id, row.level));
            authors.users.insert(id, User { id, name: row.user_name.into() });
        }
        Ok((head, authors))
    }

    pub(super) fn denied(&self, batch: &Batch) -> Vec<UserId> {
        let level = |author: UserId| self.levels.get(&author).copied().flatten();
        let mut denied: Vec<UserId> = batch
            .needed()
            .filter(|(author, needed)| !level(*author).is_some_and(|level| level.allows(*needed)))
            .map(|(author, _)| author)
            .collect();
        denied.sort_unstable();
        denied.dedup();
        denied
    }
}

impl Batch {
    fn authors(&self) -> impl Iterator<Item = UserId> {
        self.needed().map(|(author, _)| author)
    }

    /// What each change needs its author to have.
    fn needed(&self) -> impl Iterator<Item = (UserId, AccessLevel)> {
        let changes = self.changes.iter().map(|change| match change.kind {
            ChangeKind::Deleted => (change.author, AccessLevel::Owner),
            ChangeKind::Edited | ChangeKind::Renamed | ChangeKind::Resync => {
                (change.author, AccessLevel::Edit)
            }
        });
        changes.chain(self.receipts.iter().map(|receipt| (receipt.author, AccessLevel::Edit)))
    }
}
