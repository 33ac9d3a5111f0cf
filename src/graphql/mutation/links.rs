//! Invitations to documents, links to them, and guests.

use async_graphql::{Context, ID, Object};
use chrono::{TimeDelta, Utc};

use super::{access::check_end, accounts::limited, edit::take_edit};
use crate::{
    auth::LinkSecret,
    domain::{AccessLevel, DisplayName, InvalidInput, UserId},
    graphql::{
        Api, ApiError,
        access::{Admitted, document_id as find_id, require},
        caller::{api, caller},
        complexity::{CREDENTIALS, DATABASE_WRITE},
        types::{AccessLevelType, AuthPayload, DocumentType, LinkType, NewLinkPayload, Timestamp},
    },
    store::{LinkKey, LinkKind, LinkUse, NewLink, StoreError},
};

/// How long an invitation can be accepted if nothing else is said.
const INVITATION_LIFE: TimeDelta = TimeDelta::days(14);

/// The most uses of an invitation that has a number of them.
const MAX_USES: i32 = 1_000;

/// Mutations of links.
#[derive(Default)]
pub(super) struct LinkMutations;

#[Object]
impl LinkMutations {
    /// Creates an invitation to a document. Pass its secret on to the invited users: `acceptInvitation` grants them
    /// access. `uses` users may accept it, 1 to 1,000, or with null any number, until `endsAt`, by default for 14 days. Their
    /// grants do not end with the invitation. If the caller's own grant ends, both end no later. Requires `OWNER`, as
    /// `grantAccess` does, and counts as a grant.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn invite_to_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        level: AccessLevelType,
        #[graphql(default = 1)] uses: Option<i32>,
        ends_at: Option<Timestamp>,
    ) -> Result<NewLinkPayload, ApiError> {
        let admitted = may_share(ctx, &document_id).await?;
        let uses = uses.map(|uses| count("uses", uses, 1, MAX_USES)).transpose()?;
        let ends_at = check_end(ends_at)?.or_else(|| Some(Utc::now() + INVITATION_LIFE));
        let secret = new_secret()?;
        let new = NewLink {
            kind: LinkKind::Invitation,
            secret: Some(secret.hash()),
            level: level.into(),
            uses,
            max_guests: 0,
            ends_at,
        };
        let link = create(api(ctx)?, &admitted, new).await?;
        Ok(NewLinkPayload { secret: secret.expose().to_owned(), link })
    }

    /// Accepts an invitation, which grants the caller access to its document. Changes nothing, and uses nothing up, if they
    /// have as much access already. Fails with `NOT_FOUND` if there is no such invitation, or no longer.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        secret: String,
    ) -> Result<DocumentType, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        check_sharing(api)?;
        take_edit(ctx, None).await?;
        let used = api.store.accept_invitation(user, LinkSecret::sent(secret).hash()).await?;
        opened(api, user, used).await
    }

    /// Creates a link to a document. Everybody who has its secret may open the document with `openLink`, with this level, until
    /// the link ends at `endsAt` or is revoked. `level` is `VIEW` or `EDIT`. With `guests` it also admits that many people
    /// without an account at a time, see `enterAsGuest`. Requires `OWNER`, as `grantAccess` does, and counts as a grant.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn create_link(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        #[graphql(default_with = "AccessLevelType::View")] level: AccessLevelType,
        ends_at: Option<Timestamp>,
        #[graphql(default = 0)] guests: Option<i32>,
    ) -> Result<NewLinkPayload, ApiError> {
        let admitted = may_share(ctx, &document_id).await?;
        if level == AccessLevelType::Owner {
            let why = "A link gives `VIEW` or `EDIT`. Grant `OWNER` to one user at a time.";
            return Err(InvalidInput::new(why).into());
        }
        let ends_at = check_end(ends_at)?;
        let api = api(ctx)?;
        let secret = new_secret()?;
        let new = NewLink {
            kind: LinkKind::Secret,
            secret: Some(secret.hash()),
            level: level.into(),
            uses: None,
            max_guests: guest_count(api, guests)?,
            ends_at,
        };
        let link = create(api, &admitted, new).await?;
        Ok(NewLinkPayload { secret: secret.expose().to_owned(), link })
    }

    /// Makes a document public: everybody who has its id may read it, after `openLink`, until `endsAt` or until the link is
    /// revoked. With `guests` that many people without an account may read it at a time. Requires `OWNER`, as `grantAccess`
    /// does, and counts as a grant. Fails with `CONFLICT` if the document is public already.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn publish_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        ends_at: Option<Timestamp>,
        #[graphql(default = 0)] guests: Option<i32>,
    ) -> Result<LinkType, ApiError> {
        let admitted = may_share(ctx, &document_id).await?;
        let ends_at = check_end(ends_at)?;
        let api = api(ctx)?;
        let new = NewLink {
            kind: LinkKind::Public,
            secret: None,
            level: AccessLevel::View,
            uses: None,
            max_guests: guest_count(api, guests)?,
            ends_at,
        };
        create(api, &admitted, new).await
    }

    /// Gives the caller access to the document of a link while the link lasts. Name the link by its `secret`, or a public document
    /// by `documentId`. Fails with `NOT_FOUND` if there is no such link, or no longer, or an owner has removed the caller
    /// from the document.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn open_link(
        &self,
        ctx: &Context<'_>,
        secret: Option<String>,
        document_id: Option<ID>,
    ) -> Result<DocumentType, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        check_sharing(api)?;
        let key = link_key(ctx, secret, document_id).await?;
        take_edit(ctx, None).await?;
        let used = api.store.open_link(user, key).await?;
        opened(api, user, used).await
    }

    /// Admits a person without an account to the document of a link that admits guests, under a name that others see. The
    /// token is good for this document alone, while the link lasts, and for `auth.guest_life` (1 day by default) at most.
    /// Name the link as for `openLink`. Needs no token. Fails with `FORBIDDEN` if the link admits no more guests.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn enter_as_guest(
        &self,
        ctx: &Context<'_>,
        name: String,
        secret: Option<String>,
        document_id: Option<ID>,
    ) -> Result<AuthPayload, ApiError> {
        let (api, caller) = (api(ctx)?, caller(ctx));
        check_sharing(api)?;
        let name = DisplayName::new(&name)?;
        // Before a key is looked up.
        limited(api, api.registrations.take(&caller.network()))?;
        let key = link_key(ctx, secret, document_id).await?;
        let now = Utc::now();
        let until = now + api.guests.life;
        let most = api.guests.per_link;
        let (guest, used) = api.store.admit_guest(&name, key, until, most, caller.party()).await?;
        api.rooms.announce_access(used.changed).await;
        let minted = api.tokens.mint(&guest.user(), guest.generation, now);
        Ok(AuthPayload::new(minted, guest))
    }

    /// Revokes an invitation or a link. Nobody can use it from then on. What a link has given ends on every node within a
    /// second, as with `revokeAccess`; what an invitation has granted remains. Returns false if the document has no such link.
    /// Requires `OWNER`.
    #[graphql(complexity = "2 * DATABASE_WRITE")]
    async fn revoke_link(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        link_id: ID,
    ) -> Result<bool, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx, Some(&document_id)).await?;
        let link = link_id.parse()?;
        let Admitted { user, document, .. } =
            require(ctx, &document_id, AccessLevel::Owner).await?;
        let is_revoked = api.store.revoke_link(user.id, document, link).await?;
        if is_revoked {
            api.rooms.end_link(link).await?;
        }
        Ok(is_revoked)
    }
}

