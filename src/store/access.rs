//! Access levels of users on documents: reading, granting, accepting and revoking them.
//!
//! The owner of a document has the level [`AccessLevel::Owner`] without a grant. All other users have the highest of
//! the level that was granted to them and those that they are entitled to ([`entitlements`](super::entitlements)). A
//! grant may end by itself.
//!
//! Invariant: every change of access increments `document.access_version` in the same transaction. Nodes compare that
//! number to detect changes that they missed.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{Level, document, document_access, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait as _, DatabaseTransaction, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    LinkRefused, Store, StoreError,
    access_changes::{increment_access_versions, record_changes},
    access_state::AccessState,
    address_grants::stand_in,
    blocks::check_not_blocked,
    link_bars::{bar_from_links, lift_bar},
    link_uses::end_by_links,
    links::revoke_links_of,
    ownership::lock_user,
    rows::{self, effective_level, entitled_level_sql},
};
use crate::domain::{AccessLevel, Collaborator, DocumentId, Email, Party, User, UserId};

/// The access that a user is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The level.
    pub level: AccessLevel,
    /// When the grant ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

impl From<AccessLevel> for Grant {
    fn from(level: AccessLevel) -> Self {
        Self { level, ends_at: None }
    }
}

/// The result of granting access.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantOutcome {
    /// The user and their level after the grant.
    pub collaborator: Collaborator,
    /// The level that was granted to them before, if one was.
    pub previous_level: Option<AccessLevel>,
    /// Their level after the grant.
    pub level: AccessLevel,
    /// The access version of the document after the grant.
    pub access_version: i64,
}

/// The result of revoking access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationOutcome {
    /// Whether the user had a grant, or access by a link.
    pub had_access: bool,
    /// Their level after the revocation, if they are entitled to one.
    pub level: Option<AccessLevel>,
    /// The access version of the document after the revocation.
    pub access_version: i64,
}

