//! What every mutation that edits a document has in common.

use async_graphql::{Context, ID};

use crate::{
    domain::EditId,
    editing::{EditKind, EditRequest},
    graphql::{ApiError, Caller, access::Admitted, caller::caller},
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

/// Counts an edit against `limits.edits_per_second` of the session. HTTP requests count as operations of their user
/// only.
///
/// # Errors
/// The session has used up its allowance.
pub(super) fn take_edit(ctx: &Context<'_>) -> Result<(), ApiError> {
    match caller(ctx) {
        Caller::Session(link) => Ok(link.take_edit()?),
        Caller::Nobody | Caller::Request { .. } => Ok(()),
    }
}
