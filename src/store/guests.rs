//! Guests: users who entered by a link without signing in ([ADR 51](../../docs/adr/0051-links.md)).
//!
//! A guest has a row in `user` with the link in `guest_of`. They may use only the document of that link.

use chrono::{DateTime, Utc};
use entity::{document_link, entitlement, user};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait as _, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::{
    LinkKey, LinkRefused, LinkUse, Store, StoreError,
    accounts::{insertion, new_row, placeholder_address},
    link_uses::{entitle, lock_link},
    links::earlier,
    rows,
};
use crate::domain::{Account, DisplayName, Party, UserId};

impl Store {
    /// Creates an account for a guest, and entitles them to what a link gives, until `until` at the latest. A link admits
    /// at most `most` guests at a time, whatever it was created with.
    ///
    /// # Errors
    /// [`LinkRefused::Unknown`], [`LinkRefused::NoMoreGuests`], [`StoreError::Busy`].
    pub async fn admit_guest(
        &self,
        name: &DisplayName,
        key: LinkKey,
        until: DateTime<Utc>,
        most: i32,
        party: Party,
    ) -> Result<(Account, LinkUse), StoreError> {
        let document = self.find_linked(key).await?;
        let id = UserId::new();
        self.write(party, async {
            let txn = self.begin().await?;
            let (link, _owner) = lock_link(&txn, document, key).await?;
            if link.kind == document_link::Kind::Invitation {
                return Err(LinkRefused::Unknown.into());
            }
            if count_guests(&txn, &link).await?
                >= u64::try_from(link.max_guests.min(most)).unwrap_or(0)
            {
                return Err(LinkRefused::NoMoreGuests.into());
            }
            let guest = user::Model {
                guest_of: Some(link.id),
                ..new_row(id, name, placeholder_address(id), None)
            };
            insertion(guest.clone()).exec_without_returning(&txn).await?;
            let changed = entitle(&txn, id, &link, earlier(link.ends_at, Some(until))).await?;
            txn.commit().await?;
            Ok((rows::account(guest), LinkUse { document, changed }))
        })
        .await
    }
}

/// Checks that a user is no guest.
pub(super) async fn check_not_guest(
    txn: &DatabaseTransaction,
    user: UserId,
    refused: LinkRefused,
) -> Result<(), StoreError> {
    let guest_of: Option<Option<Uuid>> = user::Entity::find_by_id(user.uuid())
        .select_only()
        .column(user::Column::GuestOf)
        .into_tuple()
        .one(txn)
        .await?;
    if guest_of.flatten().is_some() { Err(refused.into()) } else { Ok(()) }
}

/// Returns how many guests have access by a link now.
async fn count_guests(
    txn: &DatabaseTransaction,
    link: &document_link::Model,
) -> Result<u64, StoreError> {
    use entitlement::Column;
    let guests = entitlement::Entity::find()
        .inner_join(user::Entity)
        .filter(Column::SourceId.eq(link.id))
        .filter(Column::Kind.eq(entitlement::Kind::Link))
        .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
        .filter(user::Column::GuestOf.eq(link.id));
    Ok(guests.count(txn).await?)
}
