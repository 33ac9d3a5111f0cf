//! Granting and revoking access to a document.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Datelike as _, Utc};
use tokio::time::Instant;

use super::edit::take_edit;
use crate::{
    domain::{AccessChange, AccessLevel, DocumentId, Email, InvalidInput, UserId},
    graphql::{
        ApiError,
        access::{Admitted, document_id, require},
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        read_turns::read,
        types::{AccessLevelType, CollaboratorType, DocumentType, Timestamp},
    },
    room::Rooms,
    store::{
        AddressGrantOutcome, Grant, GrantOutcome, NamedCollaborator, RevocationOutcome, StoreError,
    },
};

/// Mutations of access.
#[derive(Default)]
pub(super) struct AccessMutations;

#[Object]
impl AccessMutations {
    /// Grants a user access to a document, or changes their level. Name the user by either `userId` or `email`. The answer to a
    /// grant by `email` is the same whether the address has an account or not: until the user accepts it (`acceptAccess`), the
    /// collaborator is shown with the address as name and an id that names only this grant, for `revokeAccess`. An address has access
    /// when it is confirmed for an account: one that was registered with a password and not confirmed has none yet. Takes
    /// effect immediately: subscriptions stay open, and no later edit is stored with the old level. With `endsAt` the access
    /// ends at that time. A grant replaces the previous one and its end. If the caller's own grant ends, the new grant ends
    /// no later. Requires `OWNER`. Fails with `FORBIDDEN` if the caller's `OWNER` comes from a document token or an
    /// application, or if an application decides who may open documents (`auth.ask`).
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn grant_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        level: AccessLevelType,
        user_id: Option<ID>,
        email: Option<String>,
        ends_at: Option<Timestamp>,
    ) -> Result<CollaboratorType, ApiError> {
        let api = api(ctx)?;
        if api.rooms.has_deciding_application() {
            return Err(ApiError::ApplicationDecides);
        }
        let admitted = require(ctx, &id, AccessLevel::Owner).await?;
        let granter = admitted.user.id;
        api.hourly.take_grant(granter)?;
        let ends_at = check_end(ends_at)?;
        let grant = Grant { level: level.into(), ends_at };
        match find_target(user_id, email)? {
            GrantTarget::User(target) => {
                api.hourly.take_grant_to(granter, target)?;
                let granted =
                    api.store.grant_access(granter, admitted.document, target, grant).await?;
                announce(&api.rooms, admitted.document, target, &granted).await;
                Ok(CollaboratorType(granted.collaborator))
            }
            GrantTarget::Address(email) => {
                api.hourly.take_grant_to_address(granter, &email)?;
                api.look_ups.take(granter, caller(ctx).network(), Instant::now())?;
                let (document, addresses) = (admitted.document, api.addresses);
                let granting =
                    api.store.grant_to_address(granter, document, &email, grant, addresses);
                let AddressGrantOutcome { collaborator, granted } = granting.await?;
                if let Some((target, granted)) = granted {
                    // The answer does not wait for it, since its time would tell that there is an account.
                    let rooms = api.rooms.clone();
                    tokio::spawn(async move { announce(&rooms, document, target, &granted).await });
                }
                Ok(CollaboratorType(collaborator))
            }
        }
    }

    /// Accepts access that was granted to the caller: the document moves from `PENDING` to `ACCEPTED` in `documents`, and
    /// a user who was named by their e-mail address is shown with their name. The document can be opened before. Fails with
    /// `FORBIDDEN` if nothing was granted to the caller.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn accept_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<DocumentType, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let document = document_id(ctx, &id).await?;
        take_edit(ctx, Some(&id)).await?;
        api.store.accept_grant(user, document).await?;
        let found = api.rooms.find_document(user, document).await?;
        let (document, access) = found.ok_or(StoreError::Denied)?;
        Ok(DocumentType::new(document, access))
    }

    /// Refuses documents that a user shares with the caller from now on. What this user has granted and the caller has not
    /// accepted is revoked; the caller leaves the others with `revokeAccess`. The user learns of it if they grant access by
    /// the caller's id.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn block_user(&self, ctx: &Context<'_>, user_id: ID) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        take_edit(ctx, None).await?;
        let changed = api.store.block_user(user, user_id.parse()?).await?;
        api.rooms.announce_access(changed).await;
        Ok(true)
    }

    /// Accepts documents of a user again. Returns false if the caller did not block them.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn unblock_user(&self, ctx: &Context<'_>, user_id: ID) -> Result<bool, ApiError> {
        let user = caller(ctx).user()?.id;
        take_edit(ctx, None).await?;
        Ok(api(ctx)?.store.unblock_user(user, user_id.parse()?).await?)
    }

    /// Revokes a user's access to a document, both what was granted to them and what links have given them. From then on the
    /// server refuses the user's edits and new subscriptions, and ends the user's open subscriptions and Yjs editors of the
    /// document. With one node, these have ended when the mutation answers. With several nodes, the mutation waits for the
    /// others, but at most one second. A node that did not receive the revocation finds it within `room.compare_every` (1 s by
    /// default), or within five times that while its connection to Redis is healthy.
    /// The user cannot come back by a link until they are granted access again.
    /// Returns false if the user had no such access. Requires `OWNER`, except that users may revoke their own access. The
    /// access of the document's owner cannot be revoked. Levels from document tokens and from an application remain.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn revoke_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        user_id: ID,
    ) -> Result<bool, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx, Some(&id)).await?;
        let target = user_id.parse::<UserId>()?;
        // What is refused here needs no connection for writing.
        let needed = match caller(ctx).user()?.id == target {
            true => AccessLevel::View,
            false => AccessLevel::Owner,
        };
        let Admitted { user, document, .. } = require(ctx, &id, needed).await?;
        let mut named = read(ctx, api.store.find_collaborator(document, target)).await?;
        if let NamedCollaborator::Address(email) = &named {
            if api.store.revoke_from_address(user.id, document, email).await? {
                return Ok(true);
            }
            // Meanwhile the address may have been confirmed for a user, who has the grant now.
            named = read(ctx, api.store.find_collaborator(document, target)).await?;
        }
        let NamedCollaborator::User(target) = named else { return Ok(false) };
        let revoked = api.store.revoke_access(user.id, document, target).await;
        // A stored revocation has an access version. A user who has been granted access since then keeps their seats.
        let access_version = revoked.as_ref().ok().map(|revoked| revoked.access_version);
        let level = revoked.as_ref().ok().and_then(|revoked| revoked.level);
        let access = AccessChange { level, access_version };
        match &revoked {
            Err(StoreError::Denied | StoreError::OwnerKeepsAccess | StoreError::Busy) => {}
            // Another revocation, which announces itself, may still be on its way to the room.
            Ok(RevocationOutcome { had_access: false, .. }) => {
                api.rooms.apply_access(document, target, access).await;
            }
            // One with an unknown outcome may have been stored. A user who still has access can subscribe again.
            Ok(_) | Err(_) => api.rooms.access_changed(document, target, access).await,
        }
        Ok(revoked?.had_access)
    }
}

