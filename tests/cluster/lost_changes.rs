//! A database that has lost changes, as after a failover to a replica that had not received them. Everyone is told.

use coscribe::domain::DocumentId;
use futures_util::future::{join, join_all};
use kit::{Client, Node as _, Pair, Tab, TestDatabase, TestNode, expect_eventually, within};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, interval};

/// With this setting, the relay and commits have to find what comparisons find otherwise.
const NO_COMPARISON: (&str, &str) = ("COSCRIBE__ROOM__COMPARE_EVERY", "1h");

/// Alice and Bob on a node with a database of PostgreSQL.
async fn start(settings: &[(&str, &str)]) -> Pair {
    Pair::start_in(settings, TestDatabase::require().await).await
}

async fn lose_changes(node: &TestNode, document: DocumentId, after: i64) {
    node.database().lose_changes(&document.to_string(), after).await;
}

/// Waits for the next change, which must be the whole text at this version.
async fn expect_resync(tab: &Tab, version: i64, content: &str) {
    let change = tab.expect_change().await;
    let told = (&change["kind"], &change["version"], &change["content"]);
    assert_eq!(told, (&json!("RESYNC"), &json!(version), &json!(content)), "{change:#}");
}

async fn expect_lost(node: &TestNode) {
    node.expect_metric("coscribe_changes_lost_total", 1).await;
}

#[actix_web::test]
async fn everyone_is_sent_the_stored_text_after_a_comparison() {
    let pair = start(&[]).await;
    let (alices_tab, bobs_tab) = pair.open().await;
    alices_tab.insert(pair.document, "kept ").await;
    alices_tab.insert(pair.document, "lost ").await;
    bobs_tab.expect_version(2).await;
    bobs_tab.expect_version(3).await;

    lose_changes(&pair.node, pair.document, 2).await;

    for tab in [&alices_tab, &bobs_tab] {
        expect_resync(tab, 2, "kept Welcome.").await;
    }
    expect_lost(&pair.node).await;
    // What comes next has the numbers of what was lost.
    let delta = json!([{ "insert": "new " }]);
    alices_tab.edit_as(pair.document, 2, delta, Value::Null).await.value();
    let change = bobs_tab.expect_version(3).await;
    assert_eq!(change["content"], "new kept Welcome.");
    // A client that resumes with a lost version receives an error.
    let operation =
        "subscription($id: ID!) { documentChanged(documentId: $id, since: 9) { version } }";
    bobs_tab.socket.start_with("ahead", operation, json!({ "id": pair.document })).await;
    assert_eq!(bobs_tab.socket.expect_errors("ahead").await.code(), "BAD_USER_INPUT");
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_client_that_resumes_with_the_time_of_a_lost_version_is_sent_the_stored_text() {
    let pair = start(&[]).await;
    let changes = "kind version content changedAt";
    let operation = format!(
        "subscription($id: ID!, $since: Int, $at: DateTime) {{
            documentChanged(documentId: $id, since: $since, sinceAt: $at) {{ {changes} }} }}"
    );
    let resume = async |id: &str, since: &Value| {
        let socket = pair.bob.connect().await;
        let variables =
            json!({ "id": pair.document, "since": since["version"], "at": since["changedAt"] });
        socket.start_with(id, &operation, variables).await;
        socket
    };
    let bobs = resume("s", &json!({ "version": 1 })).await;
    pair.alice.insert(pair.document, "kept ").await;
    pair.alice.insert(pair.document, "lost ").await;
    let (kept, lost) = (bobs.expect_next("s").await, bobs.expect_next("s").await);
    drop(bobs);
    pair.node.expect_rooms_closed().await;
    lose_changes(&pair.node, pair.document, 2).await;

    // Above the head, and with a number that was assigned again.
    for round in ["ahead", "replaced"] {
        let bobs = resume(round, &lost).await;
        let resync = bobs.expect_next(round).await;
        assert_eq!(resync["kind"], "RESYNC", "{resync:#}");
        pair.alice.insert(pair.document, round).await;
        assert_eq!(bobs.expect_next(round).await["kind"], "EDITED");
    }
    // A browser keeps no microseconds.
    let at = kept["changedAt"].as_str().unwrap();
    let milliseconds = json!({ "version": 2, "changedAt": format!("{}Z", &at[..23]) });
    for (id, since) in [("exact", &kept), ("milliseconds", &milliseconds)] {
        let bobs = resume(id, since).await;
        let next = bobs.expect_next(id).await;
        assert_eq!((&next["kind"], &next["version"]), (&json!("EDITED"), &json!(3)), "{next:#}");
    }
    let bobs = resume("alone", &json!({ "changedAt": at })).await;
    assert_eq!(bobs.expect_errors("alone").await.code(), "BAD_USER_INPUT");
    pair.stop(bobs).await;
}

