//! What is wrong with the settings, in words for whoever has to put it right.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting, by its full name; or the variable, file or flag, where it is not one setting.
    pub key: String,
    /// Where the value came from, if not from the defaults.
    pub origin: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl Fault {
    /// Something wrong with `key`.
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, problem: problem.into() }
    }

    /// The same, and where it came from.
    pub(super) fn set_in(self, origin: &str) -> Self {
        Self { origin: Some(origin.to_owned()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{} ({origin}): {}", self.key, self.problem),
            None => write!(f, "{}: {}", self.key, self.problem),
        }
    }
}

/// Everything that is wrong with the settings; there is at least one fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SettingsError {
    /// The faults, in the order in which they were found.
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
