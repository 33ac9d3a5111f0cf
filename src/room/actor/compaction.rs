//! Compacts a document that nears a limit of its Yjs state, when it is closed.
//!
//! Yjs never forgets a client or an insertion. A document would reach a limit with age and accept no more edits. So it begins a new
//! history while nobody has it open. Only plain documents are compacted: others may refer to places in the text by the ids of
//! insertions, which are new afterwards.

use actix::prelude::*;

use super::{
    Room,
    snapshots::{SnapshotEncoding, encode_if_stored},
};
use crate::{
    bridge::Health,
    domain::Version,
    editing::{
        LoadError, Replica, document_state::DocumentState, loader::off_thread,
        open_document::OpenDocument, turn_context::TurnContext,
    },
    wire::envelope::Envelope,
};

/// The sizes from which on a document is compacted.
#[derive(Debug, Clone, Copy)]
struct CompactionBounds {
    structs: usize,
    clients: usize,
}

impl CompactionBounds {
    fn are_reached_by(self, replica: &Replica) -> bool {
        replica.structs() >= self.structs || replica.clients() >= self.clients
    }
}

impl Room {
    /// Compacts the document if it is due, then runs `then`.
    pub(super) fn compact_if_due(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let Some(bounds) = self.compaction_due() else { return then(self, ctx) };
        self.with_document(
            ctx,
            OpenDocument::lend,
            move |context, mut state| async move {
                let compacted = compact(&context, &mut state, bounds).await;
                (state, compacted)
            },
            |room, compacted, ctx| {
                match compacted {
                    Ok(Some(version)) => {
                        tracing::info!(%version, "compacted the document, which had neared a limit");
                        room.parts().bridge.publish(room.document, Envelope::Stored { version });
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not compact the document");
                    }
                }
                then(room, ctx);
            },
        );
    }

    /// Returns the bounds if the document may have reached them and nobody has it open.
    fn compaction_due(&self) -> Option<CompactionBounds> {
        let (parts, percent) = (self.parts(), self.shared.options.compact_at);
        let is_open = self.remote.presence().presences().next().is_some();
        // What other nodes have open is known only while they can be reached.
        let is_known = parts.bridge.health() == Health::Healthy;
        if percent == 0 || is_open || !is_known || self.lifecycle.is_shutting_down() {
            return None;
        }
        let part = |limit: usize| limit.saturating_mul(percent) / 100;
        let bounds = CompactionBounds {
            structs: part(parts.document_structs_limit).max(1),
            clients: part(parts.clients_limit).max(1),
        };
        let replica = self.editing.replica()?;
        (bounds.are_reached_by(replica) && replica.is_plain()).then_some(bounds)
    }
}

/// Stores a copy of the replica as a new version, if it has reached the bounds and the copy is much smaller. Returns the version.
async fn compact(
    context: &TurnContext,
    state: &mut DocumentState,
    bounds: CompactionBounds,
) -> Result<Option<Version>, LoadError> {
    // This also counts the structs.
    let SnapshotEncoding::State(_) = encode_if_stored(context, state).await? else {
        return Ok(None);
    };
    let (Some(replica), Some(head)) = (state.replica.take(), state.head.clone()) else {
        return Ok(None);
    };
    let copy = move || {
        let is_due = bounds.are_reached_by(&replica);
        let copy = is_due.then(|| replica.compacted().ok()).flatten();
        let copy = copy.filter(|copy| {
            copy.structs() <= replica.structs() / 2 || copy.clients() <= replica.clients() / 2
        });
        (replica, copy.map(|copy| copy.state()))
    };
    let (replica, copy) = off_thread(usize::MAX, copy).await?;
    state.replica = Some(replica);
    let Some(copy) = copy else { return Ok(None) };
    let version =
        context.store.store_compaction(context.document, &head, copy, state.payer).await?;
    if version.is_some() {
        // It belongs to the old history.
        state.replica = None;
    }
    Ok(version)
}
