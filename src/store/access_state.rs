//! What a change of access depends on: the levels of the acting user and of the user whose access is changed.
//!
//! [`AccessState`] is read in the transaction of the change, under the lock of the document, and decides what the
//! acting user may grant and for how long.
//!
//! Invariant: a grant never ends later than the access of the user who gives it.

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{Level, document, document_access, user};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, FromQueryResult, JoinType, QueryFilter, QuerySelect,
    QueryTrait,
    sea_query::{Alias, Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    StoreError,
    document_lock::lock_documents,
    rows::{self, effective_level},
};
use crate::domain::{AccessLevel, DocumentId, UserId};

/// Until when access lasts.
#[derive(Clone, Copy)]
enum Until {
    /// Until it is revoked.
    Revoked,
    /// Until this time.
    Time(DateTime<Utc>),
}

/// The levels of the acting user and the target, read under the document's lock before access is changed.
#[derive(FromQueryResult)]
pub(super) struct AccessState {
    owner_id: Uuid,
    pub(super) access_version: i64,
    actor_level: Option<Level>,
    actor_ends_at: Option<DateTime<Utc>>,
    actor_entitled: Option<Level>,
    pub(super) target_level: Option<Level>,
    pub(super) target_granted_at: Option<DateTime<Utc>>,
    pub(super) target_ends_at: Option<DateTime<Utc>>,
    pub(super) target_entitled: Option<Level>,
    pub(super) target_name: Option<String>,
    pub(super) target_guest_of: Option<Uuid>,
}

impl AccessState {
    /// Locks the document and reads the state.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if there is no such document.
    pub(super) async fn load(
        txn: &DatabaseTransaction,
        document: DocumentId,
        actor: UserId,
        target: UserId,
    ) -> Result<Self, StoreError> {
        lock_documents(txn, [document]).await?;
        let grant = Alias::new("target_grant");
        let mut query = rows::documents_with_grant(actor)
            .column(document::Column::OwnerId)
            .column(document::Column::AccessVersion)
            .column_as(document_access::Column::Level, "actor_level")
            .column_as(document_access::Column::EndsAt, "actor_ends_at")
            .join_as(JoinType::LeftJoin, rows::grant_join(target), grant.clone())
            .expr_as(Expr::col((grant.clone(), document_access::Column::Level)), "target_level")
            .expr_as(
                Expr::col((grant.clone(), document_access::Column::GrantedAt)),
                "target_granted_at",
            )
            .expr_as(Expr::col((grant, document_access::Column::EndsAt)), "target_ends_at")
            .expr_as(rows::entitled_level(actor.uuid()), "actor_entitled")
            .expr_as(rows::entitled_level(target.uuid()), "target_entitled")
            .column_as(user::Column::Name, "target_name")
            .column_as(user::Column::GuestOf, "target_guest_of")
            .filter(document::Column::Id.eq(document.uuid()));
        // An account that is being deleted gets no access any more.
        let is_target = Expr::col((user::Entity, user::Column::Id))
            .eq(target.uuid())
            .and(Expr::col((user::Entity, user::Column::ErasingAt)).is_null());
        QueryTrait::query(&mut query).left_join(user::Entity, is_target);
        query.into_model::<Self>().one(txn).await?.ok_or(StoreError::Denied)
    }

    /// Locks the document and reads the state for a user who changes the access of others.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if they do not have the level of an owner.
    pub(super) async fn load_for_owner(
        txn: &DatabaseTransaction,
        document: DocumentId,
        actor: UserId,
    ) -> Result<Self, StoreError> {
        let state = Self::load(txn, document, actor, actor).await?;
        let is_owner = state.actor_level(actor) == Some(AccessLevel::Owner);
        if is_owner { Ok(state) } else { Err(StoreError::Denied) }
    }

    /// Returns when a grant of the acting user ends that is to end at `wanted`, if it ends by itself.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if they may grant nothing.
    pub(super) fn end_of_grant(
        &self,
        actor: UserId,
        wanted: Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let latest = match self.may_grant_until(actor).ok_or(StoreError::Denied)? {
            Until::Revoked => None,
            Until::Time(latest) => Some(latest),
        };
        let wanted = wanted.map(|wanted| wanted.trunc_subsecs(6));
        Ok([wanted, latest].into_iter().flatten().min())
    }

    /// Returns the owner of the document.
    pub(super) fn owner(&self) -> Uuid {
        self.owner_id
    }

    /// Returns the level of the acting user.
    pub(super) fn actor_level(&self, actor: UserId) -> Option<AccessLevel> {
        effective_level(actor, self.owner_id, self.actor_level, self.actor_entitled)
    }

    /// Returns until when a grant of the acting user lasts at most. `None` if they may grant nothing: only a grant, or
    /// the document itself, can be passed on, not what a token or an answer gives.
    fn may_grant_until(&self, actor: UserId) -> Option<Until> {
        if self.is_owner(actor) {
            return Some(Until::Revoked);
        }
        let is_granted = self.actor_level == Some(Level::Owner);
        is_granted.then(|| self.actor_ends_at.map_or(Until::Revoked, Until::Time))
    }

    /// Returns whether the target's grant stays as it is, given that a new one of the same level would end at
    /// `ends_at`: it has the same end, or a later one, which a user whose own access ends cannot take back.
    pub(super) fn keeps_grant(&self, actor: UserId, ends_at: Option<DateTime<Utc>>) -> bool {
        let is_bounded = matches!(self.may_grant_until(actor), Some(Until::Time(_)));
        let lasts_longer =
            self.target_ends_at.is_none_or(|own| ends_at.is_some_and(|new| own >= new));
        self.target_ends_at == ends_at || (is_bounded && lasts_longer)
    }

    /// Returns whether a user owns the document.
    pub(super) fn is_owner(&self, user: UserId) -> bool {
        user.uuid() == self.owner_id
    }
}
