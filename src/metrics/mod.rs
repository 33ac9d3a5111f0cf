//! Every meter of a node, and the words to move them with.
//!
//! Parts hold a clone of [`Metrics`] and say what happened; which meters that moves is decided here. Meters are
//! declared once, in `meters.rs`, in a registry of their own that the HTTP layer shares for its request
//! meters and that the metrics page prints. Labels are bounded: never a document or a user.
//!
//! What is counted on every delivery is resolved beforehand, so that counting is one atomic addition. Gauges
//! that follow the life of something are moved by a guard, [`GaugeGuard`], so they cannot drift.

mod cluster;
mod counted;
mod family;
mod labels;
mod meters;
mod verbs;

pub use counted::GaugeGuard;
pub use labels::{AccessOutcome, ActorKind, BehindCause, OperationKind, OperationOutcome};
pub use meters::Metrics;
