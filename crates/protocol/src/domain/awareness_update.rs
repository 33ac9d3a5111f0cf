//! Awareness of Yjs editors, as nodes exchange it.

use std::sync::Arc;

use super::{SessionId, UserId};

/// The new awareness state of one session's Yjs editor, which its node publishes to other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwarenessUpdate {
    /// The session.
    pub session: SessionId,
    /// The session's user.
    pub user: UserId,
    /// The editor's Yjs client id.
    pub client: u32,
    /// The awareness clock, larger than in all earlier updates of the client.
    pub clock: u32,
    /// The state as JSON, whose `user` the server has set. `None` if the editor has no state.
    pub state: Option<Arc<str>>,
}