/// Returns the caller if they may share a document, and counts a grant.
pub(super) async fn may_share<'a>(
    ctx: &Context<'a>,
    document: &ID,
) -> Result<Admitted<'a>, ApiError> {
    let api = api(ctx)?;
    check_sharing(api)?;
    let admitted = require(ctx, document, AccessLevel::Owner).await?;
    api.hourly.take_grant(admitted.user.id)?;
    Ok(admitted)
}

/// Checks that users share documents here.
fn check_sharing(api: &Api) -> Result<(), ApiError> {
    if api.rooms.has_deciding_application() { Err(ApiError::ApplicationDecides) } else { Ok(()) }
}

async fn create(api: &Api, admitted: &Admitted<'_>, new: NewLink) -> Result<LinkType, ApiError> {
    Ok(LinkType(api.store.create_link(admitted.user.id, admitted.document, new).await?))
}

/// Announces what the use of a link has changed, and returns the document.
async fn opened(api: &Api, user: UserId, used: LinkUse) -> Result<DocumentType, ApiError> {
    let LinkUse { document, changed } = used;
    api.rooms.announce_access(changed).await;
    let found = api.rooms.find_document(user, document).await?;
    let (document, access) = found.ok_or(StoreError::Denied)?;
    Ok(DocumentType::new(document, access))
}

fn new_secret() -> Result<LinkSecret, ApiError> {
    Ok(LinkSecret::generate().map_err(StoreError::unavailable)?)
}

/// Returns the link that a secret or a document names.
///
/// # Errors
/// Both or neither are given, the id is malformed, or the store failed.
async fn link_key(
    ctx: &Context<'_>,
    secret: Option<String>,
    document: Option<ID>,
) -> Result<LinkKey, ApiError> {
    match (secret, document) {
        (Some(secret), None) => Ok(LinkKey::Secret(LinkSecret::sent(secret).hash())),
        (None, Some(document)) => Ok(LinkKey::Public(find_id(ctx, &document).await?)),
        (Some(_), Some(_)) | (None, None) => {
            let why = "Name the link by its `secret`, or a public document by `documentId`.";
            Err(InvalidInput::new(why).into())
        }
    }
}

fn guest_count(api: &Api, guests: Option<i32>) -> Result<u32, InvalidInput> {
    count("guests", guests.unwrap_or(0), 0, api.guests.per_link)
}

/// Checks a number that a client has sent.
fn count(name: &str, number: i32, least: i32, most: i32) -> Result<u32, InvalidInput> {
    let wanted = u32::try_from(number).ok().filter(|_wanted| (least..=most).contains(&number));
    wanted.ok_or_else(|| {
        InvalidInput::new(format!("`{name}` is {number}. Use a number from {least} to {most}."))
    })
}
