//! Whether the documentation says what the code does: the tables of codes, settings and metrics, and every link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a page that cannot be read has found what the test looks for"
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

/// The sections of the settings: what a name like `room.linger` begins with.
const SECTIONS: [&str; 8] =
    ["server", "session", "limits", "auth", "room", "outbox", "store", "telemetry"];

/// Meters that the library which counts requests declares by itself.
const OF_REQUESTS: [&str; 2] =
    ["coscribe_http_requests_total", "coscribe_http_requests_duration_seconds"];

#[test]
fn the_table_of_close_codes_is_that_of_the_code() {
    let rows = table("docs/PROTOCOL.md", "Close codes");
    let mut by_label: BTreeMap<_, _> =
        rows.iter().map(|row| (row[1].trim_matches('`'), row)).collect();
    for reason in CloseReason::all() {
        let label = reason.label();
        let row = by_label.remove(label).unwrap_or_else(|| panic!("{label} has no row"));
        assert_eq!(row[0], reason.code().to_string(), "the code of {label}");
        // What was wrong with a message differs from case to case.
        if !matches!(reason, CloseReason::BadMessage(_)) {
            assert_eq!(row[2], reason.text(), "the text of {label}");
        }
        let reconnect = if reason.may_retry() { "yes" } else { "no" };
        assert_eq!(row[4], reconnect, "whether clients may reconnect after {label}");
    }
    assert!(by_label.is_empty(), "rows without a close reason: {:?}", by_label.keys());
}

#[test]
fn the_table_of_error_codes_is_that_of_the_code() {
    let codes = [
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::BadUserInput,
        ErrorCode::Conflict,
        ErrorCode::RateLimited,
        ErrorCode::Unavailable,
        ErrorCode::Internal,
    ];
    let codes: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let rows = table("docs/PROTOCOL.md", "Error codes");
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), codes);
}

#[test]
fn the_readme_tells_settings_with_their_defaults() {
    let settings = settings();
    let rows = table("README.md", "Settings");
    assert!(rows.len() > 10, "the table of settings was found");
    for row in rows {
        let key = row[0].trim_matches('`');
        let default = settings.get(key).unwrap_or_else(|| panic!("there is no setting {key}"));
        assert_eq!(row[1].trim_matches('`'), default, "the default of {key}");
    }
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let settings = settings();
    for page in pages() {
        for span in code_spans(&prose(&read(&page))) {
            let is_setting = span.split_once('.').is_some_and(|(section, key)| {
                let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                SECTIONS.contains(&section) && plain && key != "rs"
            });
            assert!(!is_setting || settings.contains_key(&span), "{}: {span}", page.display());
        }
    }
}

#[test]
fn the_table_of_metrics_is_that_of_the_code() {
    let metrics = Metrics::new();
    // Families whose label has no fixed values show up with their first one.
    metrics.session_closed("gone");
    let page = metrics.render().unwrap();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let declared: BTreeMap<_, _> = types.collect();

    let mut told = BTreeSet::new();
    for row in table("docs/OPERATIONS.md", "Metrics") {
        for name in code_spans(&row[0]) {
            let kind = declared.get(name.as_str());
            let is_foreign = OF_REQUESTS.contains(&name.as_str()) || name.starts_with("process_");
            assert!(kind.is_some() || is_foreign, "there is no meter {name}");
            if let (Some(kind), false) = (kind, is_foreign) {
                assert_eq!(row[1], *kind, "the type of {name}");
            }
            assert!(told.insert(name.clone()), "{name} is told twice");
        }
    }
    let untold: Vec<_> = declared.keys().filter(|name| !told.contains(**name)).collect();
    assert!(untold.is_empty(), "not told: {untold:?}");
}

#[test]
fn every_decision_is_listed() {
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
            assert!(root().join(&file).exists(), "{from}: {target} is not there");
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

/// Every page, relative to the checkout.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for folder in ["docs", "docs/adr"] {
        let files = fs::read_dir(root().join(folder)).unwrap();
        let names = files.map(|file| Path::new(folder).join(file.unwrap().file_name()));
        pages.extend(names.filter(|name| name.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// A page without its blocks of code.
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

/// The rows of the tables under a heading, up to the next heading, without those that name the columns.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
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
    rows[line.unwrap_or_else(|| panic!("{page} has no table under {heading}")) + 1..].to_vec()
}

/// What stands between backquotes.
fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The targets of links, inline and by reference.
fn links(text: &str) -> Vec<String> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let named = text.lines().filter(|line| line.starts_with('['));
    let named = named.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
    inline.chain(named).map(str::to_owned).collect()
}

/// The headings as links name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(slug).collect()
}

/// The keys of `config/base.toml` and their defaults, as they are written there.
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
