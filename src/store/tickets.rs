//! Tickets that were redeemed. The node that inserts the row of a ticket redeems it, so all nodes together redeem it once.

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::redeemed_ticket::{ActiveModel, Column, Entity};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Party, TicketId, UserId};

/// The most rows that are deleted at a time.
const DELETED_AT_ONCE: u64 = 500;

impl Store {
    /// Redeems a ticket of a user. Returns false if it was redeemed before. That is remembered until `kept_until`, when the ticket
    /// must have expired.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`]. The ticket may be redeemed all the same.
    pub async fn redeem_ticket(
        &self,
        user: UserId,
        ticket: TicketId,
        kept_until: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row =
            ActiveModel { id: Set(ticket.uuid()), expires_at: Set(kept_until.trunc_subsecs(6)) };
        let insert = Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        let inserting = insert.exec_without_returning(&self.statements);
        let inserted = self.turns.write(Party::User(user), inserting).await??;
        Ok(inserted > 0)
    }

    /// Forgets some of the tickets that have expired. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_redeemed_tickets(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let old: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::ExpiresAt.lt(now))
            .limit(DELETED_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let delete = Entity::delete_many().filter(Column::Id.is_in(old));
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::test_store::TestStore;

    #[tokio::test]
    async fn a_ticket_is_redeemed_once() {
        let store = TestStore::new().await;
        let (ana, kept_until) = (store.user("ana").await, Utc::now());
        let [ticket, other] = [(); 2].map(|()| TicketId::new());
        assert!(store.redeem_ticket(ana, ticket, kept_until).await.unwrap());
        assert!(!store.redeem_ticket(ana, ticket, kept_until).await.unwrap());
        assert!(store.redeem_ticket(ana, other, kept_until).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_who_redeem_a_ticket_at_once_one_does() {
        let store = TestStore::new().await;
        let (ana, ticket, kept_until) = (store.user("ana").await, TicketId::new(), Utc::now());
        let redeeming: Vec<_> = (0..10)
            .map(|_| {
                let store = Store::clone(&store);
                tokio::spawn(async move { store.redeem_ticket(ana, ticket, kept_until).await })
            })
            .collect();
        let mut redeemed = 0;
        for redeeming in redeeming {
            redeemed += usize::from(redeeming.await.unwrap().unwrap());
        }
        assert_eq!(redeemed, 1);
    }

    #[tokio::test]
    async fn expired_tickets_are_forgotten() {
        let store = TestStore::new().await;
        let (ana, now) = (store.user("ana").await, Utc::now());
        let [old, new] = [(); 2].map(|()| TicketId::new());
        store.redeem_ticket(ana, old, now - TimeDelta::seconds(1)).await.unwrap();
        store.redeem_ticket(ana, new, now + TimeDelta::seconds(1)).await.unwrap();

        assert_eq!(store.forget_redeemed_tickets(now).await.unwrap(), 1);
        assert_eq!(store.forget_redeemed_tickets(now).await.unwrap(), 0);

        assert!(!store.redeem_ticket(ana, new, now).await.unwrap());
        assert!(store.redeem_ticket(ana, old, now).await.unwrap());
    }
}
