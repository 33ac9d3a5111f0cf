//! What settings are made from, taken from the process or put together by a test.

use std::{collections::BTreeMap, env, path::PathBuf};

use super::{Fault, SettingsError};

/// Variables that set something without having our prefix, and what they set.
pub(super) const WELL_KNOWN: [(&str, &str); 5] = [
    ("PORT", "server.port"),
    ("DATABASE_URL", "store.url"),
    ("REDIS_URL", "redis.url"),
    ("JWT_SECRET", "auth.secret"),
    ("RUST_LOG", "telemetry.filter"),
];

/// The variable that picks a file in `config/`.
pub(super) const ENVIRONMENT_NAME: &str = "COSCRIBE_ENV";

/// What all other variables of ours begin with.
pub(super) const PREFIX: &str = "COSCRIBE__";

/// What was said on the command line, which goes before everything else.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--data-dir`: `server.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `--host`: `server.host`.
    pub host: Option<String>,
    /// `--port`: `server.port`.
    pub port: Option<u16>,
}

/// Everything that settings are made from, besides `base.toml`.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The environment; variables that mean nothing to us may be among them.
    pub environment: BTreeMap<String, String>,
    /// `--config`: a file whose settings go before those of the other files.
    pub config_file: Option<PathBuf>,
    /// The rest of the command line.
    pub flags: Flags,
    /// Where `config/` stands and relative files begin.
    pub working_dir: PathBuf,
}

impl Sources {
    /// The environment and working directory of this process, and what was said on the command line.
    ///
    /// # Errors
    /// A variable that is meant for us is not UTF-8.
    pub fn of_process(config_file: Option<PathBuf>, flags: Flags) -> Result<Self, SettingsError> {
        let mut sources = Self { config_file, flags, ..Self::default() };
        let mut faults = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(sources.environment.insert(name, value)),
                Err(_bytes) if is_ours(&name) => {
                    faults.push(Fault::new(name, "its value is not UTF-8 text. Set it anew."));
                }
                Err(_bytes) => {}
            }
        }
        if faults.is_empty() { Ok(sources) } else { Err(SettingsError { faults }) }
    }

    /// The same, with the variable `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The value of a variable; one that is set to nothing counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        || name == ENVIRONMENT_NAME
        || WELL_KNOWN.iter().any(|(known, _)| *known == name)
}
