//! Authentication and access of Yjs editors, and how their sessions end.

use std::time::Duration;

use coscribe::domain::{DocumentId, UserId};
use kit::{Client as _, Editor, Handshake, Node as _, Pair, TokenMinter, new_doc, within};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::SERVER;

/// Sends the handshake, which the node must accept, and returns the code and the reason with which it closes the socket.
async fn refusal(handshake: Handshake) -> (u16, String) {
    handshake.open_raw().await.expect_close().await
}

#[actix_web::test]
async fn a_refused_token_closes_with_its_reason_and_takes_nothing() {
    let pair = Pair::start().await;
    let minter = TokenMinter::of(&pair.node);
    let (expired, hour) = (minter.expired(pair.bob.id), Duration::from_secs(3_600));
    let unknown = minter.token(UserId::new(), hour);
    let signed_out = minter.token(pair.bob.id, hour);
    pair.bob.with_token(&*signed_out).run("mutation { signOut }", json!({})).await.value();
    let address = pair.node.address();
    for (token, reason) in [
        ("", "Invalid token"),
        ("nonsense", "Invalid token"),
        (&*unknown, "Invalid token"),
        (&*expired, "Token expired"),
        (&*signed_out, "Signed out; sign in again"),
    ] {
        let refused = (4403, reason.to_owned());
        let to_document = |query: &str| Handshake::to_document(address, pair.document, query);
        let by_subprotocol = to_document("").token_beside("coscribe", token);
        assert_eq!(refusal(by_subprotocol).await, refused, "{token}");
        let by_address = to_document(&format!("?token={token}"));
        assert_eq!(refusal(by_address).await, refused, "{token}");
        let by_header =
            to_document("?saved=true").header("Authorization", &format!("Bearer {token}"));
        if !token.is_empty() {
            assert_eq!(refusal(by_header).await, refused, "{token}");
        }
    }
    let missing = refusal(Handshake::to_document(address, pair.document, "?saved=true")).await;
    assert_eq!(missing, (4403, "Missing authentication token".to_owned()));

    let metrics = pair.node.metrics().await;
    let closes =
        |label| metrics.value(&format!("coscribe_session_closes_total{{reason=\"{label}\"}}"));
    let labels = ["missing_token", "invalid_token", "token_expired", "signed_out"];
    assert_eq!(labels.map(closes), [1, 8, 3, 3]);
    assert_eq!(metrics.value("auth_failures_total{reason=\"missing\"}"), 1);
    assert_eq!(metrics.value("auth_failures_total{reason=\"signed_out\"}"), 3);
    assert_eq!(metrics.value("coscribe_rooms"), 0);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_blocked_account_closes_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let output = SERVER.run(folder.path(), &["user", "block", &alice.id.to_string()]).await;
    assert!(output.status.success());

    let handshake = Handshake::to_document(server.address(), document, "");
    let (code, reason) = refusal(handshake.token_beside("coscribe", &alice.token)).await;

    assert_eq!(code, 4403);
    assert!(reason.contains("blocked"), "{reason}");
    server.terminate().await;
}

#[actix_web::test]
async fn refused_editors_are_limited_by_network() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "10")]).await;
    let address = pair.node.address();
    let mut statuses = vec![];
    while statuses.last() != Some(&429) {
        let handshake = Handshake::to_document(address, pair.document, "?token=nonsense");
        statuses.push(handshake.send().await.status);
        assert!(statuses.len() < 1_000, "{statuses:?}");
    }
    assert_eq!(statuses[0], 101);
    // A valid token counts for its user.
    pair.bob.open_editor(pair.document).await.close().await;
    pair.stop(()).await;
}

#[actix_web::test]
async fn what_is_no_handshake_gets_an_http_answer() {
    let pair = Pair::start().await;
    let (address, token) = (pair.node.address(), &pair.bob.token);
    for (path, status) in [
        (format!("/sync/{}", pair.document), 400),
        (format!("/sync/{}?token={token}", pair.document), 400),
        ("/sync".to_owned(), 404),
    ] {
        assert_eq!(pair.node.get(&path).await.status, status, "{path}");
    }
    let bad = || Handshake::to_document(address, pair.document, "?token=nonsense");
    for broken in [
        bad().replace("Sec-WebSocket-Version", "12"),
        bad().without("Sec-WebSocket-Key"),
        bad().header("Content-Length", "5"),
    ] {
        let refused = broken.open().await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (401, "UNAUTHENTICATED"));
        assert!(refused.challenge.is_some());
    }
    let elsewhere = bad().header("Origin", "https://elsewhere.example").send().await;
    assert_eq!(elsewhere.status, 403);
    drop(elsewhere);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_token_may_be_offered_as_a_subprotocol() {
    let pair = Pair::start().await;
    let address = pair.node.address();
    let to_document = |query: &str| Handshake::to_document(address, pair.document, query);
    let offered = to_document("?saved=true").token_beside("coscribe", &pair.bob.token);
    let editor = Editor::open_by(offered).await;
    editor.insert(0, "Read: ").await;
    editor.expect_saved().await;
    assert_eq!(pair.alice.read_text(pair.document).await, "Read: Welcome.");

    // The answer selects the subprotocol, if it is offered, and never repeats the token.
    let bad = || to_document("").token_beside("coscribe", "nonsense");
    for (handshake, selected) in [
        (to_document("").token_beside("coscribe", &pair.bob.token), Some("coscribe")),
        (bad(), Some("coscribe")),
        (bad().replace("Sec-WebSocket-Protocol", "bearer.nonsense"), None),
        (to_document(&format!("?token={}", pair.bob.token)), None),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 101);
        assert_eq!(reply.header("Sec-WebSocket-Protocol"), selected);
    }
    pair.stop(editor).await;
}

