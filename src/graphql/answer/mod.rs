//! The answer of an operation: what it may cost while it is made, and how it is written.
//!
//! The complexity of an operation is known before it runs, but the lengths of its lists and texts are not. Therefore an
//! answer has a [`AnswerBudget`] of bytes and values, which is spent while resolvers run and ends an operation that would
//! become too large. A field that may be large is written as JSON once ([`Encoded`]), however often it is selected.

mod budget;
mod copies;
mod delta;
mod encoded;
mod json;
mod meter;
mod turns;

pub use budget::{AnswerBounds, AnswerRefused};
pub(super) use budget::{AnswerBudget, answer_budget};
pub use copies::CopiesTooLarge;
pub(super) use copies::{CopyAllowance, FirstTime, WrittenOnce};
pub(super) use delta::encode_delta;
pub(super) use encoded::Encoded;
pub(super) use json::encode_response;
pub(super) use meter::Metering;
pub(super) use turns::{in_turns, while_busy};
