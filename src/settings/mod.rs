//! What can be set, where from, and what cannot be.
//!
//! Every part declares its options; here they are gathered from `config/base.toml` (compiled in, every key
//! explained), a file for the environment, a file named on the command line, the environment and flags, in that
//! order. This is the only part that reads the process's environment.
//!
//! Invariants: a [`Settings`] that exists has been checked, combinations too; what is wrong is told all at once, by
//! name, with what to do; no default stands anywhere but in `base.toml`; no secret is shown.

mod fault;
mod layers;
mod load;
mod rules;
#[cfg(test)]
mod rules_tests;
mod sources;
#[cfg(test)]
mod tests;

pub use fault::{Fault, SettingsError};
pub use load::Settings;
pub use sources::{Flags, Sources};
