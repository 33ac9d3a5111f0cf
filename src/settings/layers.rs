//! The sources one after the other, taken apart into single settings.
//!
//! Files are TOML tables and variables are text; from here on all are entries: a full key, a value, and where
//! it came from. What cannot be read is a fault and leaves the other sources to be looked at.

use std::{collections::BTreeMap, fs, path::Path};

use config::{File, FileFormat, Source, Value, ValueKind};

use super::{
    Fault, Flags, Sources,
    sources::{ENVIRONMENT_NAME, PREFIX, WELL_KNOWN},
};

/// The defaults.
pub(super) const BASE: &str = include_str!("../../config/base.toml");

/// One setting as one source has it.
pub(super) struct SettingEntry {
    /// Its full key.
    pub(super) key: String,
    /// Its value, not judged yet.
    pub(super) value: Value,
    /// The file, variable or flag.
    pub(super) origin: String,
}

impl SettingEntry {
    fn new(key: impl Into<String>, value: impl Into<Value>, origin: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), origin: origin.into() }
    }
}

/// The defaults by key: what can be set at all, and of which kind it is.
pub(super) fn defaults() -> BTreeMap<String, Value> {
    let entries = parse(BASE, "config/base.toml").expect("a test reads the same text");
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// The settings of all sources, later ones last, and what could not be read.
pub(super) fn read(sources: &Sources) -> (Vec<SettingEntry>, Vec<Fault>) {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let mut take = |layer: Result<Vec<SettingEntry>, Fault>| match layer {
        Ok(layer) => entries.extend(layer),
        Err(fault) => faults.push(fault),
    };
    if let Some(name) = sources.variable(ENVIRONMENT_NAME) {
        take(read_environment_file(&sources.working_dir, name));
    }
    if let Some(file) = &sources.config_file {
        let origin = file.display().to_string();
        take(
            read_file(&sources.working_dir.join(file), &origin)
                .map_err(|problem| Fault::new("--config", format!("{origin} {problem}"))),
        );
    }
    take(Ok(well_known(sources)));
    take(Ok(prefixed(sources)));
    take(flags(&sources.flags));
    (entries, faults)
}

/// `config/{name}.toml`. The name stays inside that folder.
fn read_environment_file(working_dir: &Path, name: &str) -> Result<Vec<SettingEntry>, Fault> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.chars().all(plain) {
        return Err(Fault::new(
            ENVIRONMENT_NAME,
            "names a file in config/, with letters, digits, - and _ only; as in: production.",
        ));
    }
    let origin = format!("config/{name}.toml");
    read_file(&working_dir.join(&origin), &origin)
        .map_err(|problem| Fault::new(ENVIRONMENT_NAME, format!("{origin} {problem}")))
}

/// The settings in a file, or what is wrong with it.
fn read_file(path: &Path, origin: &str) -> Result<Vec<SettingEntry>, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot be read ({error}). Name a file that is there."))?;
    parse(&text, origin)
}

/// The settings in the text of a file, or what is wrong with it.
fn parse(text: &str, origin: &str) -> Result<Vec<SettingEntry>, String> {
    let table = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| format!("is not TOML: {}. Put that right.", in_one_line(&error)))?;
    let mut entries = Vec::new();
    for (key, value) in table {
        flatten(key, value, origin, &mut entries);
    }
    // Tables come in any order; faults should not.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(entries)
}

/// The place and the reason, without the line itself: it may hold a secret.
fn in_one_line(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let lines = text.lines().filter(|line| !line.contains('|')).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

/// A table becomes its members, named by the way to them.
fn flatten(key: String, value: Value, origin: &str, entries: &mut Vec<SettingEntry>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (name, member) in table {
                flatten(format!("{key}.{name}"), member, origin, entries);
            }
        }
        kind => entries.push(SettingEntry::new(key, kind, origin)),
    }
}

fn well_known(sources: &Sources) -> Vec<SettingEntry> {
    let set = |(name, key): (&'static str, &'static str)| {
        sources.variable(name).map(|value| SettingEntry::new(key, value, name))
    };
    WELL_KNOWN.into_iter().filter_map(set).collect()
}

/// `COSCRIBE__SECTION__KEY`. Set to nothing, it takes back what a file set.
fn prefixed(sources: &Sources) -> Vec<SettingEntry> {
    let ours = |(name, value): (&String, &String)| {
        let key = name.strip_prefix(PREFIX)?.replace("__", ".").to_ascii_lowercase();
        Some(SettingEntry::new(key, value.as_str(), name.as_str()))
    };
    sources.environment.iter().filter_map(ours).collect()
}

fn flags(flags: &Flags) -> Result<Vec<SettingEntry>, Fault> {
    let mut entries = Vec::new();
    if let Some(path) = &flags.data_dir {
        let path = path
            .to_str()
            .ok_or_else(|| Fault::new("--data-dir", "is not UTF-8 text. Name another folder."))?;
        entries.push(SettingEntry::new("server.data_dir", path, "--data-dir"));
    }
    if let Some(host) = &flags.host {
        entries.push(SettingEntry::new("server.host", host.as_str(), "--host"));
    }
    if let Some(port) = flags.port {
        entries.push(SettingEntry::new("server.port", i64::from(port), "--port"));
    }
    Ok(entries)
}
