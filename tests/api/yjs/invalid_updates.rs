//! Updates of Yjs editors that the server refuses: too large, or of an unrelated history.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::{Client as _, Pair, new_doc, sync_message};
use serde_json::json;
use yrs::{Any, Map as _, ReadTxn as _, Text as _, Transact as _, WriteTxn as _, types::Attrs};

#[actix_web::test]
async fn updates_over_a_limit_are_refused() {
    let settings = [
        ("COSCRIBE__LIMITS__DOCUMENT", "1000"),
        ("COSCRIBE__LIMITS__DOCUMENT_STATE", "5000"),
        ("COSCRIBE__LIMITS__UPDATE_STRUCTS", "100"),
        ("COSCRIBE__LIMITS__FRAME", "1048576"),
        ("COSCRIBE__LIMITS__MESSAGE", "1048576"),
    ];
    let pair = Pair::start_with(&settings).await;
    let alices = pair.alice.open_editor_with_receipts(pair.document).await;

    let editor = pair.bob.open_editor(pair.document).await;
    editor.insert(0, &"x".repeat(1_000)).await;
    editor.expect("a denial", |state| state.denials == 1).await;
    editor.close().await;

    let editor = pair.bob.open_editor(pair.document).await;
    let map = editor.doc.get_or_insert_map("map");
    let update = {
        let mut txn = editor.doc.transact_mut();
        map.insert(&mut txn, "key", "v".repeat(5_000));
        txn.encode_update_v1()
    };
    editor.send_update(&update).await;
    let state = editor.expect("a denial", |state| state.denials == 1).await;
    assert!(state.denial.unwrap().contains("but may have 5000"));
    editor.close().await;

    let editor = pair.bob.open_editor(pair.document).await;
    let before = editor.doc.transact().state_vector();
    for _ in 0..101 {
        editor.insert_unsent(0, "x");
    }
    let update = editor.doc.transact().encode_state_as_update_v1(&before);
    editor.send_update(&update).await;
    editor.expect("a denial", |state| state.denials == 1).await;
    let refused = editor;

    let editor = pair.bob.open_editor(pair.document).await;
    editor.send(&vec![0; 1_048_577]).await;
    assert_eq!(editor.expect_close().await.0, 4413);

    // The other editor is not disturbed.
    alices.insert(0, "! ").await;
    assert_eq!(alices.expect_saved().await, 2);
    assert_eq!(pair.alice.read(pair.document).await["content"], "! Welcome.");
    // An update that is too expensive does not end its session.
    refused.expect("Alice's change", |state| !state.updates.is_empty()).await;
    refused.close().await;
    pair.stop((alices, editor)).await;
}

#[actix_web::test]
async fn an_unrelated_history_closes_with_4410_and_duplicates_nothing() {
    let pair = Pair::start().await;
    let other = pair.alice.create_document("Another", "Welcome.").await;
    let of_another = pair.alice.open_editor(other).await;
    let doc = of_another.doc.clone();

    // Recognised by its state vector, ...
    let editor = pair.bob.connect_editor(pair.document, doc.clone(), "").await.unwrap();
    editor.send_sync_step_1().await;
    let (code, reason) = editor.expect_close().await;
    assert_eq!(code, 4410);
    assert!(reason.contains("reload"), "{reason}");
    // ... and by its update.
    let editor = pair.bob.connect_editor(pair.document, new_doc(), "").await.unwrap();
    let everything = doc.transact().encode_state_as_update_v1(&yrs::StateVector::default());
    editor.send(&sync_message(&[0, 2], &everything)).await;
    assert_eq!(editor.expect_close().await.0, 4410);

    assert_eq!(pair.alice.read(pair.document).await["content"], "Welcome.");
    assert_eq!(pair.alice.read(pair.document).await["version"], 1);

    // An editor that types before it has synced has no history yet, and is accepted.
    let early = new_doc();
    let text = early.get_or_insert_text("content");
    yrs::Text::insert(&text, &mut early.transact_mut(), 0, "Early. ");
    let editor = pair.bob.open_editor_with(pair.document, early, "&saved=true").await;
    editor.expect_saved().await;
    let content = pair.alice.read(pair.document).await["content"].as_str().unwrap().to_owned();
    assert_eq!(content, editor.content());
    assert!(content.contains("Early. ") && content.contains("Welcome."), "{content}");
    pair.stop((of_another, editor)).await;
}

