//! What a Yjs editor says of itself.

use std::sync::Arc;

use super::{SessionId, UserId};

/// A session's awareness, as its node tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwarenessUpdate {
    /// The session.
    pub session: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// The id under which the editor writes.
    pub client: u32,
    /// Larger than in what it said before.
    pub clock: u32,
    /// What it says, as JSON, with who it is as the server knows it; none when it says nothing of itself.
    pub state: Option<Arc<str>>,
}
