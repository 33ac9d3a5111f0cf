//! Events are not echoed to the session that caused them. Other tabs of its user receive them.

use coscribe::domain::SessionId;
use kit::{Client as _, HttpReply, Node as _, Pair, Tab};
use serde_json::{Value, json};

/// Opens one tab for Alice and two for Bob, which know of each other.
async fn three_tabs(pair: &Pair) -> (Tab, Tab, Tab) {
    let (alices_tab, bobs_tab) = pair.open().await;
    let bobs_other_tab = pair.bob.open(pair.document).await;
    alices_tab.expect_joined(&pair.bob).await;
    bobs_tab.expect_joined(&pair.bob).await;
    (alices_tab, bobs_tab, bobs_other_tab)
}

/// Shows that these tabs were silent: a change and a cursor of Alice are the next events that they receive.
async fn expect_alices_marker_next(alices_tab: &Tab, silent: &[&Tab]) {
    let document = alices_tab.document;
    alices_tab.write(document, "Marker").await.value();
    alices_tab.move_cursor(document, 77, 0).await.value();
    for tab in silent {
        let is_marker = |change: &Value| change["content"] == "Marker";
        tab.socket.expect_marker_next(&tab.changes, is_marker).await;
        let is_marker = |cursor: &Value| cursor["cursor"]["line"] == 77;
        tab.socket.expect_marker_next(&tab.cursors, is_marker).await;
        tab.assert_nothing_unread();
    }
}

#[actix_web::test]
async fn an_http_request_that_names_a_session_is_not_echoed_to_it() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;
    let over_http = pair.bob.with_session(bobs_tab.session());

    over_http.write(pair.document, "Over HTTP").await.value();
    over_http.move_cursor(pair.document, 3, 4).await.value();

    for tab in [&alices_tab, &bobs_other_tab] {
        let change = tab.expect_version(2).await;
        assert_eq!(change["sessionId"], json!(bobs_tab.session()));
        let cursor = tab.expect_cursor().await;
        assert_eq!(cursor["sessionId"], json!(bobs_tab.session()));
        assert_eq!(cursor["cursor"]["column"], 4);
    }
    expect_alices_marker_next(&alices_tab, &[&bobs_tab]).await;
    pair.stop((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn an_http_request_without_a_session_is_not_echoed_to_its_user() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;

    pair.bob.write(pair.document, "Over HTTP").await.value();
    pair.bob.rename(pair.document, "Project Beta").await.value();

    for version in [2, 3] {
        let change = alices_tab.expect_version(version).await;
        assert_eq!(change["sessionId"], Value::Null);
        assert_eq!(change["author"]["name"], "Bob");
    }
    expect_alices_marker_next(&alices_tab, &[&bobs_tab, &bobs_other_tab]).await;
    pair.stop((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn a_change_over_a_socket_reaches_the_users_other_tab() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab, bobs_other_tab) = three_tabs(&pair).await;

    bobs_tab.write(pair.document, "Over the socket").await.value();
    bobs_tab.move_cursor(pair.document, 3, 4).await.value();

    for tab in [&alices_tab, &bobs_other_tab] {
        tab.expect_version(2).await;
        assert_eq!(tab.expect_cursor().await["sessionId"], json!(bobs_tab.session()));
    }
    expect_alices_marker_next(&alices_tab, &[&bobs_tab]).await;
    pair.stop((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn a_session_can_write_without_opening_the_document() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    let elsewhere = pair.bob.connect().await;

    elsewhere.write(pair.document, "From a list of documents").await.value();

    for tab in [&alices_tab, &bobs_tab] {
        assert_eq!(tab.expect_version(2).await["sessionId"], json!(elsewhere.session()));
    }
    assert_eq!(elsewhere.unread(), Vec::<Value>::new());
    pair.stop((alices_tab, bobs_tab, elsewhere)).await;
}

#[actix_web::test]
async fn a_session_that_has_ended_cannot_be_named() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    let ended = bobs_tab.session().to_string();
    bobs_tab.socket.close().await;
    pair.node.expect_metric("active_websocket_connections", 1).await;

    for session in [ended, SessionId::new().to_string(), "mine".to_owned(), String::new()] {
        let request = pair.bob.post().header("X-Session-Id", &session);
        let reply = HttpReply::to(request.json(&json!({ "query": "{ me { id } }" }))).await;
        assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"), "{session}");
    }
    pair.stop(alices_tab).await;
}
