//! The query of an object by its id, whatever its type.

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use super::documents::find_document;
use crate::{
    domain::{InvalidInput, UserId},
    graphql::{
        ApiError,
        access::document_id,
        caller::caller,
        complexity::DATABASE_READ,
        types::{NodeType, UserType},
    },
};

/// The query of an object by its id.
#[derive(Default)]
pub(super) struct NodeQueries;

#[Object]
impl NodeQueries {
    /// The document with this id if the caller has access to it, or the caller's own user. Null for every other id: whether
    /// another user exists is not told.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<NodeType>, ApiError> {
        let user = caller(ctx).user()?;
        if user.id == user_id(&id)? {
            return Ok(Some(UserType(user.clone()).into()));
        }
        let document = find_document(ctx, user.id, document_id(&id)?).await?;
        Ok(document.map(|document| Box::new(document).into()))
    }
}

/// Parses an id that may be that of a user.
///
/// # Errors
/// The id is not a UUID.
fn user_id(id: &ID) -> Result<UserId, InvalidInput> {
    let uuid = id.parse::<Uuid>().map_err(|_not_a_uuid| {
        InvalidInput::new("The id is not a UUID. Use an id that the server returned.")
    })?;
    Ok(uuid.into())
}
