//! Checks of an operation before it runs: its size after fragments are expanded, the variables that it uses, and the root
//! field of a subscription. Also the nulls that a response needs afterwards.

pub(super) mod expansion;
mod inputs;
pub(super) mod nulls;
pub(super) mod refusal;
pub(super) mod reuse;
pub(super) mod root_field;
pub(super) mod variable_uses;
