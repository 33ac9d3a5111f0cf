//! What editors cannot break, and what is too much.

use serde_json::json;
use yrs::{Map as _, ReadTxn as _, Transact as _, WriteTxn as _};

use crate::support::{
    Client as _, Pair,
    editor::{fresh_doc, message},
};

#[actix_web::test]
async fn limits_are_refused_clearly_and_for_good() {
    let settings = [
        ("COSCRIBE__LIMITS__DOCUMENT", "1000"),
        ("COSCRIBE__LIMITS__DOCUMENT_STATE", "5000"),
        ("COSCRIBE__LIMITS__UPDATE_STRUCTS", "100"),
        ("COSCRIBE__LIMITS__MESSAGE", "1048576"),
        ("COSCRIBE__LIMITS__AWARENESS", "1024"),
    ];
    let pair = Pair::meet_with(&settings).await;
    let alices = pair.alice.edit_with(pair.document, fresh_doc(), "&saved=true").await;

    let editor = pair.bob.edit(pair.document).await;
    editor.insert(0, &"x".repeat(1_000)).await;
    let expected = "The document would have 1008 bytes, but may have 1000; undo, or split it";
    assert_eq!(editor.expect_close().await, (4413, expected.to_owned()));

    let editor = pair.bob.edit(pair.document).await;
    let map = editor.doc.get_or_insert_map("map");
    let update = {
        let mut txn = editor.doc.transact_mut();
        map.insert(&mut txn, "key", "v".repeat(5_000));
        txn.encode_update_v1()
    };
    editor.update(&update).await;
    assert_eq!(editor.expect_close().await.0, 4413);

    let editor = pair.bob.edit(pair.document).await;
    let before = editor.doc.transact().state_vector();
    for _ in 0..101 {
        editor.insert_quietly(0, "x");
    }
    let update = editor.doc.transact().encode_state_as_update_v1(&before);
    editor.update(&update).await;
    let expected = "The update has more than 100 structs; make smaller changes";
    assert_eq!(editor.expect_close().await, (4413, expected.to_owned()));

    let editor = pair.bob.edit(pair.document).await;
    editor.send(&vec![0; 1_048_577]).await;
    assert_eq!(editor.expect_close().await.0, 4413);

    let editor = pair.bob.edit(pair.document).await;
    editor.say(editor.client, 1, &json!({ "short": "x" })).await;
    alices.until("Bob is there", |heard| heard.state_of(&pair.bob).is_some()).await;
    editor.say(editor.client, 2, &json!({ "long": "x".repeat(2_000) })).await;
    assert_eq!(editor.expect_close().await.0, 4400);

    // Nobody else noticed.
    alices.insert(0, "! ").await;
    assert_eq!(alices.stored().await, 2);
    assert_eq!(pair.alice.read(pair.document).await["content"], "! Welcome.");
    pair.end((alices, editor)).await;
}

#[actix_web::test]
async fn what_is_no_update_or_goes_too_deep_is_refused_and_nobody_else_notices() {
    let pair = Pair::meet().await;
    let alices = pair.alice.edit_with(pair.document, fresh_doc(), "&saved=true").await;
    let deep = {
        let doc = fresh_doc();
        let map = doc.get_or_insert_map("deep");
        let mut txn = doc.transact_mut();
        let mut inner = map.insert(&mut txn, "k", yrs::MapPrelim::default());
        for _ in 0..10_000 {
            inner = inner.insert(&mut txn, "k", yrs::MapPrelim::default());
        }
        txn.encode_update_v1()
    };
    let far_clock = vec![1, 1, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 4, 1, 1, b'x', 1, b'y', 0];
    let many = vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 1];
    let in_itself = vec![1, 1, 9, 0, 7, 0, 9, 0, 1, 0];
    for update in [deep, far_clock, many, in_itself, vec![1, 2, 3], vec![0xFF; 1000]] {
        let editor = pair.bob.edit(pair.document).await;
        editor.update(&update).await;
        let (code, reason) = editor.expect_close().await;
        assert_eq!(code, 4400, "{reason}");
        assert!(reason.starts_with("The update cannot be merged: "), "{reason}");
    }
    alices.insert(0, "Still here. ").await;
    alices.stored().await;
    assert_eq!(pair.alice.read(pair.document).await["content"], "Still here. Welcome.");
    pair.end(alices).await;
}

#[actix_web::test]
async fn another_history_of_the_document_is_told_to_reload_and_nothing_is_doubled() {
    let pair = Pair::meet().await;
    let other = pair.alice.create_document("Another", "Welcome.").await;
    let of_another = pair.alice.edit(other).await;
    let doc = of_another.doc.clone();

    // By what it says that it has, ...
    let editor = pair.bob.try_to_edit(pair.document, doc.clone(), "").await.unwrap();
    editor.sync().await;
    let (code, reason) = editor.expect_close().await;
    assert_eq!(code, 4410);
    assert!(reason.contains("reload"), "{reason}");
    // ... and by what it writes.
    let editor = pair.bob.try_to_edit(pair.document, fresh_doc(), "").await.unwrap();
    let everything = doc.transact().encode_state_as_update_v1(&yrs::StateVector::default());
    editor.send(&message(&[0, 2], &everything)).await;
    assert_eq!(editor.expect_close().await.0, 4410);

    assert_eq!(pair.alice.read(pair.document).await["content"], "Welcome.");
    assert_eq!(pair.alice.read(pair.document).await["version"], 1);

    // Whoever types before the first answer comes has no history yet, and is welcome.
    let early = fresh_doc();
    let text = early.get_or_insert_text("content");
    yrs::Text::insert(&text, &mut early.transact_mut(), 0, "Early. ");
    let editor = pair.bob.edit_with(pair.document, early, "&saved=true").await;
    editor.stored().await;
    let content = pair.alice.read(pair.document).await["content"].as_str().unwrap().to_owned();
    assert_eq!(content, editor.content());
    assert!(content.contains("Early. ") && content.contains("Welcome."), "{content}");
    pair.end((of_another, editor)).await;
}

#[actix_web::test]
async fn what_makes_no_text_of_the_text_is_refused() {
    let pair = Pair::meet().await;
    let editor = pair.bob.edit(pair.document).await;
    let update = {
        let doc = fresh_doc();
        let mut txn = doc.transact_mut();
        let array = txn.get_or_insert_array("content");
        yrs::Array::push_back(&array, &mut txn, 5_i64);
        txn.encode_update_v1()
    };
    editor.update(&update).await;
    let (code, reason) = editor.expect_close().await;
    assert_eq!(code, 4413);
    assert!(reason.contains("content"), "{reason}");
    assert_eq!(pair.alice.read(pair.document).await["version"], 1);
    pair.end(editor).await;
}
