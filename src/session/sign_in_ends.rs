//! The end of sign-ins reaches the sessions of all nodes.

use std::sync::Arc;

use super::Sessions;
use crate::{
    bridge::Bridge,
    domain::{EndedSignIns, KeptSession, SignInId, UserId},
    room::Rooms,
    store::StoreError,
    wire::envelope::SessionCall,
};

/// Closes the sessions whose sign-ins have ended, on every node.
///
/// A message to another node may be lost. Each node therefore also compares its sessions with the database from time to time.
#[derive(Clone)]
pub struct SignInEnds {
    sessions: Sessions,
    rooms: Rooms,
    bridge: Arc<dyn Bridge>,
}

impl SignInEnds {
    /// Closes the sessions of this node directly, and those of others over `bridge`.
    #[must_use]
    pub fn new(sessions: Sessions, rooms: Rooms, bridge: Arc<dyn Bridge>) -> Self {
        Self { sessions, rooms, bridge }
    }

    /// Closes the sessions of a user whose sign-ins have ended, which is stored already. The session `kept` of the user stays
    /// open: it belongs to a new sign-in. Returns immediately.
    pub fn announce(&self, user: UserId, ended: EndedSignIns, kept: Option<KeptSession>) {
        self.sessions.end_sign_ins(user, ended, kept);
        // It is found in the database where it does not arrive.
        let _sent = self.bridge.call_sessions(SessionCall::EndSignIns { user, ended, kept });
    }

    /// Ends the access that document tokens have given to a user: the token of this sign-in, or all. When this returns, it has
    /// ended on this node, and on every other node that acknowledged within a second.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_granted(
        &self,
        user: UserId,
        sign_in: Option<SignInId>,
    ) -> Result<(), StoreError> {
        self.rooms.end_token_entitlements(user, sign_in).await
    }
}
