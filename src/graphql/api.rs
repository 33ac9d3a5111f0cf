//! What resolvers work with.

use std::sync::Arc;

use crate::{
    auth::{Passwords, Tokens},
    domain::Email,
    metrics::Metrics,
    room::Rooms,
    roster::Roster,
    session::{Limits, Throttle},
    store::Store,
};

/// The parts of the node that the schema stands on.
pub struct Api {
    /// Accounts, documents, access.
    pub store: Store,
    /// Open documents.
    pub rooms: Rooms,
    /// Who is connected.
    pub roster: Arc<dyn Roster>,
    /// Makes tokens.
    pub tokens: Tokens,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// How often somebody may try to sign in with an address.
    pub sign_ins: Throttle<Email>,
    /// The meters.
    pub metrics: Metrics,
    /// The `[limits]` section.
    pub limits: Limits,
}
