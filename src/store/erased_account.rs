//! The last step of the deletion of an account: the row that stays of it, and the names of its user that outside issuers have.

use chrono::{DateTime, Utc};
use entity::{
    address_grant, document, document_access, document_bin, document_link, entitlement,
    group_member, identity, link_bar, user, user_block,
};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait as _, QueryFilter,
    QuerySelect,
    sea_query::{Expr, ExprTrait as _, IntoValueTuple, LockType},
};
use uuid::Uuid;

use super::{
    Store, StoreError, accounts::placeholder_address, groups::is_member,
    named_versions::forget_namer, rows,
};
use crate::domain::{Party, UserId};

/// The name of an account that was deleted. Others see it nowhere.
const ERASED_NAME: &str = "Deleted user";

/// The most identities that are deleted at a time.
const IDENTITIES_AT_ONCE: u64 = 500;

impl Store {
    /// Removes what is known of a user whose account is being deleted. Returns false, and changes nothing, if the account still has
    /// documents or access.
    pub(super) async fn erase_account(&self, user: UserId) -> Result<bool, StoreError> {
        use user::Column::{
            ConfirmedEmail, Email, ErasedAt, ErasingAt, HeirId, Id, Name, PasswordHash,
        };
        let none = || Expr::value(Option::<String>::None);
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            // Grants that are being stored refer to the row, and are waited for.
            let lock = user::Entity::find_by_id(user.uuid()).select_only().column(Id);
            let _locked: Option<Uuid> = lock.lock(LockType::Update).into_tuple().one(&txn).await?;
            if has_documents_or_access(&txn, user).await? {
                return Ok(false);
            }
            forget_relations(&txn, user).await?;
            user::Entity::update_many()
                .col_expr(Name, Expr::value(ERASED_NAME))
                .col_expr(Email, Expr::value(placeholder_address(user)))
                .col_expr(ConfirmedEmail, none())
                .col_expr(PasswordHash, none())
                .col_expr(HeirId, Expr::value(Option::<Uuid>::None))
                .col_expr(ErasedAt, Expr::value(rows::now()))
                .filter(Id.eq(user.uuid()))
                .filter(ErasingAt.is_not_null())
                .filter(ErasedAt.is_null())
                .exec(&txn)
                .await?;
            // The rest of an identity is needed until the tokens from before have expired: they must not create an account.
            identity::Entity::update_many()
                .col_expr(identity::Column::Name, none())
                .col_expr(identity::Column::Email, none())
                .filter(identity::Column::UserId.eq(user.uuid()))
                .exec(&txn)
                .await?;
            txn.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Deletes some of the identities of accounts that were deleted before a time. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_erased_identities(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        use identity::Column::{Issuer, Subject};
        let old: Vec<(String, String)> = identity::Entity::find()
            .select_only()
            .columns([Issuer, Subject])
            .inner_join(user::Entity)
            .filter(user::Column::ErasedAt.lt(before))
            .limit(IDENTITIES_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let old = old.into_iter().map(IntoValueTuple::into_value_tuple);
        let delete = identity::Entity::delete_many()
            .filter(Expr::tuple([Issuer, Subject].map(Expr::col)).in_tuples(old));
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }
}

/// Removes a user from blocks, and as the one who created links and named versions, and what was granted to their addresses.
async fn forget_relations(txn: &DatabaseTransaction, user: UserId) -> Result<(), StoreError> {
    let id = user.uuid();
    let blocks = Condition::any()
        .add(user_block::Column::UserId.eq(id))
        .add(user_block::Column::BlockedId.eq(id));
    user_block::Entity::delete_many().filter(blocks).exec(txn).await?;
    link_bar::Entity::delete_many().filter(link_bar::Column::UserId.eq(id)).exec(txn).await?;
    document_link::Entity::update_many()
        .col_expr(document_link::Column::CreatedBy, Expr::value(Option::<Uuid>::None))
        .filter(document_link::Column::CreatedBy.eq(id))
        .exec(txn)
        .await?;
    forget_namer(txn, user).await?;
    let account = user::Entity::find_by_id(id).one(txn).await?;
    // Anybody can register with an address that was not confirmed.
    let confirmed = account.and_then(|row| row.confirmed_email);
    address_grant::Entity::delete_many()
        .filter(address_grant::Column::Email.is_in(confirmed))
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns whether an account owns a document that is not deleted or is in its bin, or has access to one of another user.
async fn has_documents_or_access(
    txn: &DatabaseTransaction,
    user: UserId,
) -> Result<bool, StoreError> {
    let documents = document::Entity::find()
        .select_only()
        .column(document::Column::OwnerId)
        .filter(document::Column::OwnerId.eq(user.uuid()))
        .filter(document::Column::DeletedAt.is_null());
    let binned = document_bin::Entity::find().filter(document_bin::Column::OwnerId.eq(user.uuid()));
    let granted =
        document_access::Entity::find().filter(document_access::Column::UserId.eq(user.uuid()));
    let entitled = entitlement::Entity::find().filter(entitlement::Column::UserId.eq(user.uuid()));
    let groups = group_member::Entity::find()
        .filter(group_member::Column::UserId.eq(user.uuid()))
        .filter(is_member());
    Ok(documents.count(txn).await? > 0
        || binned.count(txn).await? > 0
        || granted.count(txn).await? > 0
        || entitled.count(txn).await? > 0
        || groups.count(txn).await? > 0)
}
