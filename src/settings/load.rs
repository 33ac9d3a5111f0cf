//! Turns the entries of all sources into checked settings.
//!
//! Each entry is first checked alone, as the only change to the defaults, so that one fault does not hide another. The
//! valid entries are then combined, and `rules` checks them together.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Value, ValueKind};
use serde::Deserialize;

use super::{
    Fault, SettingsError, Sources,
    layers::{self, SettingEntry},
    rules,
    templates::Templates,
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

/// All settings, each checked alone and all checked together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Addresses, workers and files of the server.
    pub server: ServerOptions,
    /// Heartbeats and admission of sessions.
    pub session: SessionOptions,
    /// Limits for clients.
    pub limits: Limits,
    /// Tokens and passwords.
    pub auth: AuthOptions,
    /// Open documents.
    pub room: RoomOptions,
    /// Send buffers.
    pub outbox: OutboxOptions,
    /// The database.
    pub store: StoreOptions,
    /// Redis, if it is used.
    pub redis: RedisOptions,
    /// The list of connected sessions.
    pub roster: RosterOptions,
    /// Logs.
    pub telemetry: TelemetryOptions,
}

impl Settings {
    /// Loads the settings from the sources, on top of the defaults.
    ///
    /// # Errors
    /// All mistakes in the sources together.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let (mut defaults, templates) = Templates::split(layers::defaults());
        let (entries, mut faults) = layers::read(sources);
        templates.instantiate(&mut defaults, &entries);
        let mut effective = BTreeMap::new();
        for entry in entries {
            match defaults.get(&entry.key) {
                Some(_) => drop(effective.insert(entry.key.clone(), entry)),
                None => faults.push(unknown(&entry, &defaults, &templates)),
            }
        }
        let mut values = defaults.clone();
        let mut origins = BTreeMap::new();
        for (key, entry) in effective {
            match check_alone(&entry, &defaults) {
                Ok(value) => drop(values.insert(key.clone(), value)),
                Err(problem) => {
                    faults.push(Fault::new(key.as_str(), problem).set_in(&entry.origin));
                }
            }
            origins.insert(key, entry.origin);
        }
        let settings = assemble(&values, &defaults);
        for fault in settings.as_ref().map_or_else(|_| Vec::new(), rules::check) {
            // A setting with a fault still has its default here, so a second fault about it would mislead.
            if faults.iter().all(|known| known.key != fault.key) {
                let origin = origins.get(&fault.key);
                faults.push(Fault { origin: origin.cloned(), ..fault });
            }
        }
        match settings {
            Ok(settings) if faults.is_empty() => Ok(settings),
            Ok(_) => Err(SettingsError { faults }),
            Err(error) => {
                faults.push(Fault::new(
                    "settings",
                    format!("cannot be combined: {error}. Set fewer of them to find the cause."),
                ));
                Err(SettingsError { faults })
            }
        }
    }
}

/// Returns the value of an entry in the kind of its default, or what is wrong with it.
fn check_alone(entry: &SettingEntry, defaults: &BTreeMap<String, Value>) -> Result<Value, String> {
    let default = &defaults[&entry.key];
    let value = convert(&entry.value.kind, &default.kind)
        .ok_or_else(|| format!("has an invalid value. Set it to {}.", expected(&default.kind)))?;
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

/// Converts the value to the kind of its default. Variables are text and are parsed; files must have the right kind.
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
        ValueKind::I64(_) => "a whole number, 0 or more",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::Array(_) => "a list of texts, such as [\"one\", \"two\"]",
        _ => "a text in quotes",
    }
}

/// Formats a default as in a file.
fn shown(default: &Value) -> String {
    match &default.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        _ => default.to_string(),
    }
}

/// Returns the message of the innermost error.
fn reason(error: &ConfigError, default: &Value) -> String {
    match (error, &default.kind) {
        // Kind and sign were checked before, so the number is too large. The library's message would mention bits.
        (_, ValueKind::I64(_)) => "is too large".to_owned(),
        (ConfigError::At { error, .. }, _) => reason(error, default),
        (other, _) => other.to_string(),
    }
}

/// Builds settings from the values, without the rules.
fn assemble(
    values: &BTreeMap<String, Value>,
    defaults: &BTreeMap<String, Value>,
) -> Result<Settings, ConfigError> {
    let empty = |value: &Value| matches!(&value.kind, ValueKind::String(text) if text.is_empty());
    let mut builder = Config::builder();
    for (key, value) in values {
        // If the default is empty too, the setting is not set.
        if !(empty(value) && empty(&defaults[key])) {
            builder = builder.set_override(key, value.clone())?;
        }
    }
    builder.build()?.try_deserialize()
}

/// Returns the fault of a setting that does not exist, with the names that do.
fn unknown(
    entry: &SettingEntry,
    defaults: &BTreeMap<String, Value>,
    templates: &Templates,
) -> Fault {
    let section = entry.key.rsplit_once('.').map_or("", |(section, _)| section);
    let all = defaults.keys().map(String::as_str).chain(templates.keys());
    let there: Vec<_> = all.filter_map(|key| key.rsplit_once('.')).collect();
    let of_section = there.iter().filter(|(name, _)| *name == section);
    let keys: Vec<_> = of_section.map(|(_, key)| *key).collect();
    let problem = if keys.is_empty() {
        let mut sections: Vec<_> = there.iter().map(|(name, _)| *name).collect();
        sections.sort_unstable();
        sections.dedup();
        format!("does not exist. Use a key of one of the sections {}.", sections.join(", "))
    } else {
        format!("does not exist. The section {section} has these keys: {}.", keys.join(", "))
    };
    Fault::new(entry.key.as_str(), problem).set_in(&entry.origin)
}
