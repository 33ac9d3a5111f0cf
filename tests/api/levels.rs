//! An open page learns its user's access level, and every change of it, in each protocol.

use kit::{Client as _, Node as _, Pair};
use serde_json::{Value, json};

#[actix_web::test]
async fn an_open_page_learns_each_new_level() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_socket, bobs_socket) = (alice.connect().await, bob.connect().await);
    let alices = alices_socket.subscribe("accessChanged", *document).await;
    let bobs = bobs_socket.subscribe("accessChanged", *document).await;
    assert_eq!(alices_socket.expect_next(&alices).await["access"], "OWNER");
    assert_eq!(bobs_socket.expect_next(&bobs).await["access"], "EDIT");

    alice.grant(*document, bob, "VIEW").await.value();
    let event = bobs_socket.expect_next(&bobs).await;
    assert_eq!((&event["access"], &event["documentId"]), (&json!("VIEW"), &json!(document)));
    // The same level again is no news.
    alice.grant(*document, bob, "VIEW").await.value();
    alice.grant(*document, bob, "OWNER").await.value();
    assert_eq!(bobs_socket.expect_next(&bobs).await["access"], "OWNER");

    alice.revoke(*document, bob).await.value();
    assert_eq!(bobs_socket.expect_error(&bobs).await, "FORBIDDEN");
    // Those of others are nobody's business.
    assert!(alices_socket.unread().is_empty());
    assert!(bobs_socket.unread().is_empty());
    pair.stop((alices_socket, bobs_socket)).await;
}

#[actix_web::test]
async fn a_second_tab_learns_the_level_without_disturbing_the_first() {
    let pair = Pair::start().await;
    let Pair { bob, document, .. } = &pair;
    let (first, second) = (bob.connect().await, bob.connect().await);
    let ids = (
        first.subscribe("accessChanged", *document).await,
        second.subscribe("accessChanged", *document).await,
    );
    assert_eq!(first.expect_next(&ids.0).await["access"], "EDIT");
    assert_eq!(second.expect_next(&ids.1).await["access"], "EDIT");
    assert!(first.unread().is_empty() && second.unread().is_empty());
    pair.stop((first, second)).await;
}

#[actix_web::test]
async fn a_yjs_editor_learns_whether_it_may_edit() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let editor = bob.open_editor(*document).await;
    let ours = alice.open_editor(*document).await;
    assert_eq!(editor.state().may_edit, None, "an editor may edit unless it is told otherwise");

    alice.grant(*document, bob, "VIEW").await.value();
    editor.expect("the new level", |state| state.may_edit == Some(false)).await;
    let reopened = bob.open_editor(*document).await;
    reopened.expect("the level", |state| state.may_edit == Some(false)).await;

    alice.grant(*document, bob, "EDIT").await.value();
    for editor in [&editor, &reopened] {
        editor.expect("the new level", |state| state.may_edit == Some(true)).await;
    }
    editor.insert(0, "Again: ").await;
    ours.expect("the text", |_state| ours.content().starts_with("Again: ")).await;
    assert_eq!(ours.state().may_edit, None);
    assert_eq!(editor.state().denials, 0);
    pair.stop((editor, ours, reopened)).await;
}

#[actix_web::test]
async fn strangers_learn_no_level() {
    let pair = Pair::start().await;
    let socket = pair.node.person("Mallory").await.connect().await;
    let id = socket.start_subscription("accessChanged", pair.document).await;
    assert_eq!(socket.expect_error(&id).await, "FORBIDDEN");
    assert_eq!(socket.unread(), Vec::<Value>::new());
    pair.stop(socket).await;
}
