//! The documentation agrees with the code: the tables of codes, settings, metrics and actors, and every link and path.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a page that cannot be read is a failure of the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use coscribe::{
    metrics::Metrics,
    wire::{CloseReason, ErrorCode},
};

/// The folders whose paths the pages name from the root of the repository.
const FOLDERS: [&str; 14] = [
    "src/",
    "tests/",
    "crates/",
    "docs/",
    "config/",
    "costs/",
    "scripts/",
    "bench/",
    "benches/",
    "deploy/",
    "entity/",
    "fuzz/",
    "migration/",
    "web/",
];

/// The metrics of HTTP requests, which a library registers.
const REQUEST_METRICS: [&str; 2] =
    ["coscribe_http_requests_total", "coscribe_http_requests_duration_seconds"];

#[test]
fn the_table_of_close_codes_agrees_with_the_code() {
    let rows = table("docs/PROTOCOL.md", "Close codes");
    let mut by_label: BTreeMap<_, _> =
        rows.iter().map(|row| (row[1].trim_matches('`'), row)).collect();
    for reason in CloseReason::all() {
        let label = reason.label();
        let row = by_label.remove(label).unwrap_or_else(|| panic!("{label} has no row"));
        assert_eq!(row[0], reason.code().to_string(), "the code of {label}");
        // The text of a bad message depends on the message.
        if !matches!(reason, CloseReason::BadMessage(_)) {
            assert_eq!(row[2], reason.text(), "the text of {label}");
        }
        let reconnect = if reason.may_retry() { "yes" } else { "no" };
        assert_eq!(row[4], reconnect, "whether clients may reconnect after {label}");
    }
    assert!(by_label.is_empty(), "rows without a close reason: {:?}", by_label.keys());
}

#[test]
fn the_table_of_error_codes_agrees_with_the_code() {
    let codes = [
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::BadUserInput,
        ErrorCode::Conflict,
        ErrorCode::RateLimited,
        ErrorCode::QuotaExceeded,
        ErrorCode::Unavailable,
        ErrorCode::PersistedQueryNotSupported,
        ErrorCode::Unknown,
        ErrorCode::Internal,
    ];
    let codes: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let rows = table("docs/PROTOCOL.md", "Error codes");
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), codes);
}

#[test]
fn the_readme_lists_settings_with_their_defaults() {
    let settings = settings();
    let rows = table("README.md", "Settings");
    assert!(rows.len() > 10, "the table of settings is complete");
    for row in rows {
        let key = row[0].trim_matches('`');
        let default = settings.get(key).unwrap_or_else(|| panic!("there is no setting {key}"));
        assert_eq!(row[1].trim_matches('`'), default, "the default of {key}");
    }
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let settings = settings();
    let sections: BTreeSet<_> = settings.keys().filter_map(|key| key.split('.').next()).collect();
    for page in pages() {
        for span in code_spans(&prose(&read(&page))) {
            let is_setting = span.split_once('.').is_some_and(|(section, key)| {
                let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                sections.contains(section) && plain && key != "rs"
            });
            assert!(!is_setting || settings.contains_key(&span), "{}: {span}", page.display());
        }
    }
}

#[test]
fn the_table_of_metrics_agrees_with_the_code() {
    let metrics = Metrics::new();
    // A metric whose label values are created by use appears with the first one.
    metrics.session_closed("gone");
    let page = metrics.render().unwrap();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let declared: BTreeMap<_, _> = types.collect();

    let mut documented = BTreeSet::new();
    for row in table("docs/OPERATIONS.md", "Metrics") {
        for name in code_spans(&row[0]) {
            let kind = declared.get(name.as_str());
            let is_foreign =
                REQUEST_METRICS.contains(&name.as_str()) || name.starts_with("process_");
            assert!(kind.is_some() || is_foreign, "there is no metric {name}");
            if let (Some(kind), false) = (kind, is_foreign) {
                assert_eq!(row[1], *kind, "the type of {name}");
            }
            assert!(documented.insert(name.clone()), "{name} has two rows");
        }
    }
    let missing: Vec<_> = declared.keys().filter(|name| !documented.contains(**name)).collect();
    assert!(missing.is_empty(), "metrics without a row: {missing:?}");
}

#[test]
fn the_table_of_actors_names_every_message() {
    let page = "docs/ARCHITECTURE.md";
    let columns = header(page, "Actors");
    let messages = columns.iter().position(|column| column == "messages");
    let messages = messages.unwrap_or_else(|| panic!("{page}: the table has no column messages"));
    let documented: BTreeMap<_, BTreeSet<_>> = table(page, "Actors")
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), message_names(&row[messages])))
        .collect();
    for (actor, handler) in [("Room", "Take"), ("Session", "Handler"), ("Relay", "Handler")] {
        let row = documented.get(actor).unwrap_or_else(|| panic!("{actor} has no row"));
        assert_eq!(*row, handled_messages(actor, handler), "the messages of {actor}");
    }
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = vec![];
    for page in pages().into_iter().filter(|page| page != Path::new("CHANGELOG.md")) {
        for span in code_spans(&prose(&read(&page))) {
            let paths = span.split_whitespace().filter(|word| is_path(word));
            missing.extend(
                paths
                    .filter(|path| !root().join(path).exists())
                    .map(|path| format!("{}: {path}", page.display())),
            );
        }
    }
    assert!(missing.is_empty(), "these paths do not exist: {missing:#?}");
}

