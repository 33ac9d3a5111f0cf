//! The parts of the node that resolvers use.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{HourlyAllowances, RequestAllowances};
use crate::{
    auth::{AddressLookUps, Passwords, SignIns, Tickets, Tokens},
    domain::Network,
    memory::MemoryAccount,
    metrics::Metrics,
    room::Rooms,
    roster::Roster,
    session::{AccountEnds, DocumentTokenEnds, Limits, SignInEnds, Throttle},
    store::{AcceptedAddress, Store},
};

/// Who may have a password here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAccountRules {
    /// Whether users may sign in with a password.
    pub may_sign_in: bool,
    /// Whether strangers may create accounts with a password.
    pub may_register: bool,
}

/// What guests without an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestRules {
    /// How long they may keep a document open.
    pub life: TimeDelta,
    /// The most that a link may admit at a time.
    pub per_link: i32,
}

/// The parts of the node that resolvers use.
pub struct Api {
    /// Accounts, documents and access.
    pub store: Store,
    /// The open documents.
    pub rooms: Rooms,
    /// The connected sessions and their presence.
    pub roster: Arc<dyn Roster>,
    /// Mints tokens.
    pub tokens: Tokens,
    /// Issues tickets.
    pub tickets: Tickets,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Limits failed attempts to sign in.
    pub sign_ins: SignIns,
    /// Limits new accounts of each network.
    pub registrations: Throttle<Option<Network>>,
    /// Limits how often users look up others by e-mail address.
    pub look_ups: AddressLookUps,
    /// Limits changes and cursor moves over HTTP.
    pub allowances: RequestAllowances,
    /// Who may sign in with a password.
    pub local_accounts: LocalAccountRules,
    /// Closes the sessions whose sign-ins have ended.
    pub sign_in_ends: SignInEnds,
    /// Deletes accounts.
    pub account_ends: AccountEnds,
    /// Ends document tokens.
    pub document_token_ends: DocumentTokenEnds,
    /// How long the end of a document token is remembered.
    pub document_tokens_kept_for: TimeDelta,
    /// How long the end of a sign-in is remembered at least.
    pub sign_ins_kept_for: TimeDelta,
    /// What guests without an account may do.
    pub guests: GuestRules,
    /// Which e-mail addresses name other users.
    pub addresses: AcceptedAddress,
    /// Whether requests without a token may read the schema.
    pub public_schema: bool,
    /// Limits grants per hour.
    pub hourly: HourlyAllowances,
    /// The memory of large answers.
    pub answers: MemoryAccount,
    /// The node's metrics.
    pub metrics: Metrics,
    /// The `[limits]` section of the settings.
    pub limits: Limits,
}