#[actix_web::test]
async fn an_edit_of_a_lost_version_is_refused_and_everyone_is_sent_the_stored_text() {
    let pair = start(&[NO_COMPARISON]).await;
    let (alices_tab, bobs_tab) = pair.open().await;
    alices_tab.insert(pair.document, "lost ").await;
    bobs_tab.expect_version(2).await;
    lose_changes(&pair.node, pair.document, 1).await;

    let delta = json!([{ "retain": 5 }, { "insert": "more " }]);
    let refused = alices_tab.edit_as(pair.document, 2, delta, Value::Null).await;

    assert_eq!(refused.code(), "CONFLICT");
    for tab in [&alices_tab, &bobs_tab] {
        expect_resync(tab, 1, "Welcome.").await;
    }
    expect_lost(&pair.node).await;
    assert_eq!(alices_tab.insert(pair.document, "again ").await, 2);
    assert_eq!(bobs_tab.expect_version(2).await["content"], "again Welcome.");
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn editors_bring_back_what_the_database_lost() {
    let pair = start(&[]).await;
    let (alices_editor, bobs_editor) = pair.open_editors().await;
    let bobs_tab = pair.bob.open(pair.document).await;
    alices_editor.insert(0, "kept ").await;
    bobs_editor.expect_text("kept Welcome.").await;
    alices_editor.insert(0, "lost ").await;
    bobs_editor.expect_text("lost kept Welcome.").await;
    bobs_tab.expect_version(2).await;
    bobs_tab.expect_version(3).await;
    alices_editor.close().await;

    lose_changes(&pair.node, pair.document, 2).await;

    let resync = bobs_tab.expect_change().await;
    assert_eq!(resync["kind"], "RESYNC", "{resync:#}");
    // The editor may have been faster.
    if resync["version"] == 2 {
        assert_eq!(bobs_tab.expect_version(3).await["content"], "lost kept Welcome.");
    } else {
        assert_eq!(resync["content"], "lost kept Welcome.", "{resync:#}");
    }
    bobs_editor.insert(0, "new ").await;
    assert_eq!(bobs_tab.expect_version(4).await["content"], "new lost kept Welcome.");
    // A new editor receives the document from the stored changes.
    let editor = pair.alice.open_editor(pair.document).await;
    editor.expect_text("new lost kept Welcome.").await;
    pair.stop((bobs_tab, bobs_editor, editor)).await;
}

#[actix_web::test]
async fn a_node_learns_of_the_loss_from_what_another_node_stores() {
    let pair = start(&[NO_COMPARISON]).await;
    let peer = pair.node.start_peer().await;
    let bobs_tab = pair.bob.open(pair.document).await;
    pair.alice.insert(pair.document, "lost ").await;
    bobs_tab.expect_version(2).await;
    peer.expect_rooms_closed().await;
    lose_changes(&pair.node, pair.document, 1).await;

    // The other node never had the lost change: its next change has the same number.
    let alice = pair.alice.at(&peer);
    assert_eq!(alice.insert(pair.document, "new ").await, 2);

    expect_resync(&bobs_tab, 2, "new Welcome.").await;
    expect_lost(&pair.node).await;
    assert_eq!(alice.insert(pair.document, "more ").await, 3);
    assert_eq!(bobs_tab.expect_version(3).await["content"], "new more Welcome.");
    pair.stop_with(peer, bobs_tab).await;
}

/// Edits a document until `end`, and longer if no edit was stored by then. An edit of a lost version is refused, nothing
/// else is.
async fn keep_editing(client: &impl Client, document: DocumentId, end: Instant) {
    let mut stored = 0;
    while stored == 0 || Instant::now() < end {
        // Not the text: its version may be lost while it is read.
        let query = "query($id: ID!) { document(id: $id) { version } }";
        let head = client.run(query, json!({ "id": document })).await.value();
        let base = head["version"].as_i64().unwrap();
        let delta = json!([{ "insert": "x" }]);
        let answer = client.edit_as(document, base, delta, Value::Null).await;
        if answer.is_ok() {
            stored += 1;
        } else {
            assert!(["CONFLICT", "BAD_USER_INPUT"].contains(&answer.code()), "{}", answer.code());
        }
    }
}

#[actix_web::test]
async fn nodes_that_take_turns_begin_again_and_refuse_no_other_edit() {
    // Comparisons find the loss while the nodes lock the document.
    let pair = start(&[
        ("COSCRIBE__ROOM__COMPARE_EVERY", "100ms"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "100"),
    ])
    .await;
    let peer = pair.node.start_peer().await;
    let bob = pair.bob.at(&peer);
    // Keeps the document open there.
    let cursors = bob.connect().await;
    cursors.subscribe("cursorMoved", pair.document).await;
    let end = Instant::now() + Duration::from_secs(3);
    let losses = async {
        let mut ticks = interval(Duration::from_millis(300));
        while Instant::now() < end {
            ticks.tick().await;
            let document = pair.document.to_string();
            pair.node.database().lose_last_changes(&document, 3).await;
        }
    };
    let writers = [&pair.alice, &pair.alice, &pair.alice, &bob, &bob, &bob];
    let edits = join_all(writers.map(|writer| keep_editing(writer, pair.document, end)));

    join(edits, losses).await;

    // Both nodes have the stored text in the end.
    let bobs_tab = bob.open(pair.document).await;
    expect_eventually("an edit", async || {
        let base = pair.alice.read_version(pair.document).await;
        let delta = json!([{ "insert": "the end " }]);
        pair.alice.edit_as(pair.document, base, delta, json!("the end")).await.is_ok()
    })
    .await;
    let text = pair.alice.read_text(pair.document).await;
    let told = async { while bobs_tab.expect_change().await["content"] != text.as_str() {} };
    within("the stored text", told).await;
    pair.stop_with(peer, (bobs_tab, cursors)).await;
}

#[actix_web::test]
async fn a_revocation_counts_although_the_database_has_lost_an_older_one() {
    let pair = start(&[NO_COMPARISON]).await;
    let carol = pair.node.person("Carol").await;
    for level in ["VIEW", "EDIT", "VIEW"] {
        pair.alice.grant(pair.document, &carol, level).await.value();
    }
    let bobs_tab = pair.bob.open(pair.document).await;
    pair.node.database().lose_access_versions(&pair.document.to_string(), 2).await;

    pair.alice.revoke(pair.document, &pair.bob).await.value();

    assert_eq!(bobs_tab.socket.expect_error(&bobs_tab.changes).await, "FORBIDDEN");
    pair.stop(bobs_tab).await;
}

#[actix_web::test]
async fn a_snapshot_of_a_lost_version_is_not_used() {
    let pair = start(&[("COSCRIBE__ROOM__LINGER", "1ms")]).await;
    let bobs_tab = pair.bob.open(pair.document).await;
    pair.alice.insert(pair.document, "lost ").await;
    bobs_tab.expect_version(2).await;
    drop(bobs_tab);
    // The room stores a snapshot when it closes.
    pair.node.expect_rooms_closed().await;
    let snapshot = async || {
        let newest =
            pair.node.store().find_snapshot(pair.document, coscribe::domain::Version::new(9));
        newest.await.unwrap().unwrap().version.number()
    };
    expect_eventually("a snapshot", async || snapshot().await == 2).await;
    let bobs_tab = pair.bob.open(pair.document).await;

    lose_changes(&pair.node, pair.document, 1).await;

    expect_resync(&bobs_tab, 1, "Welcome.").await;
    assert_eq!(snapshot().await, 1, "the database has no snapshot of the lost version");
    pair.alice.insert(pair.document, "new ").await;
    assert_eq!(bobs_tab.expect_version(2).await["content"], "new Welcome.");
    let read = pair.alice.read_text(pair.document);
    assert_eq!(within("the text", read).await, "new Welcome.");
    pair.stop(bobs_tab).await;
}
