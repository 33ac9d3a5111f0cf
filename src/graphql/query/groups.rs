//! Queries of groups, and of what was granted to them.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::AccessLevel,
    graphql::{
        ApiError,
        access::require,
        caller::{api, caller},
        complexity::DATABASE_READ,
        read_turns::read,
        types::{GroupGrantType, GroupType},
    },
};

/// The most groups of a user that are listed.
const MAX_GROUPS: u64 = 200;

/// Queries of groups.
#[derive(Default)]
pub(super) struct GroupQueries;

#[Object]
impl GroupQueries {
    /// The groups that the caller is in, by name, at most 200.
    #[graphql(complexity = "DATABASE_READ + 10 * child_complexity")]
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<GroupType>, ApiError> {
        let user = caller(ctx).user()?.id;
        let groups = read(ctx, api(ctx)?.store.list_groups(user, MAX_GROUPS)).await?;
        Ok(groups.into_iter().map(GroupType).collect())
    }

    /// The groups that were granted access to a document, in the order of granting. Requires `OWNER`.
    #[graphql(complexity = "DATABASE_READ + 10 * child_complexity")]
    async fn document_groups(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
    ) -> Result<Vec<GroupGrantType>, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let grants = read(ctx, api(ctx)?.store.list_group_grants(admitted.document)).await?;
        Ok(grants.into_iter().map(GroupGrantType).collect())
    }
}
