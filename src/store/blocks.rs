//! Users from whom others accept no documents.

use std::collections::BTreeSet;

use entity::{address_grant, document_access, user, user_block};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Store, StoreError, UserAccess, access_changes::record_changes, document_lock::lock_documents,
    ownership::lock_account,
};
use crate::domain::{DocumentId, Party, User, UserId};

/// The most users whom one blocks, and the most grants that are taken back at a time.
pub(super) const MAX_BLOCKED: u64 = 1_000;

impl Store {
    /// Refuses documents that `blocked` shares with `user` from now on. What they have granted and `user` has not
    /// accepted is revoked. Returns the access that has changed, to be announced. Blocking again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::TooManyBlocked`], [`StoreError::Busy`].
    pub async fn block_user(
        &self,
        user: UserId,
        blocked: UserId,
    ) -> Result<Vec<UserAccess>, StoreError> {
        use document_access::Column;
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            // A grant that is being stored is waited for.
            lock_account(&txn, user).await?;
            if user::Entity::find_by_id(blocked.uuid()).count(&txn).await? == 0 {
                return Err(StoreError::NoSuchUser);
            }
            let row = user_block::ActiveModel {
                user_id: Set(user.uuid()),
                blocked_id: Set(blocked.uuid()),
            };
            user_block::Entity::insert(row)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&txn)
                .await?;
            let of_user = user_block::Column::UserId.eq(user.uuid());
            if user_block::Entity::find().filter(of_user).count(&txn).await? > MAX_BLOCKED {
                return Err(StoreError::TooManyBlocked);
            }
            let unaccepted = document_access::Entity::find()
                .filter(Column::UserId.eq(user.uuid()))
                .filter(Column::GrantedBy.eq(blocked.uuid()))
                .filter(Column::AcceptedAt.is_null());
            let grants = unaccepted.limit(MAX_BLOCKED).all(&txn).await?;
            let documents: Vec<Uuid> = grants.iter().map(|grant| grant.document_id).collect();
            let pairs: BTreeSet<(DocumentId, UserId)> =
                documents.iter().map(|document| ((*document).into(), user)).collect();
            lock_documents(&txn, pairs.iter().map(|(document, _)| *document)).await?;
            document_access::Entity::delete_many()
                .filter(Column::UserId.eq(user.uuid()))
                .filter(Column::GrantedBy.eq(blocked.uuid()))
                .filter(Column::AcceptedAt.is_null())
                .filter(Column::DocumentId.is_in(documents))
                .exec(&txn)
                .await?;
            keep_for_addresses(&txn, grants).await?;
            let changed = record_changes(&txn, &pairs).await?;
            txn.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// Accepts documents of a user again. Returns whether they were blocked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn unblock_user(&self, user: UserId, blocked: UserId) -> Result<bool, StoreError> {
        let key = (user.uuid(), blocked.uuid());
        let delete = user_block::Entity::delete_by_id(key);
        let deleted = self.turns.write(Party::User(user), delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected > 0)
    }

    /// Returns the users whom a user blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_blocked(&self, user: UserId) -> Result<Vec<User>, StoreError> {
        let blocked: Vec<Uuid> = user_block::Entity::find()
            .select_only()
            .column(user_block::Column::BlockedId)
            .filter(user_block::Column::UserId.eq(user.uuid()))
            .order_by_asc(user_block::Column::BlockedId)
            .limit(MAX_BLOCKED)
            .into_tuple()
            .all(&self.readers)
            .await?;
        let mut users = self.load_users(blocked.iter().map(|id| UserId::from(*id))).await?;
        Ok(blocked.into_iter().filter_map(|id| users.remove(&id.into())).collect())
    }
}

/// Keeps grants to addresses, whose granters do not learn that the user blocks them.
async fn keep_for_addresses(
    txn: &DatabaseTransaction,
    grants: Vec<document_access::Model>,
) -> Result<(), StoreError> {
    for grant in grants {
        let (Some(email), Some(granted_by)) = (grant.email, grant.granted_by) else { continue };
        let kept = address_grant::ActiveModel {
            document_id: Set(grant.document_id),
            email: Set(email),
            level: Set(grant.level),
            granted_by: Set(granted_by),
            granted_at: Set(grant.granted_at),
            ends_at: Set(grant.ends_at),
        };
        address_grant::Entity::insert(kept)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Checks that a user accepts documents of another.
pub(super) async fn check_not_blocked(
    txn: &DatabaseTransaction,
    user: UserId,
    by: UserId,
) -> Result<(), StoreError> {
    let block = user_block::Entity::find_by_id((user.uuid(), by.uuid()));
    if block.one(txn).await?.is_some() { Err(StoreError::Blocked) } else { Ok(()) }
}
