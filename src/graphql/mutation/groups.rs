//! Access of groups, and the members that applications give them.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, Object};

use super::{access::check_end, edit::take_edit, links::may_share};
use crate::{
    domain::{AccessLevel, GroupName, InvalidInput, OutsideSubject, UserId},
    graphql::{
        ApiError,
        access::{Admitted, require},
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        read_turns::read,
        types::{AccessLevelType, GroupGrantType, Timestamp},
    },
    store::{Grant, MemberChanges},
};

/// The most users who join or leave a group in one call.
const MAX_CHANGES: usize = 200;

/// Mutations of groups.
#[derive(Default)]
pub(super) struct GroupMutations;

#[Object]
impl GroupMutations {
    /// Grants all members of a group access to a document, those of now and of later, until `endsAt`. Replaces what was granted to
    /// the group before. `group` is its name at `source`: the `iss` claim of an identity provider, or the name of an
    /// application; by default the one that the caller's account comes from. Of other sources it has to be a group that the
    /// caller is in. The group need not have members yet, and the answer does not tell whether it has. Requires `OWNER`, as `grantAccess` does, and counts as a grant.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn grant_group_access(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        level: AccessLevelType,
        group: String,
        source: Option<String>,
        ends_at: Option<Timestamp>,
    ) -> Result<GroupGrantType, ApiError> {
        let api = api(ctx)?;
        let Admitted { user, document, .. } = may_share(ctx, &document_id).await?;
        let ends_at = check_end(ends_at)?;
        let name = nameable_group(ctx, user.id, source, &group).await?;
        let grant = Grant { level: level.into(), ends_at };
        let granted = api.store.grant_to_group(user.id, document, &name, grant).await?;
        api.rooms.announce_group(document, granted.group.id).await?;
        Ok(GroupGrantType(granted))
    }

    /// Revokes what was granted to a group on a document. It ends for all members who have no other access, on every node within a
    /// second, as with `revokeAccess`. Returns false if nothing was granted to the group. Requires `OWNER`.
    #[graphql(complexity = "2 * DATABASE_WRITE")]
    async fn revoke_group_access(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        group_id: ID,
    ) -> Result<bool, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx, Some(&document_id)).await?;
        let group = group_id.parse()?;
        let Admitted { user, document, .. } =
            require(ctx, &document_id, AccessLevel::Owner).await?;
        let had_access = api.store.revoke_from_group(user.id, document, group).await?;
        if had_access {
            api.rooms.end_group_grant(document, group).await?;
        }
        Ok(had_access)
    }

    /// Changes who is in a group of the calling application. `joining` and `leaving` are ids of users, together at most 200; a
    /// group has at most 10,000 members. What the users lose by it is refused when the mutation answers, and open sessions learn of both within a second. Call
    /// it with a token of the application itself, whose `sub` is the same as its `iss`; all others get `FORBIDDEN`.
    #[graphql(complexity = "2 * DATABASE_WRITE")]
    async fn change_group(
        &self,
        ctx: &Context<'_>,
        group: String,
        #[graphql(default)] joining: Vec<ID>,
        #[graphql(default)] leaving: Vec<ID>,
    ) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let application = read(ctx, api.store.find_application_of(user)).await?;
        let application = application.ok_or(ApiError::NotAnApplication)?;
        if joining.len() + leaving.len() > MAX_CHANGES {
            let why =
                format!("At most {MAX_CHANGES} users join and leave in one call. Send several.");
            return Err(InvalidInput::new(why).into());
        }
        let name = group_name(application_source(&application), &group)?;
        let changes = MemberChanges { joining: users(&joining)?, leaving: users(&leaving)? };
        api.store.change_members(&name, &changes).await?;
        Ok(true)
    }
}

fn users(ids: &[ID]) -> Result<BTreeSet<UserId>, InvalidInput> {
    ids.iter().map(|id| id.parse()).collect()
}

fn application_source(application: &str) -> String {
    format!("{}{application}", OutsideSubject::APPLICATION)
}

/// Returns the source that a client has named. Issuers are addresses (OpenID Connect Core 1.0, section 2), applications are not.
fn known_source(named: &str) -> String {
    if named.contains("://") { named.to_owned() } else { application_source(named) }
}

/// Returns the group that a user names: one of the issuer or application that their account comes from, or one that they are in.
///
/// # Errors
/// It is neither, or the name is not valid.
async fn nameable_group(
    ctx: &Context<'_>,
    user: UserId,
    source: Option<String>,
    group: &str,
) -> Result<GroupName, ApiError> {
    let store = &api(ctx)?.store;
    let own = read(ctx, store.find_outside_subject(user)).await?;
    let own = own.map(|subject| (*subject.issuer).to_owned());
    let Some(source) = source.map(|source| known_source(&source)).or_else(|| own.clone()) else {
        let why = "Your account comes from no identity provider or application. Name the `source` of the group.";
        return Err(InvalidInput::new(why).into());
    };
    let is_own = own.as_ref() == Some(&source);
    let name = group_name(source, group)?;
    if is_own || read(ctx, store.is_in_group(user, &name)).await? {
        return Ok(name);
    }
    let why = "You can share with groups that you are in, and with those of the source that your account comes from.";
    Err(InvalidInput::new(why).into())
}

fn group_name(source: String, name: &str) -> Result<GroupName, InvalidInput> {
    GroupName::new(source, name).ok_or_else(|| {
        InvalidInput::new(
            "The name of a group, and its source, have 1 to 255 characters, none of them a control character.",
        )
    })
}
