//! From entries to checked settings.
//!
//! Each entry is judged by itself, as the only change to the defaults, so that one fault hides no other. What
//! passed is put together, and the rules look at the whole.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Value, ValueKind};
use serde::Deserialize;

use super::{
    Fault, SettingsError, Sources,
    layers::{self, SettingEntry},
    rules,
};
use crate::{
    auth::AuthOptions,
    http::ServerOptions,
    outbox::OutboxOptions,
    redis::RedisOptions,
    room::RoomOptions,
    roster::RosterOptions,
    session::{Limits, SessionOptions},
    store::StoreOptions,
    telemetry::TelemetryOptions,
};

/// All settings, checked: each by itself and all together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the node listens and keeps its files.
    pub server: ServerOptions,
    /// How sockets are kept alive.
    pub session: SessionOptions,
    /// How much of everything one client may have.
    pub limits: Limits,
    /// Tokens and passwords.
    pub auth: AuthOptions,
    /// Open documents.
    pub room: RoomOptions,
    /// Send buffers.
    pub outbox: OutboxOptions,
    /// The database.
    pub store: StoreOptions,
    /// Redis, if there is one.
    pub redis: RedisOptions,
    /// Who is connected.
    pub roster: RosterOptions,
    /// Logs.
    pub telemetry: TelemetryOptions,
}

impl Settings {
    /// The settings that the sources make, on top of the defaults.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let defaults = layers::defaults();
        let (entries, mut faults) = layers::read(sources);
        let mut effective = BTreeMap::new();
        for entry in entries {
            match defaults.get(&entry.key) {
                Some(_) => drop(effective.insert(entry.key.clone(), entry)),
                None => faults.push(unknown(&entry, &defaults)),
            }
        }
        let mut values = defaults.clone();
        let mut origins = BTreeMap::new();
        for (key, entry) in effective {
            match judge(&entry, &defaults) {
                Ok(value) => drop(values.insert(key.clone(), value)),
                Err(problem) => {
                    faults.push(Fault::new(key.as_str(), problem).set_in(&entry.origin));
                }
            }
            origins.insert(key, entry.origin);
        }
        let settings = assemble(&values, &defaults);
        for fault in settings.as_ref().map_or_else(|_| Vec::new(), rules::check) {
            // What cannot be read was replaced by its default, about which there is nothing to say.
            if faults.iter().all(|known| known.key != fault.key) {
                let origin = origins.get(&fault.key);
                faults.push(Fault { origin: origin.cloned(), ..fault });
            }
        }
        match settings {
            Ok(settings) if faults.is_empty() => Ok(settings),
            Ok(_) => Err(SettingsError { faults }),
            Err(error) => {
                faults.push(Fault::new("settings", format!("cannot be put together: {error}.")));
                Err(SettingsError { faults })
            }
        }
    }
}

/// The value of an entry in the kind that its key needs, or what is wrong with it.
fn judge(entry: &SettingEntry, defaults: &BTreeMap<String, Value>) -> Result<Value, String> {
    let default = &defaults[&entry.key];
    let value = convert(&entry.value.kind, &default.kind)
        .ok_or_else(|| format!("needs {}.", expected(&default.kind)))?;
    let mut values = defaults.clone();
    values.insert(entry.key.clone(), value.clone());
    match assemble(&values, defaults) {
        Ok(_) => Ok(value),
        Err(error) => Err(format!(
            "{}. Write it like the default, {}.",
            reason(&error, default),
            shown(default)
        )),
    }
}

/// The value in the kind of its default. Variables are always text; files have to get it right.
fn convert(value: &ValueKind, default: &ValueKind) -> Option<Value> {
    let text = |kind: &ValueKind| match kind {
        ValueKind::String(text) => Some(text.clone()),
        _ => None,
    };
    match (default, value) {
        (ValueKind::I64(_), ValueKind::I64(number)) if *number >= 0 => Some((*number).into()),
        (ValueKind::I64(_), ValueKind::String(digits)) => {
            let number = digits.trim().replace('_', "").parse::<i64>().ok()?;
            (number >= 0).then(|| number.into())
        }
        (ValueKind::Boolean(_), ValueKind::Boolean(choice)) => Some((*choice).into()),
        (ValueKind::Boolean(_), ValueKind::String(word)) => {
            word.trim().parse::<bool>().ok().map(Into::into)
        }
        (ValueKind::String(_), ValueKind::String(text)) => Some(text.as_str().into()),
        (ValueKind::Array(_), ValueKind::Array(items)) => {
            items.iter().map(|item| text(&item.kind)).collect::<Option<Vec<_>>>().map(Into::into)
        }
        (ValueKind::Array(_), ValueKind::String(list)) => {
            let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(items.map(str::to_owned).collect::<Vec<_>>().into())
        }
        _ => None,
    }
}

fn expected(default: &ValueKind) -> &'static str {
    match default {
        ValueKind::I64(_) => "a whole number from 0 on",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::Array(_) => "a list of texts, as in [\"one\", \"two\"]",
        _ => "text, in quotes",
    }
}

/// A default as a file would have it.
fn shown(default: &Value) -> String {
    match &default.kind {
        ValueKind::String(text) => format!("{text:?}"),
        _ => default.to_string(),
    }
}

/// What the innermost error says.
fn reason(error: &ConfigError, default: &Value) -> String {
    match (error, &default.kind) {
        // Kind and sign have been seen to, so it is the size; the library would speak of bits.
        (_, ValueKind::I64(_)) => "is too large".to_owned(),
        (ConfigError::At { error, .. }, _) => reason(error, default),
        (other, _) => other.to_string(),
    }
}

/// Settings of these values, not checked against each other.
fn assemble(
    values: &BTreeMap<String, Value>,
    defaults: &BTreeMap<String, Value>,
) -> Result<Settings, ConfigError> {
    let empty = |value: &Value| matches!(&value.kind, ValueKind::String(text) if text.is_empty());
    let mut builder = Config::builder();
    for (key, value) in values {
        // Where the default is no text, no text means: not set.
        if !(empty(value) && empty(&defaults[key])) {
            builder = builder.set_override(key, value.clone())?;
        }
    }
    builder.build()?.try_deserialize()
}

/// A setting that does not exist, and those it may have been meant to be.
fn unknown(entry: &SettingEntry, defaults: &BTreeMap<String, Value>) -> Fault {
    let section = entry.key.split('.').next().unwrap_or_default();
    let there = defaults.keys().filter_map(|key| key.split_once('.'));
    let keys: Vec<_> =
        there.clone().filter(|(name, _)| *name == section).map(|(_, key)| key).collect();
    let problem = if keys.is_empty() {
        let mut sections: Vec<_> = there.map(|(name, _)| name).collect();
        sections.dedup();
        format!("there is no such setting. The sections are: {}.", sections.join(", "))
    } else {
        format!("there is no such setting. The section {section} has: {}.", keys.join(", "))
    };
    Fault::new(entry.key.as_str(), problem).set_in(&entry.origin)
}
