//! Stores snapshots of the text, so that opening the document need not read the whole change log.

use actix::prelude::*;

use super::Room;
use crate::editing::{
    LoadError, Replica,
    loader::{LastSnapshot, off_thread},
    open_document::OpenDocument,
};

impl Room {
    /// Stores a snapshot at the head, then runs `then`. A failure loses nothing, since the log has every change.
    pub(super) fn store_snapshot(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let version = self.editing.version().unwrap_or_default();
        let every = self.shared.options.snapshot_every;
        self.with_document(
            ctx,
            OpenDocument::lend,
            |context, mut state| async move {
                // Even if this fails, the next snapshot is due only after `every` further changes.
                state.snapshot = Some(LastSnapshot { version, bytes_since: 0 });
                let Some(replica) = state.replica.take() else { return (state, Ok(())) };
                let stored = async {
                    let (replica, bytes) = encode(replica).await?;
                    context.store.store_snapshot(context.document, version, bytes, every).await?;
                    Ok::<_, LoadError>(replica)
                };
                let stored = stored.await.map(|replica| state.replica = Some(replica));
                (state, stored)
            },
            |room, stored, ctx| {
                if let Err(error) = stored {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "could not store a snapshot");
                }
                then(room, ctx);
            },
        );
    }
}

/// Encodes the state of a replica, off the actor's thread if it is large.
async fn encode(mut replica: Replica) -> Result<(Replica, Vec<u8>), LoadError> {
    let bytes = replica.content().bytes();
    off_thread(bytes, move || {
        let state = replica.state();
        replica.set_weight(state.len());
        (replica, state)
    })
    .await
}
