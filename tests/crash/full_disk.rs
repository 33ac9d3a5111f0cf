//! A disk that is full and later has space again.

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
    let node = SERVER.start_on_a_limited_disk(folder.path(), SETTINGS).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Begin.").await;

    let largest = std::fs::metadata(folder.path().join("data/coscribe.db-wal")).unwrap().len();
    node.limit_file_size(&format!("{}:", largest + 100_000)).await;
    let (acknowledged, refused) = write_until_refused(&alice, document).await;
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
