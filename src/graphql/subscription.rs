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
use crate::domain::{Event, InvalidInput, Topic, Version};

/// The root of all subscriptions.
pub struct SubscriptionRoot;

type Told<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// What can be listened to. An event never comes back to the session that caused it.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// Every accepted change of the document, in the order of versions. `since`: first replay, without a gap, every
    /// change after that version; then go on live.
    async fn document_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        since: Option<i64>,
    ) -> Result<Told<DocumentChangeType>, ApiError> {
        listen(ctx, &id, Topic::Changes, since, |event| match event {
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
        listen(ctx, &id, Topic::Presence, None, |event| match event {
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
        listen(ctx, &id, Topic::Cursors, None, |event| match event {
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
    since: Option<i64>,
    pick: impl Fn(Event) -> Option<T> + Send + 'static,
) -> Result<Told<T>, ApiError> {
    match ctx.data_opt::<Purpose>().ok_or(ApiError::SchemaOnly)? {
        Purpose::Admit(admission) => {
            let since = since.map(version).transpose()?;
            admission.admit(ctx, document_id(id)?, topic, since).await?;
            Ok(stream::empty().boxed())
        }
        Purpose::Feed(feed) => Ok(feed.events(pick).boxed()),
    }
}

fn version(since: i64) -> Result<Version, InvalidInput> {
    if since < 0 {
        let message = format!("`since` is {since}. Use the last version that you have seen, or 0.");
        return Err(InvalidInput::new(message));
    }
    Ok(Version::new(since))
}
