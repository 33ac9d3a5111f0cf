//! Stores snapshots of the text, so that opening the document need not read the whole change log.

use actix::prelude::*;
use chrono::{DateTime, Utc};

use super::Room;
use crate::{
    domain::Version,
    editing::{
        LoadError, Replica,
        loader::{LastSnapshot, off_thread},
        open_document::OpenDocument,
        snapshot_writer::NewSnapshot,
    },
};

impl Room {
    /// Encodes a snapshot at the head and has it stored in the background, then runs `then`.
    pub(super) fn store_snapshot(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let Some(head) = self.editing.head() else { return then(self, ctx) };
        let (version, at) = (head.version, head.at);
        self.with_document(
            ctx,
            OpenDocument::lend,
            |_context, mut state| async move {
                // Even if this fails, the next snapshot is due only after `every` further changes.
                state.snapshot = Some(LastSnapshot { version, bytes_since: 0 });
                let Some(replica) = state.replica.take() else { return (state, Ok(None)) };
                let encoded = encode(replica).await.map(|(replica, bytes)| {
                    state.replica = Some(replica);
                    Some(bytes)
                });
                (state, encoded)
            },
            move |room, encoded, ctx| {
                match encoded {
                    Ok(Some(bytes)) => room.write_snapshot((version, at), bytes),
                    Ok(None) => {}
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not encode a snapshot");
                    }
                }
                then(room, ctx);
            },
        );
    }

    fn write_snapshot(&self, (version, at): (Version, DateTime<Utc>), state: Vec<u8>) {
        let every = self.shared.options.snapshot_every;
        let snapshot = NewSnapshot { document: self.document, version, at, state, every };
        self.shared.snapshots.store(self.parts().store.clone(), snapshot);
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
