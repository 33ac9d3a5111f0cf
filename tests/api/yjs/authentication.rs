//! Authentication and access of Yjs editors, and how their sessions end.

use std::time::Duration;

use coscribe::domain::DocumentId;
use kit::{Client as _, Handshake, Node as _, Pair, TokenMinter, new_doc, within};
use tokio_tungstenite::tungstenite::Message;

#[actix_web::test]
async fn an_invalid_token_is_refused_before_the_upgrade() {
    let pair = Pair::start().await;
    for (token, code) in [("", "UNAUTHENTICATED"), ("nonsense", "UNAUTHENTICATED")] {
        let bob = pair.bob.with_token(token);
        let refused = bob.connect_editor(pair.document, new_doc(), "").await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (401, code));
        assert!(refused.challenge.is_some());
    }
    let token = &pair.bob.token;
    for (path, status) in [
        (format!("/sync/{}", pair.document), 400),
        (format!("/sync/{}?token={token}", pair.document), 400),
        ("/sync".to_owned(), 404),
    ] {
        assert_eq!(pair.node.get(&path).await.status, status, "{path}");
    }
    pair.stop(()).await;
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
        (format!("plan?token={token}"), "connect to /sync/<documentId>"),
    ] {
        let handshake = Handshake::to_path(pair.node.address(), &format!("/sync/{address}"));
        let (code, reason) = handshake.open_raw().await.expect_close().await;
        assert_eq!(code, 4400, "{address}");
        assert!(reason.contains(correction), "{reason}");
    }
    // The token comes first.
    let handshake = Handshake::to_path(pair.node.address(), "/sync/plan?saved=yes");
    assert_eq!(handshake.send().await.status, 401);
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
    assert_eq!((code, &*reason), (1013, "Connection limit exceeded"));
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
