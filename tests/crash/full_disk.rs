//! A disk that is full, and then has room again.

use serde_json::{Value, json};

use crate::{
    server::{Account, Server},
    writer::{insertion, write},
};

/// Writes until the server refuses; the marks that were acknowledged, and the one that was refused.
async fn write_until_refused(
    account: &Account,
    server: &Server,
    document: &str,
) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    for number in 0..2_000 {
        // So long that the log grows.
        let mark = format!("{number}.{}", "x".repeat(200));
        let (edit, variables) = insertion(document, 1, &mark);
        let answer = account.answer(server.address(), edit, variables).await.unwrap();
        if answer["errors"] == Value::Null {
            acknowledged.push(mark);
            continue;
        }
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
        return (acknowledged, mark);
    }
    panic!("the disk was never full");
}

#[tokio::test]
async fn a_full_disk_refuses_edits_and_loses_none_and_they_go_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on_a_limited_disk(folder.path()).await;
    let account = Account::register(&server).await;
    let document = account.create_document(&server).await;

    let largest = std::fs::metadata(folder.path().join("data/coscribe.db-wal")).unwrap().len();
    server.limit_files(&format!("{}:", largest + 100_000)).await;
    let (acknowledged, refused) = write_until_refused(&account, &server, &document).await;
    // It stays refused, and what was stored can be read meanwhile.
    let (edit, variables) = insertion(&document, 1, &refused);
    let again = account.answer(server.address(), edit, variables).await.unwrap();
    assert_eq!(again["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{again}");
    let (version, text) = account.read(&server, &document).await;
    assert_eq!(version, 1 + i64::try_from(acknowledged.len()).unwrap());
    assert!(!text.contains(&refused));

    server.limit_files("unlimited:").await;
    let stored = write(&account, server.address(), &document, 1, &refused).await;
    assert_eq!(stored, Some(version + 1));
    server.kill().await;

    let server = Server::start(folder.path()).await;
    let (head, text) = account.read(&server, &document).await;
    assert_eq!(head, version + 1);
    for mark in acknowledged.iter().chain([&refused]) {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{}", json!(mark));
    }
    server.kill().await;
}
