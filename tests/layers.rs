//! A module imports only from layers below its own.
//!
//! The test reads imports from the source text: every path that begins with `crate::`, in a `use` or inside a line.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use kit::rust_files;

/// The layers from the top down. Modules of one layer do not import from each other.
const LAYERS: [&[&str]; 14] = [
    &["main"],
    &["demo", "operator", "probe"],
    &["app"],
    &["settings"],
    &["telemetry"],
    &["http"],
    &["graphql", "yjs"],
    &["session"],
    &["room"],
    &["editing", "questions"],
    &["store", "auth", "bridge", "roster"],
    &[
        "redis",
        "outbox",
        "connection",
        "memory",
        "task",
        "fair_queue",
        "log_pace",
        "outgoing",
        "quota",
    ],
    &["wire"],
    &["domain"],
];

/// Every layer may use the first; the first uses only the second.
const BESIDE: (&str, &str) = ("metrics", "domain");

#[test]
fn a_module_imports_only_from_layers_below_its_own() {
    let mut wrong = vec![];
    for (file, text) in sources() {
        let module = module_of(&file);
        for imported in imports(&text) {
            if !may_import(&module, &imported) {
                wrong.push(format!("{} imports from {imported}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The layers inside `room` from the top down. A file of one layer imports only from itself and from those below.
const ROOM_LAYERS: [&[&str]; 11] = [
    &["access", "group_access", "relay", "subscription", "versions"],
    &["creation"],
    &["rooms"],
    &["editor_handle"],
    &["handle"],
    &["actor"],
    &["parts", "stale_documents"],
    &["missing_changes"],
    &["delivery"],
    &["awareness", "members"],
    &["error", "options", "sync_pace"],
];

#[test]
fn a_part_of_the_room_imports_only_from_parts_below_it() {
    let layer_of = |part: &str| ROOM_LAYERS.iter().position(|layer| layer.contains(&part));
    let files = sources().into_iter().filter(|(file, _)| file.starts_with("room"));
    let files: Vec<_> = files.filter(|(file, _)| !file.ends_with("room/mod.rs")).collect();
    let root = fs::read_to_string(source_folders()[0].join("room/mod.rs")).unwrap();
    let mut wrong = vec![];
    for (file, text) in &files {
        let part = room_part(file);
        let own = layer_of(&part).unwrap_or_else(|| panic!("name the layer of room/{part}"));
        for imported in room_imports(file, text) {
            let imported = reexported_from(&root, &imported).unwrap_or(imported);
            let is_below = layer_of(&imported).is_some_and(|layer| layer > own);
            if imported != part && !is_below {
                wrong.push(format!("{} imports from {imported}", file.display()));
            }
        }
    }
    assert!(files.len() > 20, "the files of room were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_layer() {
    for (file, _) in sources() {
        let module = module_of(&file);
        let has_layer = layer(&module).is_some() || module == BESIDE.0 || module == "lib";
        assert!(has_layer, "name the layer of {module} in this test and in lib.rs");
    }
}

#[test]
fn the_documentation_shows_these_layers() {
    let order: Vec<_> = LAYERS.iter().map(|layer| layer.join(" | ")).collect();
    let order = order.join(" > ");
    for page in ["src/lib.rs", "docs/ARCHITECTURE.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let shows = text.lines().any(|line| line.trim_start_matches("//! ") == order);
        assert!(shows, "{page} does not show: {order}");
    }
}

#[test]
fn only_the_store_sees_the_tables() {
    for (file, text) in sources() {
        let sees = without_comments(&text)
            .lines()
            .any(|line| ["entity::", "migration::"].iter().any(|name| has_path(line, name)));
        assert!(!sees || module_of(&file) == "store", "{} sees the tables", file.display());
    }
}

#[test]
fn imports_are_read_wherever_they_stand() {
    let text = "
        //! Not crate::http, this is a comment.
        use crate::{
            domain::{DocumentId, User}, // and neither is crate::app
            room,
            session::Limits,
        };
        use crate::store::{self, Store};
        pub(in crate::graphql) struct S(crate::wire::Frame);
        pub(crate) fn f() {}
    ";
    assert_eq!(imports(text), ["domain", "room", "session", "store", "graphql", "wire"]);
}

#[test]
fn a_layer_does_not_import_from_its_neighbours_or_from_above() {
    assert!(may_import("session", "room"));
    assert!(may_import("session", "session"));
    assert!(may_import("wire", "metrics"));
    assert!(may_import("metrics", "domain"));
    assert!(!may_import("room", "session"));
    assert!(!may_import("store", "auth"));
    assert!(!may_import("metrics", "wire"));
    assert!(!may_import("room", "somewhere"));
}

fn may_import(module: &str, imported: &str) -> bool {
    if module == imported {
        return true;
    }
    match (layer(module), layer(imported)) {
        (Some(own), Some(other)) => own < other,
        (Some(_), None) => imported == BESIDE.0,
        (None, Some(_)) => (module, imported) == BESIDE,
        (None, None) => false,
    }
}

/// The distance from the top layer.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that a text imports from, in order.
fn imports(text: &str) -> Vec<String> {
    let text = without_comments(text);
    text.split("crate::").skip(1).flat_map(first_names).collect()
}

/// `room/actor/room.rs` is of the part `actor`, `room/rooms.rs` of the part `rooms`.
fn room_part(file: &Path) -> String {
    let part = file.iter().nth(1).unwrap().to_str().unwrap();
    part.trim_end_matches(".rs").trim_end_matches("_tests").to_owned()
}

/// The names that a file of `room` imports from the root of `room`.
fn room_imports(file: &Path, text: &str) -> Vec<String> {
    let text = without_comments(text);
    let is_root_file = file.iter().count() == 2;
    let relative = if is_root_file { text.split("super::").skip(1).collect() } else { vec![] };
    let absolute = text.match_indices("room::").filter(|(index, _)| {
        let before = &text[..*index];
        before.ends_with("crate::") || before.ends_with([' ', '{', '(', '<', '&'])
    });
    let absolute = absolute.map(|(index, found)| &text[index + found.len()..]);
    absolute.chain(relative).flat_map(first_names).collect()
}

/// The part from which the root of `room` re-exports a name.
fn reexported_from(root: &str, name: &str) -> Option<String> {
    let exports = root.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let mut parts = exports.filter_map(|export| {
        let words = export.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.clone().any(|word| word == name).then(|| words.clone().next()).flatten()
    });
    parts.next().map(str::to_owned)
}

/// The names with which the paths after `crate::` begin: one, or in braces several.
fn first_names(rest: &str) -> Vec<String> {
    let Some(inside) = rest.strip_prefix('{') else { return vec![name_at_start(rest)] };
    let (mut depth, mut names, mut start) = (0, vec![], 0);
    for (index, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name_at_start(&inside[start..index]));
                start = index + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn name_at_start(path: &str) -> String {
    path.trim_start()
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

fn without_comments(text: &str) -> String {
    let code = |line| str::split_once(line, "//").map_or(line, |(code, _comment)| code);
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Whether a line uses a path that begins with `name`.
fn has_path(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(index, _)| {
        let before = line[..index].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':')
    })
}

/// The source folders of the server and of `protocol`, which it re-exports.
fn source_folders() -> [PathBuf; 2] {
    ["src", "crates/protocol/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
}

/// All source files: their paths inside their source folder, and their texts.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = source_folders().iter().flat_map(|root| rust_files(root)).collect();
    files.sort();
    files
}

/// `session/actor.rs` and `session.rs` are both of the module `session`.
fn module_of(file: &Path) -> String {
    let first = file.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}
