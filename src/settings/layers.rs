//! The sources in order of precedence, split into single settings.
//!
//! Files contain TOML tables, and variables contain text. Both become entries: a full key, a value and its source. A
//! source that cannot be read is a fault; the others are still read, so that all mistakes are reported together.

use std::{collections::BTreeMap, fs, path::Path};

use config::{File, FileFormat, Source, Value, ValueKind};

use super::{
    Fault, Flags, Sources,
    sources::{ENVIRONMENT_NAME, PREFIX, WELL_KNOWN},
};

/// The file with the defaults.
pub(super) const BASE: &str = include_str!("../../config/base.toml");

/// The other files of `config/`, by the name of their environment. A file in the working directory overrides them.
const ENVIRONMENTS: [(&str, &str); 2] = [
    ("local", include_str!("../../config/local.toml")),
    ("production", include_str!("../../config/production.toml")),
];

/// One setting in one source.
pub(super) struct SettingEntry {
    /// The full key.
    pub(super) key: String,
    /// The value, not checked yet.
    pub(super) value: Value,
    /// The file, variable or flag.
    pub(super) origin: String,
}

impl SettingEntry {
    fn new(key: impl Into<String>, value: impl Into<Value>, origin: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), origin: origin.into() }
    }
}

/// Returns the defaults by key. They define which settings exist, and the kind of each.
pub(super) fn defaults() -> BTreeMap<String, Value> {
    let entries = parse(BASE, "config/base.toml").expect("a test parses the same text");
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// Reads all sources. Returns their settings, later sources last, and the faults.
pub(super) fn read(sources: &Sources) -> (Vec<SettingEntry>, Vec<Fault>) {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let mut take = |layer: Result<Vec<SettingEntry>, Fault>| match layer {
        Ok(layer) => entries.extend(layer),
        Err(fault) => faults.push(fault),
    };
    if sources.demo {
        // The password of the demo is public.
        take(Ok(vec![SettingEntry::new("server.host", "127.0.0.1", "--demo")]));
    }
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

/// Reads `config/{name}.toml`, from the working directory or else from the binary. The name must not lead out of that
/// folder.
fn read_environment_file(working_dir: &Path, name: &str) -> Result<Vec<SettingEntry>, Fault> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.chars().all(plain) {
        return Err(Fault::new(
            ENVIRONMENT_NAME,
            "must be the name of a file in config/, without .toml; use letters, digits, - and _ only, as in: production.",
        ));
    }
    let origin = format!("config/{name}.toml");
    let path = working_dir.join(&origin);
    let built_in = ENVIRONMENTS.iter().find(|(known, _)| *known == name);
    let entries = match built_in {
        Some((_, text)) if !path.exists() => parse(text, &origin),
        Some(_) | None => read_file(&path, &origin),
    };
    entries.map_err(|problem| Fault::new(ENVIRONMENT_NAME, format!("{origin} {problem}")))
}

/// Returns the settings in a file, or what is wrong with the file.
fn read_file(path: &Path, origin: &str) -> Result<Vec<SettingEntry>, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot be read ({error}). Give the path of a readable file."))?;
    parse(&text, origin)
}

/// Returns the settings in the text of a file, or what is wrong with the text.
fn parse(text: &str, origin: &str) -> Result<Vec<SettingEntry>, String> {
    let table = File::from_str(text, FileFormat::Toml).collect().map_err(|error| {
        format!("is not valid TOML: {}. Correct the file.", in_one_line(&error))
    })?;
    let mut entries = Vec::new();
    for (key, value) in table {
        flatten(key, value, origin, &mut entries);
    }
    // Tables have no order; faults should have one.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(entries)
}

/// Returns position and reason on one line, without the quoted line of the file: it may contain a secret.
fn in_one_line(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let lines = text.lines().filter(|line| !line.contains('|')).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

/// Adds a value, or the members of a table under their full keys.
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

/// Reads the variables `COSCRIBE__SECTION__KEY`. An empty one overrides the value of a file.
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
            .ok_or_else(|| Fault::new("--data-dir", "is not UTF-8 text. Choose another folder."))?;
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
