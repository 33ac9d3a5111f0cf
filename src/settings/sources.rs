//! The sources of settings: those of the process, or those that a test makes.

use std::{collections::BTreeMap, env, path::PathBuf};

use super::{Fault, SettingsError};

/// Variables without our prefix, and the settings that they set.
pub(super) const WELL_KNOWN: [(&str, &str); 5] = [
    ("PORT", "server.port"),
    ("DATABASE_URL", "store.url"),
    ("REDIS_URL", "redis.url"),
    ("JWT_SECRET", "auth.secret"),
    ("RUST_LOG", "telemetry.filter"),
];

/// The variable that names a file in `config/`.
pub(super) const ENVIRONMENT_NAME: &str = "COSCRIBE_ENV";

/// The prefix of all our other variables.
pub(super) const PREFIX: &str = "COSCRIBE__";

/// The settings on the command line. They override all others.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--data-dir`: `server.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `--host`: `server.host`.
    pub host: Option<String>,
    /// `--port`: `server.port`.
    pub port: Option<u16>,
}

/// The sources of settings besides `base.toml`.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The environment variables, including those of other programs.
    pub environment: BTreeMap<String, String>,
    /// `--config`: a file that overrides the other files.
    pub config_file: Option<PathBuf>,
    /// The other flags.
    pub flags: Flags,
    /// `--demo`: the server accepts connections from this machine only, unless another source sets `server.host`.
    pub demo: bool,
    /// The folder with `config/`, and the base of relative paths.
    pub working_dir: PathBuf,
}

impl Sources {
    /// Reads the environment of this process; the working directory is the base of relative paths.
    ///
    /// # Errors
    /// A variable of ours is not UTF-8.
    pub fn of_process(config_file: Option<PathBuf>, flags: Flags) -> Result<Self, SettingsError> {
        let mut sources = Self { config_file, flags, ..Self::default() };
        let mut faults = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(sources.environment.insert(name, value)),
                Err(_bytes) if is_ours(&name) => {
                    faults.push(Fault::new(
                        name,
                        "the value is not UTF-8 text. Set it to UTF-8 text.",
                    ));
                }
                Err(_bytes) => {}
            }
        }
        if faults.is_empty() { Ok(sources) } else { Err(SettingsError { faults }) }
    }

    /// Sets the variable `name` to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Returns the value of a variable. An empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        || name == ENVIRONMENT_NAME
        || WELL_KNOWN.iter().any(|(known, _)| *known == name)
}
