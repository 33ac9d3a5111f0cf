//! The application state of the HTTP server.

use std::{net::IpAddr, sync::Arc};

use super::{BodyLimits, DrainFlag, Origins, RefusalLog};
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

/// The parts of the node that HTTP handlers use.
pub struct HttpState {
    /// Runs GraphQL operations.
    pub engine: Engine,
    /// Verifies tokens.
    pub identity: Identity,
    /// Looks up the session named in `X-Session-Id`, and reports its own health.
    pub roster: Arc<dyn Roster>,
    /// Reports the health of the relay.
    pub rooms: Rooms,
    /// Limits the operations of each user.
    pub throttle: Arc<Throttle<UserId>>,
    /// Limits the requests without a token of each address.
    pub anonymous_throttle: Throttle<IpAddr>,
    /// The parts of conversations with Yjs editors.
    pub editors: Arc<EditorParts>,
    /// The parts of sessions.
    pub session: Arc<SessionParts>,
    /// Reports the health of the database.
    pub store: Store,
    /// The node's metrics.
    pub metrics: Metrics,
    /// The bytes queued in all outboxes.
    pub totals: Arc<OutboxTotals>,
    /// The web origins that may use the API.
    pub origins: Origins,
    /// Whether the node is stopping.
    pub draining: DrainFlag,
    /// Logs refused upgrades.
    pub refusals: RefusalLog,
    /// Returns how many log lines were dropped.
    pub dropped_log_lines: fn() -> u64,
    /// The limits of request bodies.
    pub bodies: BodyLimits,
}
