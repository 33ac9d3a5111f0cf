//! What can be listened to.
//!
//! Each resolver runs for two purposes: once per viewer to be admitted, and for ever in the audience's renderer.

use std::pin::Pin;

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt as _, stream};

use super::{
    ApiError,
    access::document_id,
    admission::Purpose,
    types::{CursorMoveType, DocumentChangeType, PresenceChangeType},
};
use crate::domain::{Event, Topic};

/// The root of all subscriptions.
pub struct SubscriptionRoot;

type Told<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// What can be listened to. An event never comes back to the session that caused it.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// Every accepted change of the document, in the order of versions.
    async fn document_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<Told<DocumentChangeType>, ApiError> {
        listen(ctx, &id, Topic::Changes, |event| match event {
            Event::Changed(change) => Some(DocumentChangeType(change)),
            _ => None,
        })
        .await
    }

    /// Who opens and closes the document. `documentPresence` says who has it open already.
    async fn presence_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<Told<PresenceChangeType>, ApiError> {
        listen(ctx, &id, Topic::Presence, |event| match event {
            Event::PresenceChanged(change) => Some(PresenceChangeType(change)),
            _ => None,
        })
        .await
    }

    /// Cursors of the others. To a slow reader only the last place of each is told.
    async fn cursor_moved(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<Told<CursorMoveType>, ApiError> {
        listen(ctx, &id, Topic::Cursors, |event| match event {
            Event::CursorMoved(moved) => Some(CursorMoveType(moved)),
            _ => None,
        })
        .await
    }
}

async fn listen<T: Send + 'static>(
    ctx: &Context<'_>,
    id: &ID,
    topic: Topic,
    pick: impl Fn(Event) -> Option<T> + Send + 'static,
) -> Result<Told<T>, ApiError> {
    match ctx.data_opt::<Purpose>().ok_or(ApiError::SchemaOnly)? {
        Purpose::Admit(admission) => {
            admission.admit(ctx, document_id(id)?, topic).await?;
            Ok(stream::empty().boxed())
        }
        Purpose::Feed(feed) => Ok(feed.events(pick).boxed()),
    }
}