impl Store {
    /// Returns the level of a user on a document, or `None` if there is no such document or the user has no access.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_access_level(
        &self,
        viewer: UserId,
        document: DocumentId,
    ) -> Result<Option<AccessLevel>, StoreError> {
        Ok(self.find_access(viewer, document).await?.map(|(level, _)| level))
    }

    /// Returns the level of a user on a document, and the access version at which it was read. `None` if there is no
    /// such document or the user has no access.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_access(
        &self,
        viewer: UserId,
        document: DocumentId,
    ) -> Result<Option<(AccessLevel, i64)>, StoreError> {
        let values = [rows::now().into(), viewer.uuid().into(), document.uuid().into()];
        let backend = self.readers.get_database_backend();
        let query = Statement::from_sql_and_values(backend, FIND_ACCESS, values);
        let row = FoundAccess::find_by_statement(query).one(&self.readers).await?;
        Ok(row.and_then(|FoundAccess { owner_id, access_version, level, entitled_level }| {
            let level = effective_level(viewer, owner_id, level, entitled_level)?;
            Some((level, access_version))
        }))
    }

    /// Returns the users who were granted access to each of these documents, oldest grant first, without its owner, and
    /// what stands in for those who were named by an address and have not accepted. The caller checks whether the
    /// viewer may see them. A document without such users has no entry.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_collaborators(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
    ) -> Result<HashMap<DocumentId, Vec<Collaborator>>, StoreError> {
        let ids: Vec<DocumentId> = documents.into_iter().collect();
        let documents = ids.iter().map(|document| document.uuid());
        let grants: Vec<GrantRow> = document_access::Entity::find()
            .select_only()
            .columns([document_access::Column::DocumentId, document_access::Column::UserId])
            .column(user::Column::Name)
            .columns([document_access::Column::Level, document_access::Column::GrantedAt])
            .columns([document_access::Column::EndsAt, document_access::Column::AcceptedAt])
            .column_as(document_access::Column::Email, "granted_email")
            .inner_join(user::Entity)
            .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()))
            .filter(document_access::Column::DocumentId.is_in(documents))
            .order_by_asc(document_access::Column::GrantedAt)
            .order_by_asc(document_access::Column::UserId)
            .into_model()
            .all(&self.readers)
            .await?;
        let mut collaborators: HashMap<DocumentId, Vec<Collaborator>> = HashMap::new();
        for row in grants {
            let document = DocumentId::from(row.document_id);
            let email = row.granted_email.filter(|_email| row.accepted_at.is_none());
            let user = match &email {
                Some(email) => stand_in(document, email),
                None => User { id: row.user_id.into(), name: row.name.into() },
            };
            collaborators.entry(document).or_default().push(Collaborator {
                user,
                address: email.map(Arc::from),
                level: rows::access_level(row.level),
                granted_at: row.granted_at,
                ends_at: row.ends_at,
            });
        }
        for (document, addresses) in self.list_addresses(ids).await? {
            let of_document = collaborators.entry(document).or_default();
            of_document.extend(addresses);
            of_document.sort_by_key(|one| one.granted_at);
        }
        Ok(collaborators)
    }

    /// Grants `target` this level until `ends_at`, or until it is revoked. The grant replaces the previous one.
    /// Granting what they already have changes nothing. The grant ends with that of `actor` at the latest, so that
    /// access which ends cannot be made permanent.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` neither owns the document nor was granted owner access,
    /// [`StoreError::OwnerKeepsAccess`] if `target` is the owner of the document, [`StoreError::NoSuchUser`] if
    /// `target` has no account, [`StoreError::Blocked`], [`StoreError::Busy`].
    pub async fn grant_access(
        &self,
        actor: UserId,
        document: DocumentId,
        target: UserId,
        grant: impl Into<Grant>,
    ) -> Result<GrantOutcome, StoreError> {
        self.grant_as(actor, document, target, grant.into(), None).await
    }

    /// As [`grant_access`](Self::grant_access), with the address by which `actor` has named the user, if they have.
    pub(super) async fn grant_as(
        &self,
        actor: UserId,
        document: DocumentId,
        target: UserId,
        Grant { level, ends_at }: Grant,
        email: Option<&Email>,
    ) -> Result<GrantOutcome, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            // Before the document, as everywhere. A block that is being stored is waited for.
            lock_user(&txn, target).await?;
            let state = AccessState::load(&txn, document, actor, target).await?;
            let ends_at = state.end_of_grant(actor, ends_at)?;
            if state.is_owner(target) {
                return Err(StoreError::OwnerKeepsAccess);
            }
            let keeps_grant = state.keeps_grant(actor, ends_at);
            if state.target_guest_of.is_some() {
                return Err(LinkRefused::TargetIsGuest.into());
            }
            let name = state.target_name.ok_or(StoreError::NoSuchUser)?;
            check_not_blocked(&txn, target, actor).await?;
            let previous_level = state.target_level.map(rows::access_level);
            let (granted_at, access_version) = match state.target_granted_at {
                Some(granted_at) if previous_level == Some(level) && keeps_grant => {
                    (granted_at, state.access_version)
                }
                _ => {
                    let now = rows::now();
                    let row = document_access::ActiveModel {
                        document_id: Set(document.uuid()),
                        user_id: Set(target.uuid()),
                        level: Set(rows::stored_level(level)),
                        granted_at: Set(now),
                        ends_at: Set(ends_at),
                        email: Set(email.map(|email| email.as_str().to_owned())),
                        granted_by: Set(Some(actor.uuid())),
                        accepted_at: Set(None),
                    };
                    store_grant(&txn, row).await?;
                    lift_bar(&txn, document, target).await?;
                    increment_access_versions(&txn, [document]).await?;
                    txn.commit().await?;
                    (now, state.access_version + 1)
                }
            };
            let is_kept = access_version == state.access_version;
            let ends_at = if is_kept { state.target_ends_at } else { ends_at };
            let user = User { id: target, name: name.into() };
            let collaborator = Collaborator { user, address: None, level, granted_at, ends_at };
            let entitled = state.target_entitled.map(rows::access_level);
            let level = entitled.map_or(level, |entitled| entitled.max(level));
            Ok(GrantOutcome { collaborator, previous_level, level, access_version })
        })
        .await
    }

    /// Accepts what was granted to a user on a document: it moves to the documents that they have accepted, and others
    /// see who they are. Accepting again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if nothing was granted to them, [`StoreError::Busy`].
    pub async fn accept_grant(&self, user: UserId, document: DocumentId) -> Result<(), StoreError> {
        use document_access::Column;
        let key = (document.uuid(), user.uuid());
        let accept = document_access::Entity::update_many()
            .col_expr(Column::AcceptedAt, Expr::value(rows::now()))
            .filter(Column::DocumentId.eq(key.0))
            .filter(Column::UserId.eq(key.1))
            .filter(Column::AcceptedAt.is_null());
        let find = document_access::Entity::find_by_id(key)
            .inner_join(document::Entity)
            .filter(document::Column::DeletedAt.is_null())
            .one(&self.readers);
        let party = Party::User(user);
        if self.read_for(party, find).await??.is_none() {
            return Err(StoreError::Denied);
        }
        self.turns.write(party, accept.exec(&self.statements)).await??;
        Ok(())
    }

    /// Revokes the grant of `target`, and what links have given them. Users without owner access may revoke only their
    /// own access, which means leaving the document. All others cannot come back by a link.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not revoke this access, [`StoreError::OwnerKeepsAccess`] if `target` is
    /// the owner of the document, [`StoreError::Busy`].
    pub async fn revoke_access(
        &self,
        actor: UserId,
        document: DocumentId,
        target: UserId,
    ) -> Result<RevocationOutcome, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let state = AccessState::load(&txn, document, actor, target).await?;
            match state.actor_level(actor) {
                Some(AccessLevel::Owner) => {}
                Some(AccessLevel::View | AccessLevel::Edit) if actor == target => {}
                Some(_) | None => return Err(StoreError::Denied),
            }
            if state.is_owner(target) {
                return Err(StoreError::OwnerKeepsAccess);
            }
            let access_version = state.access_version;
            let by_links = end_by_links(&txn, document, target).await?;
            if actor != target {
                bar_from_links(&txn, document, target).await?;
            }
            if state.target_level.is_none() && !by_links {
                txn.commit().await?;
                let level = state.target_entitled.map(rows::access_level);
                return Ok(RevocationOutcome { had_access: false, level, access_version });
            }
            document_access::Entity::delete_many()
                .filter(document_access::Column::DocumentId.eq(document.uuid()))
                .filter(document_access::Column::UserId.eq(target.uuid()))
                .exec(&txn)
                .await?;
            // What they could share themselves ends with it.
            if state.target_level == Some(Level::Owner) {
                revoke_links_of(&txn, document, target).await?;
            }
            let left = record_changes(&txn, &[(document, target)].into()).await?;
            let level = left.first().and_then(|left| left.access.level);
            txn.commit().await?;
            let access_version = access_version + 1;
            Ok(RevocationOutcome { had_access: true, level, access_version })
        })
        .await
    }
}