#[test]
fn paths_and_handlers_are_recognized() {
    assert!(is_path("src/app/node.rs") && is_path("docs/") && is_path("tests/docs.rs"));
    assert!(!is_path("src/…") && !is_path("src/*/options.rs") && !is_path("config/{name}.toml"));
    assert!(!is_path("/sync") && !is_path("target/release/coscribe"));
    let code = "impl Take<messages::Join> for Room {";
    assert_eq!(handled_message(code, "Room", "Take"), Some("Join"));
    assert_eq!(handled_message(code, "Session", "Take"), None);
    assert_eq!(handled_message("impl StreamHandler<In> for Relay {", "Relay", "Handler"), None);
    assert_eq!(message_names("frames; `Drain`, `EvictSession`").len(), 2);
}

#[test]
fn every_decision_record_is_listed() {
    let listed = read(Path::new("docs/adr/README.md"));
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        if page.starts_with("docs/adr") && name != "README.md" {
            assert!(listed.contains(&format!("({name})")), "{name} is not listed");
            let (number, _) = name.split_once('-').unwrap();
            let heading = format!("# {}. ", number.parse::<u32>().unwrap());
            assert!(read(&page).starts_with(&heading), "{name} begins with {heading:?}");
        }
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for page in pages() {
        for target in links(&prose(&read(&page))) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let file =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let from = page.display();
            assert!(root().join(&file).exists(), "{from}: {target} does not exist");
            if !anchor.is_empty() {
                let anchors = anchors(&prose(&read(&file)));
                assert!(anchors.contains(anchor), "{from}: {target} has no such heading");
            }
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page:?}: {error}"))
}

/// Returns every page, relative to the root.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/README.md"]
        .map(PathBuf::from)
        .into();
    for folder in ["docs", "docs/adr"] {
        let files = fs::read_dir(root().join(folder)).unwrap();
        let names = files.map(|file| Path::new(folder).join(file.unwrap().file_name()));
        pages.extend(names.filter(|name| name.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// Returns a page without its code blocks.
fn prose(page: &str) -> String {
    let mut in_code = false;
    let mut kept = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Returns the rows of the table under a heading, without the header.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (rows, line) = table_with_header(page, heading);
    rows[line + 1..].to_vec()
}

/// Returns the columns of the table under a heading.
fn header(page: &str, heading: &str) -> Vec<String> {
    let (rows, line) = table_with_header(page, heading);
    rows[line - 1].clone()
}

/// Returns all rows of the tables under a heading, up to the next heading, and the position of the line below the
/// header.
fn table_with_header(page: &str, heading: &str) -> (Vec<Vec<String>>, usize) {
    let text = prose(&read(Path::new(page)));
    let is_it = |line: &&str| line.trim_start_matches('#').trim() == heading;
    let section = text.lines().skip_while(|line| !is_it(line)).skip(1);
    let rows =
        section.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let cells = |row: &str| {
        row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let rows: Vec<_> = rows.map(cells).collect();
    let line = rows.iter().position(|row| row.iter().all(|cell| cell.starts_with("---")));
    (rows, line.unwrap_or_else(|| panic!("{page} has no table under {heading}")))
}

/// Returns the texts in backquotes.
fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the targets of links, inline and by reference.
fn links(text: &str) -> Vec<String> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let named = text.lines().filter(|line| line.starts_with('['));
    let named = named.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
    inline.chain(named).map(str::to_owned).collect()
}

/// Returns the anchors of the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(slug).collect()
}

/// Returns the keys of `config/base.toml` with their defaults, as written there.
fn settings() -> BTreeMap<String, String> {
    let text = read(Path::new("config/base.toml"));
    let (mut section, mut settings) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once(" = ")
            && !line.starts_with('#')
        {
            settings.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    settings
}

/// Returns whether a word is a path in the repository. Patterns are not paths.
fn is_path(word: &str) -> bool {
    let is_pattern = word.contains(['…', '*', '{']);
    !is_pattern && FOLDERS.iter().any(|folder| word.starts_with(folder))
}

/// Returns the names of messages in a cell: the texts in backquotes that begin with a capital letter.
fn message_names(cell: &str) -> BTreeSet<String> {
    let is_name = |span: &String| span.starts_with(|first: char| first.is_ascii_uppercase());
    code_spans(cell).into_iter().filter(is_name).collect()
}

/// Returns every message that `actor` handles, from its implementations of the trait `handler`.
fn handled_messages(actor: &str, handler: &str) -> BTreeSet<String> {
    let mut folders = vec![root().join("src")];
    let mut messages = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(path).unwrap_or_default();
                let found = text.lines().filter_map(|line| handled_message(line, actor, handler));
                messages.extend(found.map(str::to_owned));
            }
        }
    }
    assert!(!messages.is_empty(), "no message of {actor} was found in src");
    messages
}

/// Returns the message M if the line is `impl Handler<M> for Actor`.
fn handled_message<'a>(line: &'a str, actor: &str, handler: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix("impl ")?.strip_prefix(handler)?;
    let (message, rest) = rest.strip_prefix('<')?.split_once("> for ")?;
    let is_actor = rest.split(|letter: char| !letter.is_alphanumeric()).next() == Some(actor);
    is_actor.then(|| message.rsplit("::").next())?
}
