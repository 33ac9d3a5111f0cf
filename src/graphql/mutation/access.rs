//! Granting and revoking access to a document.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Datelike as _, Utc};
use tokio::time::Instant;

use super::edit::take_edit;
use crate::{
    domain::{AccessChange, AccessLevel, Email, InvalidInput, UserId},
    graphql::{
        ApiError,
        access::{Admitted, require},
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        read_turns::read,
        types::{AccessLevelType, CollaboratorType},
    },
    store::{Grant, RevocationOutcome, StoreError},
};

/// Mutations of access.
#[derive(Default)]
pub(super) struct AccessMutations;

#[Object]
impl AccessMutations {
    /// Grants a user access to a document, or changes their level. Name the user by either `userId` or `email`. Takes
    /// effect immediately: subscriptions stay open, and no later edit is stored with the old level. With `endsAt` the access
    /// ends at that time. A grant replaces the previous one and its end. If the caller's own grant ends, the new grant ends
    /// no later. Requires `OWNER`. Fails with `FORBIDDEN` if the caller's `OWNER` comes from a document token or an
    /// application, or if an application decides who may open documents (`auth.ask`).
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn grant_access(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        level: AccessLevelType,
        user_id: Option<ID>,
        email: Option<String>,
        ends_at: Option<DateTime<Utc>>,
    ) -> Result<CollaboratorType, ApiError> {
        let api = api(ctx)?;
        if api.rooms.has_deciding_application() {
            return Err(ApiError::ApplicationDecides);
        }
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let granter = admitted.user.id;
        api.hourly.take_grant(granter)?;
        check_end(ends_at)?;
        let target = find_target(ctx, user_id, email).await?;
        api.hourly.take_grant_to(granter, target)?;
        let grant = Grant { level: level.into(), ends_at };
        let granted = api.store.grant_access(granter, admitted.document, target, grant).await?;
        let access_version = Some(granted.access_version);
        let access = AccessChange { level: Some(granted.level), access_version };
        api.rooms.access_changed(admitted.document, target, access).await;
        Ok(CollaboratorType(granted.collaborator))
    }

    /// Revokes a user's access to a document, both what was granted to them and what links have given them. From then on the server refuses the user's edits and new subscriptions,
    /// and ends the user's open subscriptions and Yjs editors of the document. With one node, these have ended when the
    /// mutation answers. With several nodes, the mutation waits for the others, but at most one second. A node that did
    /// not receive the revocation finds it within `room.compare_every` (1 s by default), or within five times that while
    /// its connection to Redis is healthy.
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
        take_edit(ctx, Some(&id))?;
        let target = user_id.parse::<UserId>()?;
        // What is refused here needs no connection for writing.
        let needed = match caller(ctx).user()?.id == target {
            true => AccessLevel::View,
            false => AccessLevel::Owner,
        };
        let Admitted { user, document, .. } = require(ctx, &id, needed).await?;
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

/// Checks the time at which something is to end by itself.
pub(super) fn check_end(ends_at: Option<DateTime<Utc>>) -> Result<(), InvalidInput> {
    // SQLite compares times as text, which later years would break.
    if ends_at.is_some_and(|ends_at| ends_at <= Utc::now() || ends_at.year() > 9_999) {
        let why = "`endsAt` is past, or after the year 9999. Name another time, or none.";
        return Err(InvalidInput::new(why));
    }
    Ok(())
}

/// Returns the user with this id or e-mail address.
///
/// # Errors
/// Both or neither are given, the one given is not valid, no account has the address, or the caller has looked up too many.
async fn find_target(
    ctx: &Context<'_>,
    user_id: Option<ID>,
    email: Option<String>,
) -> Result<UserId, ApiError> {
    match (user_id, email) {
        (Some(id), None) => Ok(id.parse()?),
        (None, Some(email)) => {
            let (api, caller, email) = (api(ctx)?, caller(ctx), Email::new(&email)?);
            let (user, network) = (caller.user()?.id, caller.network());
            api.look_ups.begin(user, network, Instant::now())?;
            let account = read(ctx, api.store.find_account_by_email(&email, api.addresses)).await?;
            let account = account.ok_or(StoreError::NoSuchUser)?;
            api.look_ups.found(user, network, Instant::now());
            Ok(account.id)
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(InvalidInput::new("Name the user by either `userId` or `email`.").into())
        }
    }
}
