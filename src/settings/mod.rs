//! Reads the settings from their sources and checks them.
//!
//! Each part declares its options. The values come from `config/base.toml` (compiled in, with a comment for every key),
//! a file for the environment, a file given on the command line, environment variables and flags; later sources
//! override earlier ones. No other part reads the environment of the process.
//!
//! Invariants: a [`Settings`] value has been checked, including combinations of settings; all mistakes are reported at
//! once, each with the setting, the problem and what to do; defaults exist in `base.toml` only; no secret is shown.

mod fault;
mod fault_list;
mod issuer_rules;
mod layers;
mod limit_rules;
mod load;
mod rules;
#[cfg(test)]
mod rules_tests;
mod sources;
mod templates;
#[cfg(test)]
mod tests;

pub use fault::{Fault, SettingsError};
pub use load::Settings;
pub use sources::{Flags, Sources};
