//! Checks of an operation before it runs: its size once fragments are expanded, its root fields, its nulls.

pub(super) mod expansion;
pub(super) mod nulls;
pub(super) mod root_field;