#[actix_web::test]
async fn several_credentials_are_refused_in_words() {
    let pair = Pair::start().await;
    let address = pair.node.address();
    let (alices, bobs) = (&pair.alice.token, &pair.bob.token);
    for (query, problem) in [
        (format!("?token={alices}"), "two tokens that differ"),
        ("?ticket=x".to_owned(), "a token and a ticket"),
        (format!("?token={bobs}&token={bobs}"), "cannot be parsed"),
    ] {
        let handshake = Handshake::to_document(address, pair.document, &query);
        let (code, reason) = refusal(handshake.token_beside("coscribe", bobs)).await;
        assert_eq!(code, 4400, "{query}");
        assert!(reason.contains(problem), "{reason}");
    }
    let same = Handshake::to_document(address, pair.document, &format!("?token={bobs}"));
    let editor = Editor::open_by(same.token_beside("coscribe", bobs)).await;
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_user_without_access_is_closed_with_a_final_code() {
    let pair = Pair::start().await;
    let mallory = pair.node.person("Mallory").await;
    for document in [pair.document, DocumentId::new()] {
        let editor = mallory.connect_editor(document, new_doc(), "").await.unwrap();
        editor.send_sync_step_1().await;
        let (code, reason) = editor.expect_close().await;
        assert_eq!(code, 4403);
        assert!(reason.contains("ask its owner"), "{reason}");
        assert_eq!(editor.state().sync_replies, 0);
    }
    assert_eq!(pair.node.metric("permission_denials_total").await, 2);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_wrong_address_is_closed_with_4400_and_what_to_correct() {
    let pair = Pair::start().await;
    let (document, token) = (pair.document, &pair.bob.token);
    for (address, correction) in [
        (format!("{document}?token={token}&saved=yes"), "`saved` must be"),
        (format!("{document}?token={token}&client=me"), "`client` must be"),
        (format!("a%20plan?token={token}"), "connect to /sync/<documentId>"),
    ] {
        let handshake = Handshake::to_path(pair.node.address(), &format!("/sync/{address}"));
        let (code, reason) = refusal(handshake).await;
        assert_eq!(code, 4400, "{address}");
        assert!(reason.contains(correction), "{reason}");
    }
    // The token comes first.
    let handshake = Handshake::to_path(pair.node.address(), "/sync/a%20plan?saved=yes");
    assert_eq!(refusal(handshake).await.0, 4403);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_revocation_closes_the_editor_before_later_changes() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open_editors().await;
    pair.alice.revoke(pair.document, &pair.bob).await.value();
    alices.insert(0, "secret ").await;
    assert_eq!(bobs.expect_close().await.0, 4403);
    assert_eq!(bobs.content(), "Welcome.");
    alices.expect("the departure of Bob", |state| !state.shows(&pair.bob)).await;

    pair.alice.delete(pair.document).await.value();
    assert_eq!(alices.expect_close().await.0, 4404);
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn the_connection_limit_and_an_expired_token_close_with_retryable_codes() {
    let settings = [
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1"),
        ("COSCRIBE__AUTH__TOKEN_LIFE", "60s"),
        ("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "1s"),
    ];
    let pair = Pair::start_with(&settings).await;
    let first = pair.bob.open_editor(pair.document).await;
    let second = pair.bob.connect_editor(pair.document, new_doc(), "").await.unwrap();
    let (code, reason) = second.expect_close().await;
    assert_eq!((code, &*reason), (1013, "You have too many connections open; close some of them"));
    first.close().await;

    let token = TokenMinter::of(&pair.node).token(pair.alice.id, Duration::from_secs(6));
    let editor = pair.alice.with_token(token).open_editor(pair.document).await;
    let (code, reason) = editor.expect_close().await;
    assert_eq!((code, &*reason), (3000, "Token expired"));
    pair.stop((second, editor)).await;
}

#[actix_web::test]
async fn a_draining_node_closes_editors_with_1001() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    editor.insert(0, "Kept. ").await;
    editor.expect_saved().await;
    let drain = pair.node.sessions().drain(Duration::from_millis(1));
    let ((), (code, _)) = futures_util::join!(within("the drain", drain), editor.expect_close());
    assert_eq!(code, 1001);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn malformed_messages_close_with_4400_and_a_reason() {
    let pair = Pair::start().await;
    let cases: [(Message, &str); 4] = [
        (Message::text("hello"), "Text messages are not supported; send binary messages"),
        (Message::binary(vec![]), "the message is empty"),
        (Message::binary(vec![0, 7, 0]), "a sync message has an unknown kind"),
        (Message::binary(vec![1, 200, 1, 1]), "a length exceeds the data"),
    ];
    for (frame, reason) in cases {
        let editor = pair.bob.open_editor(pair.document).await;
        editor.send_frame(frame).await;
        assert_eq!(editor.expect_close().await, (4400, reason.to_owned()));
    }
    // Messages of an unknown kind are ignored.
    let editor = pair.bob.open_editor(pair.document).await;
    editor.send(&[77, 1, 2]).await;
    editor.insert(0, "! ").await;
    let alices = pair.alice.open_editor(pair.document).await;
    alices.expect_text("! Welcome.").await;
    pair.stop((alices, editor)).await;
}
