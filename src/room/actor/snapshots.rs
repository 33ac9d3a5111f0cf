//! Stores snapshots of the text, so that opening the document need not read the whole change log.

use actix::prelude::*;
use chrono::{DateTime, Utc};

use super::Room;
use crate::{
    domain::Version,
    editing::{
        LoadError, Replica,
        document_state::DocumentState,
        loader::{LastSnapshot, MAX_PAGE_BYTES, off_thread},
        open_document::OpenDocument,
        relayed_updates::RelayedCheck,
        turn_context::TurnContext,
        turn_document::RestartCause,
    },
    store::{NewSnapshot, SnapshotPatience},
};

/// The longest plain text that is kept beside a snapshot, in bytes: it is read at once, like a page of the log.
const MAX_KEPT_TEXT: usize = MAX_PAGE_BYTES;

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
            |context, mut state| async move {
                // Even if this fails, the next snapshot is due only after `every` further changes.
                let bytes = state.replica.as_ref().map_or(0, Replica::weight);
                state.snapshot = Some(LastSnapshot { version, bytes, bytes_since: 0 });
                let encoded = encode_if_stored(&context, &mut state).await;
                (state, encoded)
            },
            move |room, encoded, ctx| {
                match encoded {
                    Ok(SnapshotEncoding::State(encoded)) => {
                        room.write_snapshot((version, at), encoded);
                    }
                    Ok(SnapshotEncoding::Nothing) => {}
                    Ok(SnapshotEncoding::Contradicted) => {
                        room.restart(version, RestartCause::Contradicted, ctx);
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not encode a snapshot");
                    }
                }
                then(room, ctx);
            },
        );
    }

    fn write_snapshot(&self, (version, at): (Version, DateTime<Utc>), encoded: EncodedReplica) {
        let EncodedReplica { state, body_text } = encoded;
        let snapshot = NewSnapshot {
            payer: self.editing.payer(),
            document: self.document,
            version,
            at: Some(at),
            state,
            body_text,
            every: self.shared.options.snapshot_every,
            patience: SnapshotPatience::Long,
        };
        self.shared.snapshots.store(self.parts().store.clone(), snapshot);
    }
}

/// What a snapshot has of a replica.
pub(super) struct EncodedReplica {
    state: Vec<u8>,
    /// The plain text of the body, unless it is too long to be kept.
    body_text: Option<String>,
}

/// The state for a snapshot.
pub(super) enum SnapshotEncoding {
    State(EncodedReplica),
    /// There is no replica, or the log no longer shows whether it is right.
    Nothing,
    /// The log has other changes. The document has begun again at its head.
    Contradicted,
}

/// Encodes the replica if the log has what other nodes published.
pub(super) async fn encode_if_stored(
    context: &TurnContext,
    state: &mut DocumentState,
) -> Result<SnapshotEncoding, LoadError> {
    let checked = state.relayed.check(&context.store, context.document).await;
    // On an error nothing is known of the replica any more. It is loaded again when it is needed.
    let replica = state.replica.take();
    match checked? {
        RelayedCheck::Same => {}
        RelayedCheck::Unknown => return Ok(SnapshotEncoding::Nothing),
        RelayedCheck::Other => {
            state.restart_at(state.head.clone());
            return Ok(SnapshotEncoding::Contradicted);
        }
    }
    let Some(replica) = replica else { return Ok(SnapshotEncoding::Nothing) };
    let (replica, encoded) = encode(replica).await?;
    state.replica = Some(replica);
    Ok(SnapshotEncoding::State(encoded))
}

/// Encodes the state of a replica and writes its text, off the actor's thread if it is large.
async fn encode(mut replica: Replica) -> Result<(Replica, EncodedReplica), LoadError> {
    off_thread(replica.weight(), move || {
        let state = replica.state();
        replica.measure(&state);
        let body_text = replica.body_text(MAX_KEPT_TEXT);
        (replica, EncodedReplica { state, body_text })
    })
    .await
}
