//! Content and awareness that the server cannot keep as it is: the rest of an editor's work is stored, and its session goes on.

use kit::{Client as _, Editor, EditorState, Pair, sync_message};
use serde_json::{Value, json};
use yrs::{
    Any, Doc, Map as _, MapPrelim, Out, Text as _, Transact as _, TransactionMut, WriteTxn as _,
    types::text::YChange,
};

/// Half of a cat, as `JSON.stringify` writes it.
const HALF: &str = r"\ud83d";

/// Returns the update of a transaction.
fn update_of(doc: &Doc, work: impl FnOnce(&mut TransactionMut<'_>)) -> Vec<u8> {
    let mut txn = doc.transact_mut();
    work(&mut txn);
    txn.encode_update_v1()
}

/// Sends an update in which the escape of half a character stands for `HALF!`, as the library cannot write it.
async fn send_with_half(editor: &Editor, update: &[u8]) {
    let marker = b"HALF!!";
    let at = update.windows(marker.len()).position(|window| window == marker).unwrap();
    let odd = [&update[..at], HALF.as_bytes(), &update[at + marker.len()..]].concat();
    editor.send_update(&odd).await;
}

/// Returns the embeds of the text, and the values of its formats.
fn values(doc: &Doc) -> Vec<Any> {
    let text = doc.get_or_insert_text("content");
    let chunks = text.diff(&doc.transact(), YChange::identity);
    let formats =
        chunks.iter().flat_map(|chunk| chunk.attributes.iter().flat_map(|all| all.values()));
    let embeds = chunks.iter().filter_map(|chunk| match &chunk.insert {
        Out::Any(any @ Any::Map(_)) => Some(any),
        _ => None,
    });
    formats.chain(embeds).cloned().collect()
}

#[actix_web::test]
async fn half_a_surrogate_pair_in_an_embed_or_a_format_is_stored_as_a_replacement_character() {
    let pair = Pair::start().await;
    let (alices, bobs) = (
        pair.alice.open_editor(pair.document).await,
        pair.bob.open_editor_with_receipts(pair.document).await,
    );
    let alt = Any::from_json(r#"{"alt":"cat HALF!!"}"#).unwrap();

    let embed = update_of(&bobs.doc, |txn| {
        let text = txn.get_or_insert_text("content");
        text.insert_embed(txn, 0, alt.clone());
    });
    send_with_half(&bobs, &embed).await;
    let format = update_of(&bobs.doc, |txn| {
        let text = txn.get_or_insert_text("content");
        text.format(txn, 1, 3, [("comment".into(), alt.clone())].into());
    });
    send_with_half(&bobs, &format).await;
    bobs.insert(1, "after ").await;
    bobs.expect_saved().await;

    alices.expect("Bob's words", |_state| alices.content().contains("after ")).await;
    let expected = Any::from_json(r#"{"alt":"cat \ufffd"}"#).unwrap();
    alices
        .expect("both values", |_state| values(&alices.doc) == [expected.clone(), expected.clone()])
        .await;
    assert_eq!((bobs.state().denials, bobs.state().closed), (0, None));
    pair.stop((alices, bobs)).await;
}

/// The update of a page that has put a hook of XML with the name `h` into the root map `m`.
const HOOK: &[u8] = &[1, 1, 77, 0, 0x27, 1, 1, b'm', 1, b'k', 5, 1, b'h', 0];

#[actix_web::test]
async fn a_hook_alone_is_left_out_and_its_author_is_told() {
    let pair = Pair::start().await;
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    bobs.send_update(HOOK).await;
    bobs.insert(0, "after ").await;

    bobs.expect_saved().await;
    let state = bobs.expect("a notice", |state| state.denials == 1).await;
    assert_eq!(
        state.denial.as_deref(),
        Some(
            "Content of a kind that is not supported, such as a hook of XML, was left out. Everything else is saved."
        )
    );
    assert_eq!(pair.alice.read_text(pair.document).await, "after Welcome.");
    pair.stop(bobs).await;
}

/// Returns the guid of the subdocument in the root map `map`.
fn chapter_of(doc: &Doc) -> Option<String> {
    let map = doc.get_or_insert_map("map");
    match map.get(&doc.transact(), "chapter") {
        Some(Out::YDoc(chapter)) => Some(chapter.guid().to_string()),
        _ => None,
    }
}

#[actix_web::test]
async fn a_subdocument_reaches_editors_exports_and_copies() {
    let pair = Pair::start().await;
    let (alices, bobs) = (
        pair.alice.open_editor(pair.document).await,
        pair.bob.open_editor_with_receipts(pair.document).await,
    );
    let chapter = Doc::new();
    let guid = chapter.guid().to_string();
    let subdocument = update_of(&bobs.doc, |txn| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "chapter", chapter);
    });
    bobs.send_update(&subdocument).await;
    bobs.insert(0, "after ").await;

    bobs.expect_saved().await;
    assert_eq!(bobs.state().denials, 0);
    alices
        .expect("the subdocument", |_state| chapter_of(&alices.doc).as_ref() == Some(&guid))
        .await;
    let late = pair.alice.open_editor(pair.document).await;
    late.expect("the subdocument", |_state| chapter_of(&late.doc).as_ref() == Some(&guid)).await;

    let copied = pair
        .alice
        .run(
            "mutation($id: ID!) { copyDocument(documentId: $id) { id } }",
            json!({ "id": pair.document }),
        )
        .await
        .value();
    let exported = "query($id: ID!) { exportDocument(documentId: $id) { json update } }";
    for id in [&json!(pair.document), &copied["id"]] {
        let exported = pair.alice.run(exported, json!({ "id": id })).await.value();
        let json: Value = serde_json::from_str(exported["json"].as_str().unwrap()).unwrap();
        assert_eq!(json["roots"]["map"]["chapter"], json!({ "guid": guid }));
    }
    pair.stop((alices, bobs, late)).await;
}

#[actix_web::test]
async fn an_update_that_cannot_be_read_is_refused_by_itself() {
    let pair = Pair::start().await;
    let alices = pair.alice.open_editor(pair.document).await;
    let nested = {
        let doc = kit::new_doc();
        let map = doc.get_or_insert_map("deep");
        update_of(&doc, |txn| {
            let mut inner = map.insert(txn, "k", MapPrelim::default());
            for _ in 0..10_000 {
                inner = inner.insert(txn, "k", MapPrelim::default());
            }
        })
    };
    let far_clock = vec![1, 1, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 4, 1, 1, b'x', 1, b'y', 0];
    let many = vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 1];
    let in_itself = vec![1, 1, 9, 0, 7, 0, 9, 0, 1, 0];
    for update in [nested, far_clock, many, in_itself, vec![1, 2, 3], vec![0xFF; 1000]] {
        let editor = pair.bob.open_editor(pair.document).await;
        editor.send_update(&update).await;
        let state = editor.expect("a denial", |state| state.denials == 1).await;
        let reason = state.denial.unwrap();
        assert!(reason.starts_with("The update cannot be merged: "), "{reason}");
        // The session goes on.
        editor.insert(0, "x").await;
        alices.expect("the next edit", |_state| alices.content().starts_with('x')).await;
        alices.delete(0, 1).await;
        editor.expect_text("Welcome.").await;
        editor.close().await;
    }
    pair.stop(alices).await;
}

