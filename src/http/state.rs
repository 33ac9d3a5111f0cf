//! The application state of the HTTP server.

use std::sync::Arc;

use actix_web::web::Bytes;

use super::{BodyLimits, DrainFlag, Origins, Paced, RefusalLog, RequestsInFlight, TrustedProxies};
use crate::{
    domain::{Network, UserId},
    graphql::Engine,
    log_pace::LogPace,
    memory::MemoryAccount,
    metrics::Metrics,
    outbox::OutboxTotals,
    room::Rooms,
    roster::Roster,
    session::{Identity, SessionParts, Throttle, WaitingThrottle},
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
    /// Limits the requests without a valid token of each network, by what they cost.
    pub anonymous_throttle: Throttle<Network>,
    /// Limits the upgrades without a token of each network.
    pub upgrade_throttle: WaitingThrottle<Network>,
    /// Limits the health checks and the requests for the metrics of each network.
    pub check_throttle: Throttle<Network>,
    /// The proxies that tell the address of their clients.
    pub proxies: Arc<TrustedProxies>,
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
    /// The metrics page; `None` if it cannot be rendered.
    pub metrics_page: Paced<Option<Bytes>>,
    /// Whether the database responds and accepts writes, or else the reason that `/readyz` states.
    pub database_check: Paced<Result<(), &'static str>>,
    /// The web origins that may use the API.
    pub origins: Origins,
    /// Whether the node is stopping.
    pub draining: DrainFlag,
    /// Logs refused upgrades.
    pub refusals: RefusalLog,
    /// The pace of the log of requests without a valid token.
    pub stranger_requests: LogPace,
    /// Returns how many log lines were dropped.
    pub dropped_log_lines: fn() -> u64,
    /// Counts the requests of each user that are not answered yet.
    pub in_flight: RequestsInFlight,
    /// The memory of large messages and bodies.
    pub memory: MemoryAccount,
    /// The limits of request bodies.
    pub bodies: BodyLimits,
    /// The document and the users of the demo as JSON, for the demo page. `None` without `--demo`.
    pub demo: Option<Bytes>,
}
