//! How events reach the outboxes of subscribers.
//!
//! [`audience`] renders an event once for all GraphQL subscribers who select the same, [`editors`] encodes it once for all Yjs
//! editors, and [`initial_sync`] the first answer to them. [`large_events`] renders large ones on other threads. [`progress`] says how far a subscriber's changes have been delivered, for both.
//!
//! Invariant: each subscriber is sent the changes in the order of versions, without a hole.

pub(super) mod audience;
pub(super) mod confirmation;
pub(super) mod editors;
pub(super) mod initial_sync;
pub(super) mod large_events;
pub(super) mod progress;
pub(super) mod render;
