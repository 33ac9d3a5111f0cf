//! A disk that is full and later has space again.

use std::{
    io::{self, Read as _},
    process::Stdio,
};

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Person};

use crate::{
    SERVER, SETTINGS,
    author::{try_write, version},
};

/// Writes until the node refuses an edit. Returns the acknowledged marks and the refused one.
async fn write_until_refused(person: &Person, document: DocumentId) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    for number in 0..2_000 {
        // Long enough to fill the log of the database.
        let mark = format!("{number}.{}", "x".repeat(200));
        let answer = try_write(person, document, 1, &mark).await.unwrap();
        if answer.is_ok() {
            acknowledged.push(mark);
            continue;
        }
        assert_eq!(answer.code(), "UNAVAILABLE");
        return (acknowledged, mark);
    }
    panic!("the disk is never full");
}

#[tokio::test]
async fn a_full_disk_refuses_edits_loses_none_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let node = SERVER.start_on_a_limited_disk(folder.path(), SETTINGS, Stdio::null()).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Begin.").await;

    let largest = std::fs::metadata(folder.path().join("data/coscribe.db-wal")).unwrap().len();
    node.limit_file_size(&format!("{}:", largest + 100_000)).await;
    let (acknowledged, refused) = write_until_refused(&alice, document).await;
    // A checkpoint would make room in the log of the database.
    node.limit_file_size("0:").await;
    // The edit is refused again, and what is stored can be read.
    let again = try_write(&alice, document, 1, &refused).await.unwrap();
    assert_eq!(again.code(), "UNAVAILABLE");
    let head = alice.read_version(document).await;
    assert_eq!(head, 1 + i64::try_from(acknowledged.len()).unwrap());
    assert!(!alice.read_text(document).await.contains(&refused));

    node.limit_file_size("unlimited:").await;
    let stored = try_write(&alice, document, 1, &refused).await.unwrap();
    assert_eq!(version(stored), head + 1);
    node.kill().await;

    let node = SERVER.start(folder.path(), SETTINGS).await;
    let alice = alice.at(&node);
    assert_eq!(alice.read_version(document).await, head + 1);
    let text = alice.read_text(document).await;
    for mark in acknowledged.iter().chain([&refused]) {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}");
    }
    node.kill().await;
}

#[tokio::test]
async fn editors_stay_connected_on_a_full_disk_and_are_asked_for_their_changes_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, log) = io::pipe().unwrap();
    let node = SERVER.start_on_a_limited_disk(folder.path(), SETTINGS, log.into()).await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let alices = alice.open_editor(document).await;
    let bobs = bob.open_editor_with_receipts(document).await;
    node.limit_file_size("0:").await;

    bobs.insert(0, "Kept. ").await;
    let asked = bobs.expect("being asked again", |state| state.sync_requests >= 4).await;
    assert!(asked.saved.is_none_or(|(version, _)| version == 1));
    bobs.insert(0, "Also. ").await;
    let opened_meanwhile = alice.open_editor_with_receipts(document).await;
    assert_eq!(opened_meanwhile.expect_saved().await, 1);
    assert_eq!(opened_meanwhile.content(), "Welcome.");
    node.limit_file_size("unlimited:").await;

    bobs.expect_saved().await;
    alices.expect_text("Also. Kept. Welcome.").await;
    for editor in [&alices, &bobs, &opened_meanwhile] {
        assert_eq!(editor.state().closed, None);
    }
    drop((alices, bobs, opened_meanwhile));
    node.stop().await;
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("cannot be stored")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    assert!(warning.contains("WARN") && warning.contains("disk"), "{warning}");
}
