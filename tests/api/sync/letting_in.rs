//! Who is let in, and how a session of an editor ends.

use coscribe::domain::DocumentId;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client as _, Pair,
    editor::fresh_doc,
    raw::{Account, Minter},
    within,
};

#[actix_web::test]
async fn without_a_good_token_there_is_no_socket() {
    let pair = Pair::meet().await;
    for (token, code) in [("", "UNAUTHENTICATED"), ("nonsense", "UNAUTHENTICATED")] {
        let bob = pair.bob.with_token(token);
        let refused = bob.try_to_edit(pair.document, fresh_doc(), "").await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (401, code));
        assert!(refused.challenge.is_some());
    }
    let url = |path: &str| pair.node.url(path);
    let http = crate::support::http_client();
    let token = &pair.bob.token;
    for (path, status) in [
        (format!("/sync/{}", pair.document), 400),
        (format!("/sync/{}?token={token}", pair.document), 400),
        ("/sync".to_owned(), 404),
    ] {
        assert_eq!(http.get(url(&path)).send().await.unwrap().status(), status, "{path}");
    }
    pair.end(()).await;
}

#[actix_web::test]
async fn without_access_the_session_ends_with_a_code_after_which_nobody_comes_back() {
    let pair = Pair::meet().await;
    let mallory = pair.node.person("Mallory").await;
    for document in [pair.document, DocumentId::new()] {
        let editor = mallory.try_to_edit(document, fresh_doc(), "").await.unwrap();
        editor.sync().await;
        let (code, reason) = editor.expect_close().await;
        assert_eq!(code, 4403);
        assert!(reason.contains("ask its owner"), "{reason}");
        assert_eq!(editor.heard().answers, 0);
    }
    assert_eq!(pair.node.meters().await.value("permission_denials_total"), 2.0);
    pair.end(()).await;
}

#[actix_web::test]
async fn a_revocation_ends_the_editor_and_nothing_is_told_after_it() {
    let pair = Pair::meet().await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    pair.alice.revoke(pair.document, &pair.bob).await.value();
    alices.insert(0, "secret ").await;
    assert_eq!(bobs.expect_close().await.0, 4403);
    assert_eq!(bobs.content(), "Welcome.");
    alices.until("Bob has gone", |heard| heard.state_of(&pair.bob).is_none()).await;

    let deleted = pair.alice.delete(pair.document);
    deleted.await.value();
    assert_eq!(alices.expect_close().await.0, 4404);
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn too_many_connections_and_a_token_that_ran_out_are_no_reason_to_give_up() {
    let settings = [
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1"),
        ("COSCRIBE__AUTH__TOKEN_LIFE", "60s"),
        ("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "1s"),
    ];
    let pair = Pair::meet_with(&settings).await;
    let first = pair.bob.edit(pair.document).await;
    let second = pair.bob.try_to_edit(pair.document, fresh_doc(), "").await.unwrap();
    let (code, reason) = second.expect_close().await;
    assert_eq!((code, &*reason), (1013, "Connection limit exceeded"));
    first.close().await;

    let account = Account { id: pair.alice.id.to_string(), token: String::new() };
    let token = Minter::of(&pair.node).token(&account, std::time::Duration::from_secs(2));
    let editor = pair.alice.with_token(token).edit(pair.document).await;
    let (code, reason) = editor.expect_close().await;
    assert_eq!((code, &*reason), (3000, "Token expired"));
    pair.end((second, editor)).await;
}

#[actix_web::test]
async fn a_node_that_stops_says_so_once_everything_is_stored() {
    let pair = Pair::meet().await;
    let editor = pair.bob.edit_with(pair.document, fresh_doc(), "&saved=true").await;
    editor.insert(0, "Kept. ").await;
    editor.stored().await;
    let node = pair.node.node();
    let (stopped, closed) = futures_util::join!(
        within("the drain", node.sessions().drain(std::time::Duration::from_millis(1))),
        editor.expect_close()
    );
    let () = stopped;
    assert_eq!(closed.0, 1001);
    pair.end(editor).await;
}

#[actix_web::test]
async fn what_is_no_message_ends_the_session_and_says_what_is_wrong() {
    let pair = Pair::meet().await;
    let cases: [(Message, &str); 4] = [
        (Message::text("hello"), "Text messages are not supported; send binary messages"),
        (Message::binary(vec![]), "the message is empty"),
        (Message::binary(vec![0, 7, 0]), "a sync message has an unknown kind"),
        (Message::binary(vec![1, 200, 1, 1]), "a length exceeds the data"),
    ];
    for (frame, reason) in cases {
        let editor = pair.bob.edit(pair.document).await;
        editor.send_frame(frame).await;
        assert_eq!(editor.expect_close().await, (4400, reason.to_owned()));
    }
    // Kinds that nobody knows are left out.
    let editor = pair.bob.edit(pair.document).await;
    editor.send(&[77, 1, 2]).await;
    editor.insert(0, "! ").await;
    let alices = pair.alice.edit(pair.document).await;
    alices.reads("! Welcome.").await;
    pair.end((alices, editor)).await;
}
