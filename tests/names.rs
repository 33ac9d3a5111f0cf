//! The naming rules that a text search can check.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use kit::rust_files;

/// Names that each module may use for itself.
const SHARED_NAMES: [&str; 2] = ["Error", "Result"];

/// The most files that may be named after an activity.
const MAX_GERUNDS: usize = 5;

#[test]
fn no_two_modules_declare_a_type_of_the_same_name() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (file, text) in sources() {
        for name in text.lines().filter_map(visible_type) {
            places.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    places.retain(|name, files| files.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    assert!(places.is_empty(), "these names are declared more than once: {places:#?}");
}

#[test]
fn files_are_named_after_what_they_hold() {
    let files = sources().into_iter().map(|(file, _)| file);
    let gerunds: Vec<_> = files.filter(|file| file.to_str().unwrap().ends_with("ing.rs")).collect();
    assert!(gerunds.len() <= MAX_GERUNDS, "name these files after what they hold: {gerunds:#?}");
}

#[test]
fn limits_are_constants_named_max_or_min() {
    let mut wrong = vec![];
    for (file, text) in sources() {
        for line in text.lines().map(str::trim_start) {
            let name = line.split_once("const ").and_then(|(_, rest)| rest.split_once(':'));
            let is_old = |name: &str| {
                name.split('_')
                    .any(|word| ["MOST", "LARGEST", "LONGEST", "SHORTEST"].contains(&word))
            };
            if let Some((name, _)) = name.filter(|(name, _)| is_old(name)) {
                wrong.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "name limits MAX_… or MIN_…: {wrong:#?}");
}

#[test]
fn a_visible_type_is_found_in_a_line_of_code() {
    assert_eq!(visible_type("pub struct Room {"), Some("Room"));
    assert_eq!(visible_type("pub(in crate::room) enum Effect {"), Some("Effect"));
    assert_eq!(visible_type("    pub(super) trait Render: Send {"), Some("Render"));
    assert_eq!(visible_type("struct Private;"), None);
    assert_eq!(visible_type("pub fn struct_of() {}"), None);
}

/// The name of the type that a line declares, if other modules can see it.
fn visible_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')')?.1,
        None => rest,
    };
    let (keyword, rest) = rest.trim_start().split_once(' ')?;
    if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
        return None;
    }
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

/// All source files of the workspace: their paths and their texts.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files_in = |folder: &'static str| {
        let files = rust_files(&root.join(folder)).into_iter();
        files.map(move |(file, text)| (Path::new(folder).join(file), text))
    };
    ["src", "crates"].into_iter().flat_map(files_in).collect()
}
