//! How a subscription gets its seat.
//!
//! The schema is run once for the viewer: it validates, and its resolver holds a pending seat, reads the access level
//! after that, and confirms the seat. A revocation that comes between voids the seat, so there is no moment in
//! which a revoked viewer slips in.

use std::sync::Arc;

use async_graphql::Context;
use parking_lot::Mutex;

use super::{
    ApiError,
    access::level_of,
    caller::api,
    parsed_operations::ParsedOperations,
    render::{Feed, Renderer},
};
use crate::{
    domain::{AccessLevel, DocumentId, Topic, Version},
    room::{AudienceKey, Guest, Render, RoomError, Ticket},
    session::SessionLink,
    wire::graphql_ws::OperationId,
};

/// Why a subscription's resolver runs.
#[derive(Clone)]
pub(super) enum Purpose {
    /// To admit a viewer: the stream stays empty.
    Admit(Arc<Admission>),
    /// To render what is fed for an audience that has been admitted.
    Feed(Feed),
}

/// A viewer who waits for a seat.
pub(super) struct Admission {
    link: Arc<SessionLink>,
    guest: Guest,
    operation: SubscriptionOperation,
    ticket: Mutex<Option<Ticket>>,
}

/// A subscription as its client sent it.
#[derive(Clone)]
pub(super) struct SubscriptionOperation {
    pub(super) schema: super::Schema,
    pub(super) parsed: Arc<ParsedOperations>,
    pub(super) name: Option<Arc<str>>,
    pub(super) variables: async_graphql::Variables,
}

impl Admission {
    /// Of a session, to what `operation` selects, which its client calls `tag`.
    pub(super) fn new(
        link: Arc<SessionLink>,
        tag: OperationId,
        operation: SubscriptionOperation,
    ) -> Arc<Self> {
        let guest = link.guest(tag);
        Arc::new(Self { link, guest, operation, ticket: Mutex::new(None) })
    }

    /// Takes a seat.
    ///
    /// # Errors
    /// The viewer may not open the document, or lost access meanwhile.
    pub(super) async fn admit(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        topic: Topic,
        since: Option<Version>,
    ) -> Result<(), ApiError> {
        let rooms = &api(ctx)?.rooms;
        if !self.link.has_open(document) {
            // Without this, anybody could open rooms of documents that are not there, and keep them open.
            level_of(ctx, self.guest.user.id, document, AccessLevel::View).await?;
        }
        loop {
            let ticket = Ticket::reserve(rooms, &self.guest, document, topic).await?;
            let level = level_of(ctx, self.guest.user.id, document, AccessLevel::View).await?;
            ticket.seat().note_level(level);
            match self.confirm(ctx, &ticket, topic, since).await {
                Ok(()) => {
                    *self.ticket.lock() = Some(ticket);
                    return Ok(());
                }
                // The seat was taken away while access was read, and with it the last reason for the room to stay: what
                // he may do is asked again.
                Err(ApiError::Room(RoomError::Closed)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn confirm(
        &self,
        ctx: &Context<'_>,
        ticket: &Ticket,
        topic: Topic,
        since: Option<Version>,
    ) -> Result<(), ApiError> {
        let operation = self.operation.clone();
        let make = Box::new(move || Box::new(Renderer::new(operation)) as Box<dyn Render>);
        let stored = match since {
            Some(_) => {
                let head = api(ctx)?.store.find_head(ticket.seat().document).await?;
                head.map(|head| head.version)
            }
            None => None,
        };
        ticket.confirm(self.operation.audience(topic), since, stored, make).await?;
        Ok(())
    }

    /// The seat, if one was taken.
    pub(super) fn take(&self) -> Option<Ticket> {
        self.ticket.lock().take()
    }
}

impl SubscriptionOperation {
    /// The request that runs it, for `purpose`.
    pub(super) fn request(&self, purpose: Purpose) -> async_graphql::Request {
        self.parsed.request(self.name.as_deref(), self.variables.clone()).data(purpose)
    }

    fn audience(&self, topic: Topic) -> AudienceKey {
        // Where each seat begins is its own affair.
        let mut variables = self.variables.clone();
        if let Some(since) = self.parsed.since_variable(self.name.as_deref()) {
            variables.remove(since);
        }
        // Variables are a sorted map, so equal ones are written alike.
        let variables = serde_json::to_string(&variables).unwrap_or_default();
        AudienceKey {
            topic,
            operation: Arc::clone(&self.parsed.text),
            name: self.name.clone(),
            variables: variables.into(),
        }
    }
}
