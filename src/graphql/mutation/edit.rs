//! What every mutation that edits a document has in common.

use async_graphql::{Context, ID};

use crate::{
    domain::EditId,
    editing::{EditKind, EditRequest},
    graphql::{
        ApiError, Caller,
        access::{Admitted, document_id, written_id},
        caller::{api, caller},
    },
};

/// Returns the edit request of the caller, for the document's room.
///
/// # Errors
/// `mutation_id` is not valid.
pub(super) fn edit_request(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    mutation_id: Option<ID>,
    kind: EditKind,
) -> Result<EditRequest, ApiError> {
    Ok(EditRequest {
        document: admitted.document,
        author: admitted.user.id,
        session: caller(ctx).session(),
        name: mutation_id.map(|id| EditId::new(&id)).transpose()?,
        kind,
    })
}

/// Counts a change against `limits.edits_per_second`: of the session, or over HTTP of the user and the document, `None` for
/// a new one.
///
/// # Errors
/// The allowance is used up, the id is malformed, or the store failed.
pub(super) async fn take_edit(ctx: &Context<'_>, document: Option<&ID>) -> Result<(), ApiError> {
    match caller(ctx) {
        Caller::Session(link) => Ok(link.take_edit()?),
        Caller::Request { user, .. } => {
            let allowances = &api(ctx)?.allowances;
            let Some(id) = document else { return Ok(allowances.take_edit(user.id, None)?) };
            if let Some(document) = written_id(id) {
                return Ok(allowances.take_edit(user.id, Some(document))?);
            }
            // A key is looked up only after something was spent.
            allowances.take_any_edit(user.id)?;
            let document = document_id(ctx, id).await?;
            Ok(allowances.take_edit_of(user.id, Some(document))?)
        }
        // The resolver refuses a caller who is not signed in.
        Caller::Nobody(_) => Ok(()),
    }
}
