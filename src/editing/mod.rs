//! Applies edit requests to a document and stores the result.
//!
//! An [`EditRequest`] waits in the [`queue`] of its [`open_document`]. A commit [`turn`] takes the waiting edits as [`job`]s,
//! has [`stage`] [`rebase`] or merge each onto the [`turn_document`], and commits the result in one transaction. What other
//! nodes stored comes from their messages or from the change log ([`follow_log`]). The [`loader`] builds texts and replicas
//! from a snapshot and the log, and a [`document_load`] ends what is too heavy. [`recent`] keeps the last changes in memory,
//! and [`work_permits`] bound the work on large texts. Of the history, [`version_difference`] compares two versions,
//! [`document_passages`] finds who wrote what, and [`entry_counts`] how much.
//!
//! No actor, socket or session appears here.
//!
//! Invariant: an edit that is answered as stored is stored, and what was not stored is in no replica that is used again.

mod acknowledgement;
mod body_change;
mod change_contents;
mod closed_off;
mod compact;
mod delta_rebase;
pub(crate) mod document_load;
pub(crate) mod document_passages;
pub(crate) mod document_state;
mod earlier_content;
mod edit_costs;
mod edit_error;
pub(crate) mod entry_counts;
mod fingerprints;
mod follow_log;
pub(crate) mod full_document;
mod history_error;
mod import;
mod job;
mod load_error;
mod load_queues;
pub(crate) mod loader;
mod lock_pace;
pub(crate) mod log_tail;
mod lost_head;
pub(crate) mod open_document;
mod over_quota;
pub(crate) mod queue;
mod rebase;
pub(crate) mod recent;
pub(crate) mod relayed_updates;
mod request;
pub(crate) mod reversal;
mod snapshot_search;
mod snapshot_size;
pub(crate) mod snapshot_writer;
mod stage;
mod stoppable;
pub(crate) mod turn;
pub(crate) mod turn_context;
pub(crate) mod turn_document;
pub(crate) mod turn_exchange;
mod update_merge;
pub(crate) mod version_difference;
pub(crate) mod work_permits;
mod worker_thread;
mod written_content;

pub use acknowledgement::Acknowledgement;
pub use body_change::{BodyChange, GivenBody};
pub use closed_off::TooHeavy;
pub use compact::{CompactError, Compacted, Kept, compact};
pub use document_passages::AuthoredPassages;
pub use earlier_content::EarlierContent;
pub use edit_error::EditError;
pub use entry_counts::EntryCounts;
pub(crate) use fingerprints::body_fingerprint;
pub use history_error::HistoryError;
pub use import::{
    ImportError, ImportLimits, ImportedChange, ImportedState, merge_import, read_import,
};
pub use load_error::LoadError;
pub use replica::{
    ApplyBounds, ApplyError, BodyKind, BodyMismatch, ChangeCounts, CorruptDocument, Difference,
    DocumentBody, Insertions, MergeBounds, MergeError, Merged, Passage, PassagePage, PassageSearch,
    Replica, RestoreError, Restored, Reversal, ReversalError, Selection, StateError, Uncopied,
};
pub use request::{EditKind, EditRequest, Omitted, StoredEdit};
pub use version_difference::VersionDifference;
