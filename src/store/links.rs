//! Invitations to documents, and links to them: creating, listing and revoking them
//! ([ADR 51](../../docs/adr/0051-links.md)).
//!
//! What an invitation gives is a grant, and outlasts it. What a link gives is an entitlement, and ends with it.

use chrono::{DateTime, Utc};
use entity::{document_link, entitlement};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait as _, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _},
};
use thiserror::Error;
use uuid::Uuid;

use super::{Store, StoreError, UserAccess, access_state::AccessState, rows};
use crate::domain::{AccessLevel, DocumentId, LinkId, Party, UserId};

/// The most links of a document.
const MAX_LINKS: u64 = 100;

/// Why a link could not be created or used. The text may be shown to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LinkRefused {
    /// There is no such link, or none any more.
    #[error("The link is not valid, or no longer. Ask for a new one.")]
    Unknown,
    /// The document has too many links.
    #[error("A document has at most {MAX_LINKS} invitations and links. Revoke one of them first.")]
    TooMany,
    /// The document is public.
    #[error("The document is public already. Revoke its public link first.")]
    AlreadyPublic,
    /// The link does not admit guests, or as many as it admits have it open.
    #[error(
        "The link admits no more guests. Sign in and open it, or ask the owner of the document to admit more."
    )]
    NoMoreGuests,
    /// The caller is a guest.
    #[error(
        "A guest may only open the document of the link that they came by. Sign in with an account."
    )]
    NotForGuests,
    /// The user who is to have access is a guest.
    #[error("This user is a guest without an account. Send them a link instead.")]
    TargetIsGuest,
}

/// The SHA-256 hash of a link's secret.
pub type LinkSecretHash = [u8; 32];

/// How a link gives access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Who accepts it is granted access.
    Invitation,
    /// Who has its secret may open the document while it lasts.
    Secret,
    /// Everybody may open the document while it lasts.
    Public,
}

/// A link that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// How it gives access.
    pub kind: LinkKind,
    /// The hash of its secret, unless it is public.
    pub secret: Option<LinkSecretHash>,
    /// The level that it gives.
    pub level: AccessLevel,
    /// How often an invitation may be accepted. `None` for any number of times.
    pub uses: Option<u32>,
    /// How many guests it admits at a time.
    pub max_guests: u32,
    /// When it ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

/// An invitation or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The document.
    pub document: DocumentId,
    /// How it gives access.
    pub kind: LinkKind,
    /// The level that it gives.
    pub level: AccessLevel,
    /// How often an invitation may still be accepted. `None` for any number of times.
    pub uses_left: Option<u32>,
    /// How many guests it admits at a time.
    pub max_guests: u32,
    /// The user who created it, if they still have an account.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Creates a link to a document. It ends, and so does what it gives, with the grant of `actor` at the latest.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` neither owns the document nor was granted owner access,
    /// [`LinkRefused::TooMany`], [`LinkRefused::AlreadyPublic`], [`StoreError::Busy`].
    pub async fn create_link(
        &self,
        actor: UserId,
        document: DocumentId,
        new: NewLink,
    ) -> Result<Link, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let state = AccessState::load(&txn, document, actor, actor).await?;
            let access_ends_at = state.end_of_grant(actor, None)?;
            let ends_at = state.end_of_grant(actor, new.ends_at)?;
            check_count(&txn, document, new.kind).await?;
            let row = document_link::Model {
                id: LinkId::new().uuid(),
                document_id: document.uuid(),
                kind: stored_kind(new.kind),
                secret_hash: new.secret.map(Vec::from),
                level: rows::stored_level(new.level),
                uses_left: new.uses.map(stored_count),
                max_guests: stored_count(new.max_guests),
                created_by: Some(actor.uuid()),
                created_at: rows::now(),
                ends_at,
                access_ends_at,
                revoked_at: None,
            };
            let insert = document_link::Entity::insert(document_link::ActiveModel {
                id: Set(row.id),
                document_id: Set(row.document_id),
                kind: Set(row.kind),
                secret_hash: Set(row.secret_hash.clone()),
                level: Set(row.level),
                uses_left: Set(row.uses_left),
                max_guests: Set(row.max_guests),
                created_by: Set(row.created_by),
                created_at: Set(row.created_at),
                ends_at: Set(row.ends_at),
                access_ends_at: Set(row.access_ends_at),
                revoked_at: Set(row.revoked_at),
            });
            insert.exec_without_returning(&txn).await?;
            txn.commit().await?;
            Ok(link(row))
        })
        .await
    }

    /// Returns the links of a document that can be used, oldest first. The caller checks whether the viewer may see
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_links(&self, document: DocumentId) -> Result<Vec<Link>, StoreError> {
        let usable = usable_links(document).order_by_asc(document_link::Column::Id);
        Ok(usable.limit(MAX_LINKS).all(&self.readers).await?.into_iter().map(link).collect())
    }

    /// Marks a link of a document as revoked, so that nobody can use it from now on. Returns false if there is none.
    /// What it has given is still to be ended with [`end_some_of_link`](Self::end_some_of_link), which deletes the link.
    /// Until then, another call returns true as well, so that a call after a failure goes on.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not grant access to the document, [`StoreError::Busy`].
    pub async fn revoke_link(
        &self,
        actor: UserId,
        document: DocumentId,
        link: LinkId,
    ) -> Result<bool, StoreError> {
        use document_link::Column;
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            AccessState::load_for_owner(&txn, document, actor).await?;
            let revoked = document_link::Entity::update_many()
                .col_expr(Column::RevokedAt, Expr::value(rows::now()))
                .filter(Column::Id.eq(link.uuid()))
                .filter(Column::DocumentId.eq(document.uuid()))
                .exec(&txn)
                .await?;
            txn.commit().await?;
            Ok(revoked.rows_affected > 0)
        })
        .await
    }

    /// Returns some of the links that were revoked and may still give access.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_revoked_links(&self) -> Result<Vec<LinkId>, StoreError> {
        let ids: Vec<Uuid> = document_link::Entity::find()
            .select_only()
            .column(document_link::Column::Id)
            .filter(document_link::Column::RevokedAt.is_not_null())
            .limit(MAX_LINKS)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(ids.into_iter().map(LinkId::from).collect())
    }

    /// Forgets some of the links that have ended by themselves or are used up, and through which nobody has access any
    /// more. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_ended_links(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        use document_link::Column;
        let used = entitlement::Entity::find()
            .select_only()
            .column(entitlement::Column::SourceId)
            .filter(entitlement::Column::Kind.eq(entitlement::Kind::Link))
            .into_query();
        let is_over = Condition::any().add(Column::EndsAt.lte(now)).add(Column::UsesLeft.lte(0));
        let over: Vec<Uuid> = document_link::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_over.clone())
            .filter(Column::Id.not_in_subquery(used))
            .limit(MAX_LINKS)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if over.is_empty() {
            return Ok(0);
        }
        let delete =
            document_link::Entity::delete_many().filter(Column::Id.is_in(over)).filter(is_over);
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }

    /// Ends some of what a revoked link has given. Returns the access that has changed, to be announced before the next
    /// call. Deletes the link and returns `None` if nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_some_of_link(
        &self,
        link: LinkId,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        let given = Condition::all()
            .add(entitlement::Column::SourceId.eq(link.uuid()))
            .add(entitlement::Column::Kind.eq(entitlement::Kind::Link));
        if let Some(changed) = self.delete_some_entitlements(&given).await? {
            return Ok(Some(changed));
        }
        let delete = document_link::Entity::delete_by_id(link.uuid());
        self.turns.write(Party::Node, delete.exec(&self.statements)).await??;
        Ok(None)
    }
}

