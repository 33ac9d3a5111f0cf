//! The subscriptions of the schema.
//!
//! Each resolver runs for one of two purposes: once per subscriber, to admit it to a room, and once per audience, to
//! render every event that the room delivers.

use std::pin::Pin;

use async_graphql::{Context, ID, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _, stream};

use super::{
    ApiError,
    access::document_id,
    admission::{Purpose, ReplayStart},
    types::{AccessEventType, CursorMoveType, DocumentChangeType, PresenceChangeType, Timestamp},
};
use crate::{
    domain::{Event, InvalidInput, Topic, Version},
    room::SharedEvent,
};

/// The root of all subscriptions.
pub struct SubscriptionRoot;

type EventStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// The subscriptions. A session does not receive the events that it causes, and an event of a request without
/// `X-Session-Id` is not sent to the sessions of its user. A session is present in a document from its first
/// subscription to it until the end of its last.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// Sends every accepted change of the document, in the order of versions. With `since`, it first replays every
    /// change after that version, including the caller's own, and continues without a gap. If those changes are no
    /// longer kept, it first sends one `RESYNC`. Ends with `complete` when the document is deleted.
    ///
    /// `sinceAt` is the time at which the version `since` was stored, at least to the millisecond: the `changedAt` of
    /// the last change applied, or the document's `updatedAt`. If the database has lost that version and may have another change
    /// under its number, it first sends one `RESYNC`.
    async fn document_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        since: Option<i64>,
        since_at: Option<Timestamp>,
    ) -> Result<EventStream<DocumentChangeType>, ApiError> {
        subscribe(ctx, &id, Topic::Changes, (since, since_at), |event| match event.into_parts() {
            (Event::Changed(change), encoded) => {
                Some(DocumentChangeType::new(change, encoded.unwrap_or_default()))
            }
            (Event::PresenceChanged(_) | Event::CursorMoved(_) | Event::LevelRead(_), _) => None,
        })
        .await
    }

    /// Sends an event when another session opens or closes the document. Query `documentPresence` for the sessions that
    /// are already present. A subscriber that reads too slowly gets an error with the code `UNAVAILABLE`: subscribe
    /// again, then query `documentPresence`.
    async fn presence_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<EventStream<PresenceChangeType>, ApiError> {
        subscribe(ctx, &id, Topic::Presence, (None, None), |event| match event.into_parts().0 {
            Event::PresenceChanged(change) => Some(PresenceChangeType(change)),
            Event::Changed(_) | Event::CursorMoved(_) | Event::LevelRead(_) => None,
        })
        .await
    }

    /// Sends the cursors of other sessions as they move. A subscriber that reads slowly receives only the last position
    /// of each session.
    async fn cursor_moved(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<EventStream<CursorMoveType>, ApiError> {
        subscribe(ctx, &id, Topic::Cursors, (None, None), |event| match event.into_parts().0 {
            Event::CursorMoved(moved) => Some(CursorMoveType(moved)),
            Event::Changed(_) | Event::PresenceChanged(_) | Event::LevelRead(_) => None,
        })
        .await
    }

    /// Sends the caller's own access level on the document: first the present one, then each new one within a second of its
    /// change. When access ends, it ends like every other subscription, with an error with the code `FORBIDDEN`.
    async fn access_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<EventStream<AccessEventType>, ApiError> {
        subscribe(ctx, &id, Topic::Level, (None, None), |event| match event.into_parts().0 {
            Event::LevelRead(level) => Some(AccessEventType(level)),
            Event::Changed(_) | Event::PresenceChanged(_) | Event::CursorMoved(_) => None,
        })
        .await
    }
}

async fn subscribe<T: Send + 'static>(
    ctx: &Context<'_>,
    id: &ID,
    topic: Topic,
    (since, since_at): (Option<i64>, Option<Timestamp>),
    select: impl Fn(SharedEvent) -> Option<T> + Send + 'static,
) -> Result<EventStream<T>, ApiError> {
    match ctx.data_opt::<Purpose>().ok_or(ApiError::SchemaOnly)? {
        Purpose::Admit(admission) => {
            let start = replay_start(since, since_at.map(|Timestamp(at)| at))?;
            admission.admit(ctx, document_id(ctx, id).await?, topic, start).await?;
            Ok(stream::empty().boxed())
        }
        Purpose::Feed(feed) => Ok(feed.events(select).boxed()),
    }
}

fn replay_start(
    since: Option<i64>,
    at: Option<DateTime<Utc>>,
) -> Result<Option<ReplayStart>, InvalidInput> {
    match since {
        Some(since) if since < 0 => Err(InvalidInput::new(format!(
            "`since` is {since}. Use the last version that you have applied, or 0."
        ))),
        Some(since) => Ok(Some(ReplayStart { version: Version::new(since), at })),
        None if at.is_some() => {
            Err(InvalidInput::new("`sinceAt` is the time of the version `since`. Send both."))
        }
        None => Ok(None),
    }
}
