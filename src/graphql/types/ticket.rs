//! Tickets.

use async_graphql::SimpleObject;

use super::Timestamp;
use crate::auth::IssuedTicket;

/// A ticket with which a Yjs editor opens one document once.
#[derive(SimpleObject)]
#[graphql(name = "Ticket")]
pub(in crate::graphql) struct TicketPayload {
    /// The ticket. Add it to the address of the document: `/sync/<documentId>?ticket=<ticket>`.
    ticket: String,
    /// The time from which the ticket is refused.
    expires_at: Timestamp,
}

impl From<IssuedTicket> for TicketPayload {
    fn from(IssuedTicket { ticket, expires_at }: IssuedTicket) -> Self {
        Self { ticket, expires_at: Timestamp(expires_at) }
    }
}
