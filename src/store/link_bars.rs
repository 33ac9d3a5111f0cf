//! Bars: users whom an owner has removed from a document, and who cannot come back to it by a link
//! ([ADR 51](../../docs/adr/0051-links.md)).
//!
//! Invariant: a user who is barred from a document has no access to it by a link. The bar is lifted when an owner
//! grants them access.

use entity::{link_bar, user};
use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, EntityTrait, PaginatorTrait as _, sea_query::OnConflict,
};

use super::{LinkRefused, StoreError};
use crate::domain::{DocumentId, UserId};

/// Checks that no owner has removed a user from a document. A link looks unknown to those who are barred.
pub(super) async fn check_not_barred(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<(), StoreError> {
    let bar = link_bar::Entity::find_by_id((document.uuid(), user.uuid())).one(txn).await?;
    if bar.is_some() { Err(LinkRefused::Unknown.into()) } else { Ok(()) }
}

/// Keeps a user from coming back to a document by a link. Does nothing if there is no such user.
pub(super) async fn bar_from_links(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<(), StoreError> {
    if user::Entity::find_by_id(user.uuid()).count(txn).await? == 0 {
        return Ok(());
    }
    let bar =
        link_bar::ActiveModel { document_id: Set(document.uuid()), user_id: Set(user.uuid()) };
    link_bar::Entity::insert(bar)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Lets a user open links to a document again: an owner grants them access.
pub(super) async fn lift_bar(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<(), StoreError> {
    link_bar::Entity::delete_by_id((document.uuid(), user.uuid())).exec(txn).await?;
    Ok(())
}
