//! The query of an object by its id, whatever its type.

use async_graphql::{Context, ID, Object};

use super::documents::find_document;
use crate::graphql::{
    ApiError,
    access::document_id,
    caller::caller,
    complexity::DATABASE_READ,
    types::{NodeType, UserType},
};

/// The query of an object by its id.
#[derive(Default)]
pub(super) struct NodeQueries;

#[Object]
impl NodeQueries {
    /// The document with this id or key if the caller has access to it, or the caller's own user. Null for every other id: whether
    /// another user exists is not told.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<NodeType>, ApiError> {
        let user = caller(ctx).user()?;
        let named = document_id(ctx, &id).await?;
        if user.id.uuid() == named.uuid() {
            return Ok(Some(UserType(user.clone()).into()));
        }
        let document = find_document(ctx, user.id, named).await?;
        Ok(document.map(|document| Box::new(document).into()))
    }
}
