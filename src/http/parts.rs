//! What handlers work with.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::Origins;
use crate::{
    domain::UserId,
    graphql::Engine,
    metrics::Metrics,
    outbox::OutboxTotals,
    room::Rooms,
    roster::Roster,
    session::{Identity, SessionParts, Throttle},
    store::Store,
    yjs::EditorParts,
};

/// The parts of the node that requests are answered with.
pub struct HttpParts {
    /// Runs operations.
    pub engine: Engine,
    /// Who is who.
    pub identity: Identity,
    /// Who is connected.
    pub roster: Arc<dyn Roster>,
    /// Asked how the relay to other nodes does.
    pub rooms: Rooms,
    /// How often a user may run an operation.
    pub throttle: Arc<Throttle<UserId>>,
    /// How often an address may send requests without a token.
    pub strangers: Throttle<IpAddr>,
    /// What conversations with editors are built from.
    pub editors: Arc<EditorParts>,
    /// What sessions are built from.
    pub session: Arc<SessionParts>,
    /// Asked whether it can be reached.
    pub store: Store,
    /// The meters.
    pub metrics: Metrics,
    /// What waits in all outboxes together.
    pub totals: Arc<OutboxTotals>,
    /// Which pages may use the API.
    pub origins: Origins,
    /// Whether the node is going down.
    pub draining: Draining,
    /// What the body of a request may be.
    pub bodies: BodyLimits,
}

/// What the body of a request may be.
pub struct BodyLimits {
    /// Its size, in bytes.
    pub largest: usize,
    /// Its size if it comes without a token, in bytes.
    pub of_strangers: usize,
    /// How long it may take to arrive.
    pub within: Duration,
}

/// Whether the node is going down. Once it is, it stays so.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// The node is going down.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
