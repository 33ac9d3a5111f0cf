//! The metrics of a node: what is measured, and the verbs that record it.
//!
//! Parts hold a clone of [`Metrics`] and call a verb when something happened (`metrics.session_closed(reason)`). Every
//! metric is one row of the table in `definitions.rs`. The registry belongs to the node; the HTTP layer adds the
//! metrics of its requests to it and prints all of them at `/metrics`.
//!
//! Labels come from enums and constants of our own, never from input: no document, no user. Metrics with a fixed label
//! are resolved when the node starts, so that recording one is a single atomic operation.
//!
//! Invariant: a gauge that follows the life of a value is moved by a [`GaugeGuard`] only, so it cannot drift.

mod cluster;
mod definitions;
mod family;
mod gauge_guard;
mod kinds;
mod labels;
mod recorder;

pub use gauge_guard::GaugeGuard;
pub use labels::{
    AccessOutcome, ActorKind, BehindCause, OperationKind, OperationOutcome, QuestionOutcome,
};
pub use recorder::Metrics;