/// Sends an awareness state as JSON that need not be valid.
async fn send_state(editor: &Editor, clock: u8, state: &[u8]) {
    let mut entries = vec![1];
    yrs::encoding::write::Write::write_var(&mut entries, editor.client);
    entries.push(clock);
    yrs::encoding::write::Write::write_buf(&mut entries, state);
    editor.send(&sync_message(&[1], &entries)).await;
}

#[actix_web::test]
async fn an_awareness_state_that_cannot_be_relayed_is_left_out_and_editing_goes_on() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open_editors().await;
    let shows = |key: &'static str, value: Value| {
        let bob = &pair.bob;
        move |state: &EditorState| state.state_of(bob).is_some_and(|state| state[key] == value)
    };
    let large = format!(r#"{{"avatar":"{}"}}"#, "A".repeat(300_000));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    let odd =
        [large.as_bytes(), deep.as_bytes(), b"5", b"[]", b"{", b"undefined", b"\xFF\xFE", b""];
    for (round, state) in odd.into_iter().enumerate() {
        let clock = u8::try_from(3 * round + 1).unwrap();
        send_state(&bobs, clock, json!({ "mood": round }).to_string().as_bytes()).await;
        alices.expect("Bob's state", shows("mood", json!(round))).await;
        send_state(&bobs, clock + 1, state).await;
        send_state(&bobs, clock + 2, json!({ "next": round }).to_string().as_bytes()).await;
        alices.expect("Bob's next state", shows("next", json!(round))).await;
    }
    send_state(&bobs, 100, format!(r#"{{"preview":"cat {HALF}"}}"#).as_bytes()).await;
    alices.expect("the preview", shows("preview", json!("cat \u{FFFD}"))).await;
    send_state(&bobs, 101, large.as_bytes()).await;
    let is_bare = |state: &EditorState| {
        state.state_of(&pair.bob).is_some_and(|state| state["preview"].is_null())
    };
    let state = alices.expect("Bob without the state", is_bare).await;
    assert_eq!(state.state_of(&pair.bob).unwrap()["user"]["name"], "Bob");

    bobs.insert(0, "after ").await;
    alices.expect_text("after Welcome.").await;
    assert_eq!((bobs.state().denials, bobs.state().closed), (0, None));
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn a_state_vector_of_any_number_of_clients_is_answered() {
    let pair = Pair::start().await;
    let editor = pair.bob.connect_editor(pair.document, kit::new_doc(), "").await.unwrap();
    // 500,000 clients that the document does not have: 3 MB.
    let clients = (0..500_000_u64).map(|client| ((1 << 31) + client, 1));
    let clocks = coscribe::wire::yjs::encode_state_vector(clients.collect::<Vec<_>>());
    assert!(clocks.len() > 1 << 21);

    editor.send(&sync_message(&[0, 0], &clocks)).await;

    editor.expect("sync step 2", |state| state.sync_replies == 1).await;
    assert_eq!(editor.content(), "Welcome.");
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_update_that_adds_too_many_clients_is_refused_by_itself() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__DOCUMENT_CLIENTS", "5")]).await;
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    bobs.insert(0, "1 ").await;
    bobs.expect_saved().await;
    // Six clients, each with a letter.
    let forged: Vec<u8> = (10..16)
        .flat_map(|client| {
            [1, client, 0, 4, 1, 7, b'c', b'o', b'n', b't', b'e', b'n', b't', 1, b'x']
        })
        .collect();
    let alices = pair.alice.open_editor(pair.document).await;
    alices.send_update(&[&[6][..], &forged, &[0]].concat()).await;
    let state = alices.expect("a denial", |state| state.denials == 1).await;
    let reason = state.denial.unwrap();
    assert!(reason.contains("5 pages (Yjs clients)"), "{reason}");
    assert_eq!(pair.alice.read(pair.document).await["version"], 2);

    // Clients that the document has may go on, and so may new ones up to the limit.
    bobs.insert(0, "2 ").await;
    bobs.expect_saved().await;
    alices.expect_text("2 1 Welcome.").await;
    alices.insert(0, "3 ").await;
    bobs.expect_text("3 2 1 Welcome.").await;
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_editor_over_a_limit_is_told_why_and_is_stored_once_it_has_shortened_the_text() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__DOCUMENT", "1000")]).await;
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    bobs.insert(0, &"x".repeat(1_000)).await;
    let state = bobs.expect("a denial", |state| state.denials == 1).await;
    let expected = "The document would have 1008 bytes, but may have 1000. Undo, or move a part to another document.";
    assert_eq!(state.denial.as_deref(), Some(expected));

    bobs.delete(0, 500).await;
    bobs.insert(0, "short ").await;

    bobs.expect_saved().await;
    let text = pair.alice.read_text(pair.document).await;
    assert_eq!(text, bobs.content());
    pair.stop(bobs).await;
}
