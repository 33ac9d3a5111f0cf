//! No browser gets its own event back; the same user's other tab does.

use coscribe::domain::SessionId;
use serde_json::{Value, json};

use crate::support::{Client as _, Pair, Reply, Tab};

/// Alice's tab, and two of Bob's, which know of each other.
async fn three_tabs(pair: &Pair) -> (Tab, Tab, Tab) {
    let (alices_tab, bobs_tab) = pair.open().await;
    let bobs_other_tab = pair.bob.open(pair.document).await;
    alices_tab.expect_joined(&pair.bob).await;
    bobs_tab.expect_joined(&pair.bob).await;
    (alices_tab, bobs_tab, bobs_other_tab)
}

/// Alice writes and moves, and that is the first thing that the tab hears.
async fn expect_silence_until_alice_speaks(alices_tab: &Tab, silent: &[&Tab]) {
    let document = alices_tab.document;
    alices_tab.write(document, "Marker").await.value();
    alices_tab.move_cursor(document, 77, 0).await.value();
    for tab in silent {
        let is_marker = |change: &Value| change["content"] == "Marker";
        tab.socket.expect_silence_until(&tab.changes, is_marker).await;
        let is_marker = |cursor: &Value| cursor["cursor"]["line"] == 77;
        tab.socket.expect_silence_until(&tab.cursors, is_marker).await;
        tab.expect_nothing_left();
    }
}

#[actix_web::test]
async fn what_is_done_over_http_for_a_session_is_not_told_to_that_session() {
    let pair = Pair::meet().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;
    let named = pair.bob.naming(bobs_tab.session());

    named.write(pair.document, "Over HTTP").await.value();
    named.move_cursor(pair.document, 3, 4).await.value();

    for tab in [&alices_tab, &bobs_other_tab] {
        let change = tab.expect_version(2).await;
        assert_eq!(change["sessionId"], json!(bobs_tab.session()));
        let cursor = tab.expect_cursor().await;
        assert_eq!(cursor["sessionId"], json!(bobs_tab.session()));
        assert_eq!(cursor["cursor"]["column"], 4);
    }
    expect_silence_until_alice_speaks(&alices_tab, &[&bobs_tab]).await;
    pair.end((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn what_is_done_over_http_for_no_session_is_told_to_no_tab_of_the_user() {
    let pair = Pair::meet().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;

    pair.bob.write(pair.document, "Over HTTP").await.value();
    pair.bob.rename(pair.document, "Project Beta").await.value();

    for version in [2, 3] {
        let change = alices_tab.expect_version(version).await;
        assert_eq!(change["sessionId"], Value::Null);
        assert_eq!(change["author"]["name"], "Bob");
    }
    expect_silence_until_alice_speaks(&alices_tab, &[&bobs_tab, &bobs_other_tab]).await;
    pair.end((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn what_is_done_on_a_socket_is_told_to_the_other_one() {
    let pair = Pair::meet().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;

    bobs_tab.write(pair.document, "Over the socket").await.value();
    bobs_tab.move_cursor(pair.document, 3, 4).await.value();

    for tab in [&alices_tab, &bobs_other_tab] {
        tab.expect_version(2).await;
        assert_eq!(tab.expect_cursor().await["sessionId"], json!(bobs_tab.session()));
    }
    expect_silence_until_alice_speaks(&alices_tab, &[&bobs_tab]).await;
    pair.end((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn a_session_that_only_writes_need_not_have_the_document_open() {
    let pair = Pair::meet().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    let elsewhere = pair.bob.connect().await;

    elsewhere.write(pair.document, "From a list of documents").await.value();

    for tab in [&alices_tab, &bobs_tab] {
        assert_eq!(tab.expect_version(2).await["sessionId"], json!(elsewhere.session()));
    }
    assert_eq!(elsewhere.left_over(), Vec::<Value>::new());
    pair.end((alices_tab, bobs_tab, elsewhere)).await;
}

#[actix_web::test]
async fn a_session_that_is_not_open_cannot_be_named() {
    let pair = Pair::meet().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    let gone = bobs_tab.session().to_string();
    bobs_tab.socket.close().await;
    pair.node.until_meter("active_websocket_connections", 1.0).await;

    for session in [gone, SessionId::new().to_string(), "mine".to_owned(), String::new()] {
        let request = pair.bob.post().header("X-Session-Id", &session);
        let reply = Reply::to(request.json(&json!({ "query": "{ me { id } }" }))).await;
        assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"), "{session}");
    }
    pair.end(alices_tab).await;
}
