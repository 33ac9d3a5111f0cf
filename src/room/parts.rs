//! What rooms are built from.

use std::sync::Arc;

use super::{
    RoomOptions, awareness::clocks::Clocks, delivery::large_events::LargeEvents,
    missing_changes::ReplayTurns, sync_pace::SyncPace,
};
use crate::{
    bridge::Bridge,
    domain::{DocumentId, Party},
    editing::{
        document_load::LoadBounds,
        loader::{DocumentLoader, large_texts_queue},
        snapshot_writer::SnapshotWriter,
        turn_context::TurnContext,
        work_permits::WorkPermits,
    },
    fair_queue::FairQueue,
    memory::{DocumentMemory, MemoryAccount, MemoryBounds},
    metrics::Metrics,
    questions::Questions,
    quota::OpenDocuments,
    roster::Roster,
    store::Store,
};

/// What a room is built from.
pub struct RoomParts {
    /// The store.
    pub store: Store,
    /// The relay to other nodes.
    pub bridge: Arc<dyn Bridge>,
    /// Who is present in the cluster.
    pub roster: Arc<dyn Roster>,
    /// The metrics.
    pub metrics: Metrics,
    /// The largest text of a document, in bytes of UTF-8.
    pub document_limit: usize,
    /// The largest Yjs state of a document, in bytes.
    pub state_limit: usize,
    /// The most structs in an update of a Yjs editor.
    pub structs_limit: usize,
    /// The most structs in a document.
    pub document_structs_limit: usize,
    /// The number of clients in a document up to which an update of a Yjs editor may add one.
    pub clients_limit: usize,
    /// The most memory of replicas.
    pub replicas: MemoryBounds,
    /// The memory of large answers, which large events share.
    pub answers: MemoryAccount,
    /// The bytes per second that Yjs editors of one user are sent in answers to sync step 1.
    pub sync_bytes_per_second: usize,
    /// The documents that users have open.
    pub open_documents: OpenDocuments,
    /// The application that decides on access, if there is one.
    pub questions: Questions,
}

/// What all rooms of a node share.
pub(super) struct RoomsShared {
    pub(super) parts: RoomParts,
    pub(super) options: RoomOptions,
    pub(super) loader: DocumentLoader,
    /// Permits for work on large texts.
    pub(super) permits: FairQueue<Party>,
    /// Turns of subscribers that are sent what they miss from the log.
    pub(super) replays: ReplayTurns,
    /// Renders large events.
    pub(super) large_events: LargeEvents,
    pub(super) snapshots: SnapshotWriter,
    pub(super) documents: Arc<DocumentMemory>,
    pub(super) sync_pace: SyncPace,
    /// The awareness clocks used on this node.
    pub(super) clocks: Clocks,
}

impl RoomsShared {
    pub(super) fn new(parts: RoomParts, options: RoomOptions) -> Self {
        let bounds = LoadBounds {
            at_once: options.texts_at_once,
            within: options.load_within,
            structs: parts.document_structs_limit,
        };
        let (store, metrics) = (parts.store.clone(), parts.metrics.clone());
        let documents = DocumentMemory::new(parts.replicas, metrics.clone());
        let loader = DocumentLoader::new(store, bounds, Arc::clone(&documents), metrics);
        let permits = large_texts_queue(options.texts_at_once);
        let snapshots = SnapshotWriter::new();
        let replays = ReplayTurns::new();
        let sync_pace = SyncPace::new(parts.sync_bytes_per_second);
        let clocks = Clocks::default();
        let large_events = LargeEvents::new(parts.answers.clone());
        Self {
            parts,
            options,
            loader,
            permits,
            replays,
            large_events,
            snapshots,
            documents,
            sync_pace,
            clocks,
        }
    }

    /// Returns what work on a document needs, with the permits for it.
    pub(super) fn turn_context(&self, document: DocumentId, permits: WorkPermits) -> TurnContext {
        let Self { parts, options, loader, .. } = self;
        TurnContext {
            document,
            store: parts.store.clone(),
            loader: loader.clone(),
            max_text_bytes: parts.document_limit,
            max_state_bytes: parts.state_limit,
            max_structs: parts.structs_limit,
            max_document_structs: parts.document_structs_limit,
            max_clients: parts.clients_limit,
            apply_within: options.apply_within,
            permits,
            rebase_bytes: options.rebase_bytes,
        }
    }
}
