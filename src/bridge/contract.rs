//! What rooms may ask of the relay, and what it asks of them.

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{
    domain::{AccessLevel, DocumentId, UserId},
    wire::envelope::{Envelope, Sequence},
};

/// The relay to other nodes.
#[async_trait]
pub trait Bridge: Send + Sync {
    /// Tells every other node that has the document open. Returns at once; what is told of one document arrives in the
    /// order of these calls, or not at all: then the others are told to compare.
    fn publish(&self, document: DocumentId, envelope: Envelope);

    /// Tells every other node that has the document open that a user's access changed, and waits until they have carried
    /// it out, for at most a second.
    async fn change_access(&self, document: DocumentId, user: UserId, level: Option<AccessLevel>);

    /// From now on this node wants to hear of `document`. When it returns nothing that is published is missed any more,
    /// unless the relay is away.
    async fn attach(&self, document: DocumentId);

    /// This node no longer wants to hear of `document`.
    fn detach(&self, document: DocumentId);

    /// How it does.
    fn health(&self) -> Health;
}

/// How the relay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// What is published arrives.
    Well,
    /// It cannot be reached: this node hears nothing of the others, and knows it.
    Away,
    /// It answers, but nothing comes through.
    Deaf,
}

/// What comes from other nodes.
#[derive(Debug)]
pub enum RelayEvent {
    /// Another node told this; or somebody left, whoever took him out of the roster.
    Told {
        /// Of which document.
        document: DocumentId,
        /// What.
        envelope: Envelope,
        /// The other node waits until it has been carried out.
        done: Option<Done>,
    },
    /// The arrival of one of this node's own sessions came back: it has this place among all.
    Counted {
        /// In which document.
        document: DocumentId,
        /// Its place.
        sequence: Sequence,
    },
}

/// To be sent, or dropped, when what was told has been carried out.
pub type Done = oneshot::Sender<()>;

/// Takes what comes in.
pub trait DeliverySink: Send + Sync {
    /// Takes it, at once: whoever relays does not wait. What cannot be taken has to be looked up later.
    fn deliver(&self, delivery: RelayEvent);

    /// The relay was away and is back: whatever was told meanwhile did not arrive.
    fn returned(&self);
}
