//! The interface between rooms and the relay.
//!
//! Rooms call [`Bridge`]. The relay calls [`DeliverySink`], which the layer above implements.

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{
    domain::{AccessChange, DocumentId, UserId},
    wire::envelope::{Envelope, Sequence, SessionCall},
};

/// The relay to the other nodes.
#[async_trait]
pub trait Bridge: Send + Sync {
    /// Publishes `envelope` to every other node that has `document` open. Returns immediately.
    ///
    /// Delivery is at most once, and in call order per document. After a loss, the receiving nodes
    /// reconcile with the store.
    fn publish(&self, document: DocumentId, envelope: Envelope);

    /// Publishes a change of a user's access to every other node that has `document` open, and waits
    /// at most one second until all of them have applied it.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait. The change may have been published.
    async fn publish_access_change(&self, document: DocumentId, user: UserId, access: AccessChange);

    /// Subscribes this node to `document`, and waits until the subscription is active.
    ///
    /// If the relay is unavailable or does not respond in time, the method returns without an active
    /// subscription. The relay keeps trying, and once it is subscribed it delivers
    /// [`Envelope::Compare`] for the document or calls [`DeliverySink::relay_recovered`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait. The document stays attached.
    async fn attach(&self, document: DocumentId);

    /// Ends this node's subscription to `document`. Returns immediately.
    fn detach(&self, document: DocumentId);

    /// Sends a request to the sessions of all other nodes, if there may be other nodes. Returns immediately, with whether
    /// it was sent. Delivery is at most once.
    fn call_sessions(&self, call: SessionCall) -> bool;

    /// Returns the state of the relay.
    fn health(&self) -> Health;
}

/// The state of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Published envelopes are delivered.
    Healthy,
    /// Published envelopes are delivered, but late.
    Slow,
    /// Publishing fails, or the subscriber connection is down.
    Unavailable,
    /// Publishing succeeds, but nothing is delivered.
    Deaf,
}

/// An event that the relay delivers to this node.
#[derive(Debug)]
pub enum RelayEvent {
    /// Another node published an envelope, or a node removed a dead node's session from the roster.
    Envelope {
        /// The document.
        document: DocumentId,
        /// The envelope.
        envelope: Envelope,
        /// Present if the publisher waits until this node has applied the envelope.
        acknowledge: Option<Acknowledger>,
    },
    /// The roster numbered the arrival of one of this node's own sessions.
    PresenceCounted {
        /// The document.
        document: DocumentId,
        /// The number of the arrival among all arrivals and departures of the document.
        sequence: Sequence,
    },
}

/// Acknowledges an envelope. Send the value, or drop the sender, after applying the envelope.
pub type Acknowledger = oneshot::Sender<()>;

/// Receives the requests of other nodes to the sessions of this one.
pub trait SessionCallSink: Send + Sync {
    /// Takes a request. Must not block.
    fn receive(&self, call: SessionCall);
}

/// Receives the events of the relay.
pub trait DeliverySink: Send + Sync {
    /// Takes an event. Must not block, because it would delay the events of all documents. A sink that
    /// has no capacity for the event reconciles the document with the store later.
    fn deliver(&self, event: RelayEvent);

    /// Called when a new connection has subscribed to all attached documents. Earlier envelopes may
    /// have been lost, so the sink reconciles all open documents with the store.
    fn relay_recovered(&self);
}
