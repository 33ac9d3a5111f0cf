//! Checks of an operation before it runs: its size after fragments are expanded, and the root field of a subscription.
//! Also the nulls that a response needs afterwards.

pub(super) mod expansion;
pub(super) mod nulls;
pub(super) mod refusal;
pub(super) mod root_field;