/// The query of a user's levels on a document, with the present time, the user and the document. It is a
/// constant because building a query tree for each of its many runs costs time.
const FIND_ACCESS: &str = concat!(
    "SELECT document.owner_id, document.access_version, document_access.level, ",
    entitled_level_sql!("document.id", "$2", "$1"),
    " AS entitled_level FROM document LEFT JOIN document_access ON document_access.document_id = document.id \
        AND document_access.user_id = $2 \
        AND (document_access.ends_at IS NULL OR document_access.ends_at > $1) \
    WHERE document.id = $3 AND document.deleted_at IS NULL"
);

/// The row of [`FIND_ACCESS`].
#[derive(FromQueryResult)]
struct FoundAccess {
    owner_id: Uuid,
    access_version: i64,
    level: Option<Level>,
    entitled_level: Option<Level>,
}

/// A grant with the name of its user.
#[derive(FromQueryResult)]
struct GrantRow {
    document_id: Uuid,
    user_id: Uuid,
    name: String,
    level: Level,
    granted_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
    accepted_at: Option<DateTime<Utc>>,
    granted_email: Option<String>,
}

/// Stores a grant, which replaces the previous one of its user.
pub(super) async fn store_grant(
    txn: &DatabaseTransaction,
    row: document_access::ActiveModel,
) -> Result<(), StoreError> {
    document_access::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([
                document_access::Column::DocumentId,
                document_access::Column::UserId,
            ])
            .update_columns([
                document_access::Column::Level,
                document_access::Column::GrantedAt,
                document_access::Column::EndsAt,
                document_access::Column::Email,
                document_access::Column::GrantedBy,
            ])
            .to_owned(),
        )
        .exec_without_returning(txn)
        .await?;
    Ok(())
}