#[actix_web::test]
async fn an_update_that_changes_the_type_of_the_text_is_refused() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor(pair.document).await;
    let update = {
        let doc = new_doc();
        let mut txn = doc.transact_mut();
        let array = txn.get_or_insert_array("content");
        yrs::Array::push_back(&array, &mut txn, 5_i64);
        txn.encode_update_v1()
    };
    editor.send_update(&update).await;
    let reason = editor.expect("a denial", |state| state.denials == 1).await.denial.unwrap();
    assert!(reason.contains("content"), "{reason}");
    assert_eq!(pair.alice.read(pair.document).await["version"], 1);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_update_of_the_root_type_of_the_server_is_refused() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor(pair.document).await;
    let before = editor.doc.transact().state_vector();
    let update = {
        let marks = editor.doc.get_or_insert_map("coscribe");
        let mut txn = editor.doc.transact_mut();
        marks.insert(&mut txn, "body", "notes");
        txn.encode_state_as_update_v1(&before)
    };
    editor.send_update(&update).await;
    let reason = editor.expect("a denial", |state| state.denials == 1).await.denial.unwrap();
    assert!(reason.contains("Only the server writes the root type \"coscribe\""), "{reason}");
    editor.close().await;

    let mutation = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    let variables = json!({ "id": pair.document, "update": STANDARD.encode(&update) });
    assert_eq!(pair.alice.run(mutation, variables).await.code(), "BAD_USER_INPUT");

    // The document goes on as it was.
    let document = pair.alice.read(pair.document).await;
    assert_eq!((&document["version"], &document["content"]), (&json!(1), &json!("Welcome.")));
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    editor.insert(0, "! ").await;
    assert_eq!(editor.expect_saved().await, 2);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn formats_that_would_take_too_much_memory_are_refused() {
    let pair = Pair::start().await;
    let doc = new_doc();
    let text = doc.get_or_insert_text("notes");
    let mut txn = doc.transact_mut();
    for _object in 0..2_000 {
        text.insert_embed(&mut txn, 0, Any::from_json(r#"{"image":"dot.png"}"#).unwrap());
    }
    let names = (0..2_000).map(|name| (format!("format-{name}").into(), Any::from(true)));
    text.format(&mut txn, 0, 2_000, names.collect::<Attrs>());
    let update = txn.encode_update_v1();
    drop(txn);

    let editor = pair.bob.open_editor(pair.document).await;
    editor.send_update(&update).await;
    let state = editor.expect("a denial", |state| state.denials == 1).await;
    assert!(state.denial.unwrap().contains("too many formats"));
    editor.close().await;

    let mutation = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    let variables = json!({ "id": pair.document, "update": STANDARD.encode(&update) });
    let refused = pair.alice.run(mutation, variables).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");

    // Deltas that give the text a new format in each of many places.
    let (mut codes, mut stored) = (Vec::new(), 0);
    for round in 0..40_u32 {
        let names = (0..60).map(|name| (format!("f-{round}-{name}"), json!(true)));
        let attributes: serde_json::Map<_, _> = names.collect();
        let delta = json!([{ "retain": 8, "attributes": attributes }]);
        let mutation = "mutation($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!) {
            editDocument(documentId: $id, baseVersion: $base, delta: $delta) { version } }";
        let base = pair.alice.read(pair.document).await["version"].clone();
        let variables = json!({ "id": pair.document, "base": base, "delta": delta });
        let edited = pair.alice.run(mutation, variables).await;
        match edited.is_ok() {
            true => stored += 1,
            false => codes.push(edited.code().to_owned()),
        }
    }
    assert!(stored > 5, "{codes:?}");
    assert!(!codes.is_empty() && codes.iter().all(|code| code == "BAD_USER_INPUT"), "{codes:?}");
    assert_eq!(pair.alice.read_text(pair.document).await, "Welcome.");
    pair.stop(()).await;
}
