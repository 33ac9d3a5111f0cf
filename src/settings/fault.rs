//! What is wrong with the settings, for the operator who corrects it.

use std::fmt;

use thiserror::Error;

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The full name of the setting, or the variable, file or flag if the mistake is not about one setting.
    pub key: String,
    /// The source of the value, unless it is the default.
    pub origin: Option<String>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Fault {
    /// Creates a fault about `key`.
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, problem: problem.into() }
    }

    /// Adds the source of the value.
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

/// All mistakes in the settings; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SettingsError {
    /// The faults, in the order in which they were found.
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are invalid:")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
