//! Who may do what with a document.
//!
//! The document's owner has every right by owning it and is in no grant; others have what they were
//! granted. Every change of access increments `document.access_version`, in the transaction that
//! makes it, so that a node can see that it has missed one.

use chrono::{DateTime, Utc};
use entity::{Level, document, document_access, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    pools::lock_documents,
    rows::{self, level_of},
};
use crate::domain::{AccessLevel, Collaborator, DocumentId, User, UserId};

/// What a grant did.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// Who has which level now.
    pub collaborator: Collaborator,
    /// The level until now, if there was one.
    pub before: Option<AccessLevel>,
}

impl Store {
    /// What a user may do with a document; none if there is no such document, or no access to it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn access_level(
        &self,
        viewer: UserId,
        document: DocumentId,
    ) -> Result<Option<AccessLevel>, StoreError> {
        let row: Option<(Uuid, Option<Level>)> = rows::seen_by(viewer)
            .column(document::Column::OwnerId)
            .column(document_access::Column::Level)
            .filter(document::Column::Id.eq(document.uuid()))
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.and_then(|(owner, granted)| level_of(viewer, owner, granted)))
    }

    /// Everybody who was granted access to a document, the oldest grant first. Its owner is not
    /// among them. Whether the caller may know this is for him to check.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_collaborators(
        &self,
        document: DocumentId,
    ) -> Result<Vec<Collaborator>, StoreError> {
        let grants: Vec<(Uuid, String, Level, DateTime<Utc>)> = document_access::Entity::find()
            .select_only()
            .column(document_access::Column::UserId)
            .column(user::Column::Name)
            .columns([document_access::Column::Level, document_access::Column::GrantedAt])
            .inner_join(user::Entity)
            .filter(document_access::Column::DocumentId.eq(document.uuid()))
            .order_by_asc(document_access::Column::GrantedAt)
            .order_by_asc(document_access::Column::UserId)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(grants
            .into_iter()
            .map(|(id, name, level, granted_at)| Collaborator {
                user: User { id: id.into(), name: name.into() },
                level: rows::access_level(level),
                granted_at,
            })
            .collect())
    }

    /// Gives `target` this level, in place of the one he has, if any. The level that he has already
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not decide about access,
    /// [`StoreError::OwnerKeepsAccess`] if `target` is the document's owner,
    /// [`StoreError::NoSuchUser`] if he has no account.
    pub async fn grant_access(
        &self,
        actor: UserId,
        document: DocumentId,
        target: UserId,
        level: AccessLevel,
    ) -> Result<Granted, StoreError> {
        let txn = self.begin().await?;
        let parties = Parties::load(&txn, document, actor, target).await?;
        if parties.actor_level(actor) != Some(AccessLevel::Owner) {
            return Err(StoreError::Denied);
        }
        if parties.is_owner(target) {
            return Err(StoreError::OwnerKeepsAccess);
        }
        let name = parties.target_name.ok_or(StoreError::NoSuchUser)?;
        let before = parties.target_level.map(rows::access_level);
        let granted_at = match parties.target_granted_at {
            Some(granted_at) if before == Some(level) => granted_at,
            _ => {
                let now = rows::now();
                store_grant(&txn, document, target, level, now).await?;
                count_change(&txn, document).await?;
                txn.commit().await?;
                now
            }
        };
        let user = User { id: target, name: name.into() };
        Ok(Granted { collaborator: Collaborator { user, level, granted_at }, before })
    }

    /// Takes `target`'s access away, and says whether he had any. Who is not an owner may take away
    /// his own, and so leave the document.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not decide about this,
    /// [`StoreError::OwnerKeepsAccess`] if `target` is the document's owner.
    pub async fn revoke_access(
        &self,
        actor: UserId,
        document: DocumentId,
        target: UserId,
    ) -> Result<bool, StoreError> {
        let txn = self.begin().await?;
        let parties = Parties::load(&txn, document, actor, target).await?;
        match parties.actor_level(actor) {
            Some(AccessLevel::Owner) => {}
            Some(AccessLevel::View | AccessLevel::Edit) if actor == target => {}
            Some(_) | None => return Err(StoreError::Denied),
        }
        if parties.is_owner(target) {
            return Err(StoreError::OwnerKeepsAccess);
        }
        if parties.target_level.is_none() {
            return Ok(false);
        }
        document_access::Entity::delete_many()
            .filter(document_access::Column::DocumentId.eq(document.uuid()))
            .filter(document_access::Column::UserId.eq(target.uuid()))
            .exec(&txn)
            .await?;
        count_change(&txn, document).await?;
        txn.commit().await?;
        Ok(true)
    }
}

/// What has to be known to decide about a change of access.
#[derive(FromQueryResult)]
struct Parties {
    owner_id: Uuid,
    actor_level: Option<Level>,
    target_level: Option<Level>,
    target_granted_at: Option<DateTime<Utc>>,
    target_name: Option<String>,
}

impl Parties {
    async fn load(
        txn: &DatabaseTransaction,
        document: DocumentId,
        actor: UserId,
        target: UserId,
    ) -> Result<Self, StoreError> {
        lock_documents(txn, [document]).await?;
        let grant = Alias::new("target_grant");
        let mut parties = rows::seen_by(actor)
            .column(document::Column::OwnerId)
            .column_as(document_access::Column::Level, "actor_level")
            .join_as(JoinType::LeftJoin, rows::grant_of(target), grant.clone())
            .expr_as(Expr::col((grant.clone(), document_access::Column::Level)), "target_level")
            .expr_as(Expr::col((grant, document_access::Column::GrantedAt)), "target_granted_at")
            .column_as(user::Column::Name, "target_name")
            .filter(document::Column::Id.eq(document.uuid()));
        let is_target = Expr::col((user::Entity, user::Column::Id)).eq(target.uuid());
        QueryTrait::query(&mut parties).left_join(user::Entity, is_target);
        parties.into_model::<Self>().one(txn).await?.ok_or(StoreError::Denied)
    }

    fn actor_level(&self, actor: UserId) -> Option<AccessLevel> {
        level_of(actor, self.owner_id, self.actor_level)
    }

    fn is_owner(&self, user: UserId) -> bool {
        user.uuid() == self.owner_id
    }
}

async fn store_grant(
    txn: &DatabaseTransaction,
    document: DocumentId,
    target: UserId,
    level: AccessLevel,
    granted_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = document_access::ActiveModel {
        document_id: Set(document.uuid()),
        user_id: Set(target.uuid()),
        level: Set(rows::level(level)),
        granted_at: Set(granted_at),
    };
    document_access::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([
                document_access::Column::DocumentId,
                document_access::Column::UserId,
            ])
            .update_columns([document_access::Column::Level, document_access::Column::GrantedAt])
            .to_owned(),
        )
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Notes that somebody's access to the document changed.
async fn count_change(txn: &DatabaseTransaction, document: DocumentId) -> Result<(), StoreError> {
    let access_version = document::Column::AccessVersion;
    document::Entity::update_many()
        .col_expr(access_version, Expr::col(access_version).add(1))
        .filter(document::Column::Id.eq(document.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}
