//! Deltas with formats and embedded objects, between GraphQL clients and Yjs editors.

use kit::{Client as _, Pair, Person};
use serde_json::{Value, json};
use yrs::{Any, Text as _, Transact as _, WriteTxn as _, types::Attrs};

const SINCE: &str = "subscription ($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
        version content delta { retain insert delete embed attributes }
    }
}";

/// Returns the text at a version with its formats and embedded objects.
async fn body(person: &Person, pair: &Pair, version: i64) -> Value {
    let operation = "query($id: ID!, $version: Int!) {
        documentAt(documentId: $id, version: $version) { body(root: \"content\") } }";
    let variables = json!({ "id": pair.document, "version": version });
    person.run(operation, variables).await.value()["body"].clone()
}

/// Returns a step as an event has it.
fn step(fields: Value) -> Value {
    let mut step = json!({ "retain": null, "insert": null, "delete": null, "embed": null, "attributes": null });
    for (name, value) in fields.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

#[actix_web::test]
async fn formats_and_objects_of_a_delta_are_stored_published_and_read_back() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor(pair.document).await;
    let socket = pair.bob.connect().await;
    socket.start_with("s", SINCE, json!({ "id": pair.document, "since": 1 })).await;

    let delta = json!([
        { "retain": 7, "attributes": { "bold": true } },
        { "insert": " home", "attributes": { "link": "https://example.org" } },
        { "embed": { "image": "x.png" }, "attributes": { "width": 20 } },
    ]);
    assert_eq!(pair.alice.edit(pair.document, 1, delta).await.value()["version"], 2);

    let change = socket.expect_next("s").await;
    let expected = json!([
        step(json!({ "retain": 7, "attributes": { "bold": true } })),
        step(json!({ "insert": " home", "attributes": { "link": "https://example.org" } })),
        step(
            json!({ "insert": "\u{FFFC}", "embed": { "image": "x.png" }, "attributes": { "width": 20 } })
        ),
    ]);
    assert_eq!(change["delta"], expected);
    assert_eq!(change["content"], "Welcome home\u{FFFC}.");
    let stored = json!([
        { "insert": "Welcome", "attributes": { "bold": true } },
        { "insert": " home", "attributes": { "link": "https://example.org" } },
        { "insert": { "image": "x.png" }, "attributes": { "width": 20 } },
        { "insert": "." },
    ]);
    assert_eq!(body(&pair.bob, &pair, 2).await, stored);
    editor.expect("the format", |state| state.updates.len() == 1).await;
    // The same formats again change nothing. A step of an event can be sent as it is.
    let bold =
        json!([{ "retain": 7, "insert": null, "embed": null, "attributes": { "bold": true } }]);
    assert_eq!(pair.alice.edit(pair.document, 2, bold).await.value()["version"], 2);
    let again = json!([{ "insert": "\u{FFFC}", "embed": { "image": "y.png" } }]);
    assert_eq!(pair.alice.edit(pair.document, 2, again).await.value()["version"], 3);
    // Null removes a format.
    let plain = json!([{ "retain": 8, "attributes": { "bold": null } }]);
    pair.alice.edit(pair.document, 3, plain).await.value();
    let body = body(&pair.alice, &pair, 4).await;
    assert_eq!(body[0], json!({ "insert": { "image": "y.png" } }));
    assert_eq!(body[1], json!({ "insert": "Welcome" }));
    pair.stop((editor, socket)).await;
}

#[actix_web::test]
async fn formats_and_objects_of_an_editor_are_in_the_delta() {
    let pair = Pair::start().await;
    let editor = pair.alice.open_editor_with_receipts(pair.document).await;
    let socket = pair.bob.connect().await;
    socket.start_with("s", SINCE, json!({ "id": pair.document, "since": 1 })).await;

    let update = {
        let mut txn = editor.doc.transact_mut();
        let text = txn.get_or_insert_text("content");
        text.format(&mut txn, 0, 7, Attrs::from([("bold".into(), true.into())]));
        text.insert_embed(&mut txn, 8, Any::from_json(r#"{"image":"x.png"}"#).unwrap());
        txn.encode_update_v1()
    };
    editor.send_update(&update).await;

    let change = socket.expect_next("s").await;
    let expected = json!([
        step(json!({ "retain": 7, "attributes": { "bold": true } })),
        step(json!({ "retain": 1 })),
        step(json!({ "insert": "\u{FFFC}", "embed": { "image": "x.png" } })),
    ]);
    assert_eq!(change["delta"], expected);
    // Letters within the bold word are bold, and those of a delta only if it says so.
    editor.insert(3, "l").await;
    let change = socket.expect_next("s").await;
    let typed = step(json!({ "insert": "l", "attributes": { "bold": true } }));
    assert_eq!(change["delta"], json!([step(json!({ "retain": 3 })), typed]));
    pair.bob.edit(pair.document, 3, json!([{ "retain": 1 }, { "insert": "x" }])).await.value();
    let body = body(&pair.bob, &pair, 4).await;
    let expected = json!([
        { "insert": "W", "attributes": { "bold": true } },
        { "insert": "x" },
        { "insert": "ellcome", "attributes": { "bold": true } },
        { "insert": "." },
        { "insert": { "image": "x.png" } },
    ]);
    assert_eq!(body, expected);
    pair.stop((editor, socket)).await;
}

#[actix_web::test]
async fn formats_of_an_old_version_are_merged() {
    let pair = Pair::start().await;
    // Alice inserts into the word, deletes its end and gives the rest a color.
    let alices = json!([
        { "retain": 3, "attributes": { "color": "red" } },
        { "insert": "---" },
        { "retain": 2 },
        { "delete": 2 },
    ]);
    pair.alice.edit(pair.document, 1, alices).await.value();

    // Bob has not seen that.
    let bobs = json!([{ "retain": 7, "attributes": { "color": "blue", "bold": true } }]);
    assert_eq!(pair.bob.edit(pair.document, 1, bobs).await.value()["version"], 3);

    let expected = json!([
        { "insert": "Wel", "attributes": { "bold": true, "color": "red" } },
        { "insert": "---" },
        { "insert": "co", "attributes": { "bold": true, "color": "blue" } },
        { "insert": "." },
    ]);
    assert_eq!(body(&pair.alice, &pair, 3).await, expected);
    // Of a format of deleted text nothing is left.
    let deleted = json!([{ "retain": 5 }, { "retain": 2, "attributes": { "bold": true } }]);
    assert_eq!(pair.bob.edit(pair.document, 1, deleted).await.value()["version"], 3);
    pair.stop(()).await;
}

#[actix_web::test]
async fn invalid_formats_and_objects_are_refused_with_a_reason() {
    let pair = Pair::start().await;
    let many: Value = (0..65).map(|number| (format!("f{number}"), json!(1))).collect();
    let image = json!({ "image": "x".repeat(600_000) });
    for (delta, reason) in [
        (json!([{ "delete": 1, "attributes": { "a": 1 } }]), "deletes and has `attributes`"),
        (json!([{ "insert": "x", "embed": { "image": "x" } }]), "both `insert` and `embed`"),
        (json!([{ "embed": {} }]), "Step 0 of the delta is not valid: the embedded object"),
        (json!([{ "retain": 1, "attributes": many }]), "at most 64 are allowed"),
        (json!([{ "retain": 1, "attributes": { "a": "x".repeat(20_000) } }]), "bytes of JSON"),
        (json!([{ "retain": 1, "attributes": { "": 1 } }]), "the name of an attribute is empty"),
        (json!([{ "embed": image }, { "embed": image }]), "at most 1048576 are allowed"),
    ] {
        let refused = pair.bob.edit(pair.document, 1, delta).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(pair.alice.read(pair.document).await["version"], 1);
    pair.stop(()).await;
}
