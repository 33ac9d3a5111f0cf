//! Yjs editors that ask for the whole document again and again.

use kit::{Client as _, Editor, Node as _, TestNode, expect_eventually, new_doc, sync_message};
use yrs::{Text as _, Transact as _};

/// The most bytes of answers of one user.
const USER: u64 = 10_000_000;

/// Asks for everything but one letter of a client that the document does not have.
async fn ask(editor: &Editor) {
    editor.send(&sync_message(&[0, 0], &[1, 5, 1])).await;
}

#[actix_web::test]
async fn an_editor_above_the_rate_waits_for_the_document_and_for_nothing_else() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__SYNC_BYTES_PER_SECOND", "1000")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_document("Long", &"word ".repeat(30_000)).await;
    alice.grant(document, &mallory, "EDIT").await.value();
    let editor = mallory.open_editor_with_receipts(document).await;
    for _ in 0..50 {
        ask(&editor).await;
    }
    // Each is stored after the requests have arrived.
    for version in 2..5 {
        editor.insert(0, "x").await;
        assert_eq!(editor.expect_saved().await, version);
    }
    let other = alice.open_editor(document).await;
    assert_eq!(other.content(), editor.content());
    other.insert(0, "y").await;
    editor.expect("the change of another", |state| !state.updates.is_empty()).await;
    assert_eq!(editor.state().sync_replies, 1);
    drop((editor, other));
    node.stop().await;
}

#[actix_web::test]
async fn answers_to_editors_that_do_not_read_are_bounded_for_their_user() {
    const EDITORS: u64 = 9;
    const TEXT: usize = 1_300_000;
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "1400000"),
        ("COSCRIBE__LIMITS__ANSWER", &USER.to_string()),
        ("COSCRIBE__LIMITS__ANSWERS_OF_USER", &USER.to_string()),
    ])
    .await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_document("Long", &"x".repeat(TEXT)).await;
    alice.grant(document, &mallory, "VIEW").await.value();
    let mut deaf = vec![];
    for _ in 0..EDITORS {
        let editor = mallory.open_slow_editor(document).await;
        editor.stop_reading();
        deaf.push(editor);
    }
    let held = async || node.metric("coscribe_answer_bytes").await;
    expect_eventually("a full account", async || {
        for editor in &deaf {
            ask(editor).await;
        }
        let held = held().await;
        assert!(held <= USER, "{held}");
        held > USER - TEXT as u64
    })
    .await;
    // Others are served, also those who have a part of the document.
    let doc = new_doc();
    let own = doc.get_or_insert_text("notes");
    own.insert(&mut doc.transact_mut(), 0, "x");
    let editor = alice.open_editor_with(document, doc, "").await;
    assert_eq!(editor.content().len(), TEXT);

    for editor in &deaf[..3] {
        editor.resume_reading();
        editor.expect("the other answers", |state| state.sync_replies >= 2).await;
    }
    drop((deaf, editor));
    node.expect_metric("coscribe_answer_bytes", 0).await;
    node.stop().await;
}
