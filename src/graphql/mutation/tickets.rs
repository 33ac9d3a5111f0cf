//! Tickets for the addresses of Yjs editors.

use async_graphql::{Context, ID, Object};
use chrono::Utc;

use crate::{
    domain::AccessLevel,
    graphql::{
        ApiError,
        access::{Admitted, require},
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        types::TicketPayload,
    },
};

/// Mutations of tickets.
#[derive(Default)]
pub(super) struct TicketMutations;

#[Object]
impl TicketMutations {
    /// Issues a ticket with which a Yjs editor opens the document: `/sync/<documentId>?ticket=<ticket>`. It is valid for 30
    /// seconds, for one connection and for this document only, on every node, so an address with it is worth nothing
    /// afterwards. The editor has the rights of the caller, and is closed when the caller's token expires or their sign-in ends.
    /// Get another ticket for each connection. Requires `VIEW`.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn create_ticket(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<TicketPayload, ApiError> {
        let sign_in = caller(ctx).sign_in()?;
        let Admitted { user, document, .. } = require(ctx, &id, AccessLevel::View).await?;
        let issued = api(ctx)?.tickets.issue(user.id, &sign_in, document, Utc::now());
        Ok(issued.into())
    }
}
