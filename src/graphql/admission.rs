//! Admission of a subscription.
//!
//! The schema is run once for the viewer: it validates the operation, and its resolver takes a seat in the document's room
//! ([`Subscription::admit`]).

use std::sync::Arc;

use async_graphql::Context;
use chrono::{DateTime, SubsecRound as _, Utc};
use parking_lot::Mutex;

use super::{
    ApiError,
    caller::api,
    parsed_operations::ParsedOperations,
    read_turns::read,
    render::{Feed, Renderer},
};
use crate::{
    domain::{AccessLevel, DocumentId, Topic, Version},
    room::{Admission, AudienceKey, Confirmation, Render, Subscriber, Subscription},
    session::SessionLink,
    store::{Head, Store, StoreError},
    wire::graphql_ws::OperationId,
};

/// Why a subscription's resolver runs.
#[derive(Clone)]
pub(super) enum Purpose {
    /// To admit a viewer: the stream stays empty.
    Admit(Arc<PendingSubscription>),
    /// To render events for an audience that was admitted.
    Feed(Feed),
}

/// A subscription whose viewer waits for a seat.
pub(super) struct PendingSubscription {
    link: Arc<SessionLink>,
    subscriber: Subscriber,
    /// The client's id of the subscription.
    id: OperationId,
    operation: SubscriptionOperation,
    admitted: Mutex<Option<Subscription>>,
}

/// A subscription as its client sent it.
#[derive(Clone)]
pub(super) struct SubscriptionOperation {
    pub(super) schema: super::Schema,
    pub(super) parsed: Arc<ParsedOperations>,
    pub(super) name: Option<Arc<str>>,
    pub(super) variables: async_graphql::Variables,
    /// The most bytes of an event.
    pub(super) max_event: usize,
}

impl PendingSubscription {
    /// Returns a subscription of a session to what `operation` selects.
    pub(super) fn new(
        link: Arc<SessionLink>,
        id: OperationId,
        operation: SubscriptionOperation,
    ) -> Arc<Self> {
        let subscriber = link.subscriber();
        Arc::new(Self { link, subscriber, id, operation, admitted: Mutex::new(None) })
    }

    /// Takes a seat. Called by the resolver.
    ///
    /// # Errors
    /// The viewer may not view the document, or lost access meanwhile.
    pub(super) async fn admit(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        topic: Topic,
        start: Option<ReplayStart>,
    ) -> Result<(), ApiError> {
        let admission = ViewerAdmission { ctx, pending: self, document, topic, start };
        let has_open = self.link.has_open(document);
        let rooms = &api(ctx)?.rooms;
        let topic = (document, topic);
        let subscription =
            Subscription::admit(rooms, &self.subscriber, topic, has_open, &admission).await?;
        *self.admitted.lock() = Some(subscription);
        Ok(())
    }

    /// Removes the admitted subscription.
    pub(super) fn take(&self) -> Option<Subscription> {
        self.admitted.lock().take()
    }
}

/// The part of GraphQL in an admission.
struct ViewerAdmission<'a> {
    ctx: &'a Context<'a>,
    pending: &'a PendingSubscription,
    document: DocumentId,
    topic: Topic,
    start: Option<ReplayStart>,
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplayStart {
    /// The last version that the client has.
    pub(super) version: Version,
    /// When that version was stored, if the client says so. Zero below milliseconds means that it has no more digits.
    pub(super) at: Option<DateTime<Utc>>,
}

impl ReplayStart {
    /// Returns the head, and whether the database does not have this version, or has another change under its number.
    async fn compare(
        self,
        store: &Store,
        document: DocumentId,
    ) -> Result<(Option<Head>, bool), StoreError> {
        let head = store.find_head(document).await?;
        let is_lost = match &head {
            Some(head) => self.is_lost(store, document, head).await?,
            None => false,
        };
        Ok((head, is_lost))
    }

    /// Whether the database, which has this head, does not have this version.
    async fn is_lost(
        self,
        store: &Store,
        document: DocumentId,
        head: &Head,
    ) -> Result<bool, StoreError> {
        let Some(at) = self.at else { return Ok(false) };
        if self.version > head.version {
            return Ok(true);
        }
        let stored = if self.version == head.version {
            Some(head.at)
        } else {
            store.find_change_time(document, self.version).await?
        };
        let is_same = |stored: DateTime<Utc>| stored == at || stored.trunc_subsecs(3) == at;
        // The log may no longer have it, and has no version 1.
        Ok(stored.is_some_and(|stored| !is_same(stored)))
    }
}

impl Admission for ViewerAdmission<'_> {
    type Error = ApiError;

    async fn read_access(&self) -> Result<(AccessLevel, i64), ApiError> {
        let (user, rooms) = (self.pending.subscriber.user.id, &api(self.ctx)?.rooms);
        Ok(rooms.read_access(user, self.document, AccessLevel::View).await?)
    }

    async fn confirmation(&self) -> Result<Confirmation, ApiError> {
        let operation = self.pending.operation.clone();
        let store = &api(self.ctx)?.store;
        let (since, stored) = match self.start {
            Some(start) => {
                let (head, is_lost) = read(self.ctx, start.compare(store, self.document)).await?;
                // The log has no version 0, so the replay begins with the whole text.
                let since = if is_lost { Version::default() } else { start.version };
                (Some(since), head.map(|head| head.version))
            }
            None => (None, None),
        };
        Ok(Confirmation::Audience {
            key: operation.audience(self.topic),
            operation: self.pending.id.clone(),
            since,
            stored,
            make: Box::new(move || Box::new(Renderer::new(operation)) as Box<dyn Render>),
        })
    }
}

impl SubscriptionOperation {
    /// Returns the request that runs it for a purpose.
    pub(super) fn request(&self, purpose: Purpose) -> async_graphql::Request {
        self.parsed.request(self.name.as_ref(), self.variables.clone()).data(purpose)
    }

    fn audience(&self, topic: Topic) -> AudienceKey {
        // Subscribers of one audience may begin at different versions.
        let mut variables = self.variables.clone();
        for start in self.parsed.start_variables(self.name.as_deref()) {
            variables.remove(start);
        }
        // Variables are a sorted map, so equal variables have equal JSON.
        let variables = serde_json::to_string(&variables).unwrap_or_default();
        AudienceKey {
            topic,
            operation: Arc::clone(&self.parsed.text),
            name: self.name.clone(),
            variables: variables.into(),
        }
    }
}
