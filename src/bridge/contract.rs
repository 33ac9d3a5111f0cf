//! What rooms may ask of the relay.

use crate::domain::{AccessLevel, DocumentId, Event, Origin, UserId};

/// What one node tells the others.
#[derive(Debug, Clone)]
pub enum Envelope {
    /// Something happened in a document.
    Happened {
        /// The document.
        document: DocumentId,
        /// Who did it, for the echo rule on the other nodes.
        origin: Origin,
        /// What happened.
        event: Event,
    },
    /// A user's access was changed; none means revoked.
    AccessChanged {
        /// The document.
        document: DocumentId,
        /// The user whose access it is.
        user: UserId,
        /// What the user may do from now on.
        level: Option<AccessLevel>,
    },
}

/// The relay to other nodes. All calls are orders: they return at once and are carried out in the order given.
pub trait Bridge: Send + Sync {
    /// Tells every other node that has the document open.
    fn publish(&self, envelope: Envelope);

    /// From now on this node wants to hear of `document`.
    fn attach(&self, document: DocumentId);

    /// This node no longer wants to hear of `document`.
    fn detach(&self, document: DocumentId);
}