/// Returns the time at which something is to end by itself.
///
/// # Errors
/// It is past, or too late.
pub(super) fn check_end(ends_at: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, InvalidInput> {
    let ends_at = ends_at.map(|Timestamp(ends_at)| ends_at);
    // SQLite compares times as text, which later years would break.
    if ends_at.is_some_and(|ends_at| ends_at <= Utc::now() || ends_at.year() > 9_999) {
        let why = "`endsAt` is past, or after the year 9999. Name another time, or none.";
        return Err(InvalidInput::new(why));
    }
    Ok(ends_at)
}

/// Announces the access of a user after a grant.
async fn announce(rooms: &Rooms, document: DocumentId, target: UserId, granted: &GrantOutcome) {
    let access_version = Some(granted.access_version);
    let access = AccessChange { level: Some(granted.level), access_version };
    rooms.access_changed(document, target, access).await;
}

/// Whom a grant is for.
enum GrantTarget {
    User(UserId),
    Address(Email),
}

/// Returns whom a grant names.
///
/// # Errors
/// Both or neither are given, or the one given is not valid.
fn find_target(user_id: Option<ID>, email: Option<String>) -> Result<GrantTarget, InvalidInput> {
    match (user_id, email) {
        (Some(id), None) => Ok(GrantTarget::User(id.parse()?)),
        (None, Some(email)) => Ok(GrantTarget::Address(Email::new(&email)?)),
        (Some(_), Some(_)) | (None, None) => {
            Err(InvalidInput::new("Name the user by either `userId` or `email`."))
        }
    }
}
