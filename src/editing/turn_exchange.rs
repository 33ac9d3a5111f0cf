//! What a turn receives from other nodes, and what it returns.

use std::sync::Arc;

use super::{job::Answer, queue::Reply, turn_document::Continuity};
use crate::domain::{Change, Origin, Version};

/// A stored change, to be broadcast.
pub(crate) struct StoredChange {
    pub(crate) change: Arc<Change>,
    /// Whether another node stored it. That node has published it.
    pub(crate) is_remote: bool,
    /// Whether a Yjs update of this node made it. Its author has it already.
    pub(crate) is_merged: bool,
}

/// The result of a turn.
pub(crate) struct TurnOutcome {
    /// Everything stored since the turn began, by any node, in the order of versions.
    pub(crate) changes: Vec<StoredChange>,
    /// How they follow the head before the turn.
    pub(crate) continuity: Continuity,
    /// Whether the log held a commit of this node that nobody has published.
    pub(crate) is_unpublished: bool,
    /// The origins of edits of which it is not known whether they are stored.
    pub(crate) doubtful: Vec<Origin>,
    /// The answer to each edit.
    pub(crate) answers: Vec<(Reply, Answer)>,
}

/// What other nodes have stored.
pub(crate) struct MissedChanges {
    /// The next changes after the head.
    pub(crate) published: Vec<Change>,
    /// The version to reach. What is not published is read from the log.
    pub(crate) up_to: Version,
    /// Whether the database may have lost the head.
    pub(crate) must_verify: bool,
}
