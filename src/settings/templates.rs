//! Sections of which there may be any number, each with a name that the operator chooses.
//!
//! `base.toml` has such a section once, as `[auth.issuers.NAME]`. It holds the defaults of every section of this kind.

use std::collections::BTreeMap;

use config::Value;

use super::layers::SettingEntry;

/// The part of a key that stands for the name.
const NAME: &str = ".NAME.";

/// The settings of sections that have names.
pub(super) struct Templates(BTreeMap<String, Value>);

impl Templates {
    /// Splits the defaults into those of settings that always exist, and templates.
    pub(super) fn split(defaults: BTreeMap<String, Value>) -> (BTreeMap<String, Value>, Self) {
        let (templates, fixed) = defaults.into_iter().partition(|(key, _)| key.contains(NAME));
        (fixed, Self(templates))
    }

    /// Adds the defaults of all sections that have a setting in `entries`.
    pub(super) fn instantiate(
        &self,
        defaults: &mut BTreeMap<String, Value>,
        entries: &[SettingEntry],
    ) {
        for template in self.0.keys() {
            let Some((section, last)) = template.split_once(NAME) else { continue };
            for name in entries.iter().filter_map(|entry| name_in(&entry.key, section, last)) {
                for (key, default) in &self.0 {
                    let Some((of, member)) = key.split_once(NAME) else { continue };
                    if of == section {
                        defaults.insert(format!("{section}.{name}.{member}"), default.clone());
                    }
                }
            }
        }
    }

    /// Returns the keys of the templates, with `NAME` for the name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Returns the name in a key if it is `section.name.last` and the name has letters, digits, `-` and `_` only.
fn name_in<'a>(key: &'a str, section: &str, last: &str) -> Option<&'a str> {
    let name =
        key.strip_prefix(section)?.strip_prefix('.')?.strip_suffix(last)?.strip_suffix('.')?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}