/// Selects the links of a document that can be used.
pub(super) fn usable_links(document: DocumentId) -> sea_orm::Select<document_link::Entity> {
    use document_link::Column;
    let has_uses = Column::UsesLeft.is_null().or(Column::UsesLeft.gt(0));
    document_link::Entity::find()
        .filter(Column::DocumentId.eq(document.uuid()))
        .filter(Column::RevokedAt.is_null())
        .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
        .filter(has_uses)
}

/// Marks the links to a document that a user has created as revoked. What they have given is ended afterwards.
pub(super) async fn revoke_links_of(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<(), StoreError> {
    use document_link::Column;
    document_link::Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(rows::now()))
        .filter(Column::DocumentId.eq(document.uuid()))
        .filter(Column::CreatedBy.eq(user.uuid()))
        .filter(Column::RevokedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

async fn check_count(
    txn: &DatabaseTransaction,
    document: DocumentId,
    kind: LinkKind,
) -> Result<(), StoreError> {
    if usable_links(document).count(txn).await? >= MAX_LINKS {
        return Err(LinkRefused::TooMany.into());
    }
    let is_public = document_link::Column::Kind.eq(document_link::Kind::Public);
    if kind == LinkKind::Public && usable_links(document).filter(is_public).count(txn).await? > 0 {
        return Err(LinkRefused::AlreadyPublic.into());
    }
    Ok(())
}

/// Returns the earlier one of two ends.
pub(super) fn earlier(
    one: Option<DateTime<Utc>>,
    other: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    [one, other].into_iter().flatten().min()
}

fn stored_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn stored_kind(kind: LinkKind) -> document_link::Kind {
    match kind {
        LinkKind::Invitation => document_link::Kind::Invitation,
        LinkKind::Secret => document_link::Kind::Secret,
        LinkKind::Public => document_link::Kind::Public,
    }
}

fn link(row: document_link::Model) -> Link {
    let count = |stored: i32| u32::try_from(stored).unwrap_or(0);
    Link {
        id: row.id.into(),
        document: row.document_id.into(),
        kind: match row.kind {
            document_link::Kind::Invitation => LinkKind::Invitation,
            document_link::Kind::Secret => LinkKind::Secret,
            document_link::Kind::Public => LinkKind::Public,
        },
        level: rows::access_level(row.level),
        uses_left: row.uses_left.map(count),
        max_guests: count(row.max_guests),
        created_by: row.created_by.map(UserId::from),
        created_at: row.created_at,
        ends_at: row.ends_at,
    }
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
