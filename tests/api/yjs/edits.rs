//! Edits by Yjs editors: they are merged, stored, broadcast once and acknowledged, and slow editors catch up.

use kit::{Client as _, EditorState, Node as _, ON_FILE, Pair, new_doc, sync_message};
use serde_json::json;
use yrs::{
    Doc, ReadTxn as _, Text as _, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _,
    updates::encoder::Encode as _,
};

use crate::locked_database::LockedDatabase;

#[actix_web::test]
async fn a_change_reaches_both_protocols_once_and_not_its_author() {
    let pair = Pair::start().await;
    let tab = pair.alice.open(pair.document).await;
    let (alices, bobs) = pair.open_editors().await;

    bobs.insert(0, "Hi! ").await;
    let change = tab.expect_version(2).await;
    assert_eq!((&change["kind"], &change["content"]), (&json!("EDITED"), &json!("Hi! Welcome.")));
    assert_eq!(change["delta"], json!([{ "insert": "Hi! ", "retain": null, "delete": null }]));
    assert_eq!(change["author"]["name"], "Bob");
    alices.expect_text("Hi! Welcome.").await;

    // By a session, and over HTTP without one: both reach every editor.
    let delta = || json!([{ "retain": 4 }, { "insert": "🎈 " }]);
    tab.edit(pair.document, 2, delta()).await.value();
    alices.expect_text("Hi! 🎈 Welcome.").await;
    pair.alice.edit(pair.document, 3, delta()).await.value();
    for editor in [&alices, &bobs] {
        editor.expect_text("Hi! 🎈 🎈 Welcome.").await;
    }

    bobs.delete(0, 4).await;
    alices.expect_text("🎈 🎈 Welcome.").await;
    // Over HTTP in the name of the editor's session, but not by the editor.
    let present = tab.presence(pair.document).await.value();
    let bobs_entry =
        present.as_array().unwrap().iter().find(|entry| entry["user"]["name"] == "Bob").unwrap();
    let session = bobs_entry["sessionId"].as_str().unwrap().parse().unwrap();
    pair.bob.with_session(session).edit(pair.document, 4, delta()).await.value();
    for editor in [&alices, &bobs] {
        editor.expect_text("🎈 🎈 🎈 Welcome.").await;
    }
    assert_eq!(alices.state().updates.len(), 5, "every change once");
    assert_eq!(bobs.state().updates.len(), 3, "every change but its own");
    pair.stop((tab, alices, bobs)).await;
}

#[actix_web::test]
async fn an_update_without_effect_makes_no_version_and_is_acknowledged() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    let update = editor.insert_unsent(0, "x");
    editor.send_update(&update).await;
    let is_second = |state: &EditorState| state.saved.as_ref().is_some_and(|saved| saved.0 == 2);
    editor.expect("a save receipt", is_second).await;
    for _ in 0..3 {
        editor.send_update(&update).await;
        editor.send_update(&[0, 0]).await;
    }
    // The next change makes the next version.
    editor.insert(0, "y").await;
    let is_later = |state: &EditorState| state.saved.as_ref().is_some_and(|saved| saved.0 > 2);
    let state = editor.expect("the next save receipt", is_later).await;
    let (version, state_vector) = state.saved.unwrap();
    assert_eq!(version, 3);
    assert_eq!(state_vector, editor.doc.transact().state_vector());
    assert_eq!(pair.bob.read(pair.document).await["version"], 3);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_acknowledgement_carries_the_clocks_that_have_changed() {
    const PAGES: usize = 300;
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")]).await;
    // Each page that ever edited the document is a client in its state vector.
    let alices = pair.alice.open_editor_with_receipts(pair.document).await;
    let pages: Vec<_> = (0..PAGES).map(|_| new_doc()).collect();
    for page in &pages {
        let text = page.get_or_insert_text("content");
        let mut txn = page.transact_mut();
        text.insert(&mut txn, 0, "x");
        alices.send_update(&txn.encode_update_v1()).await;
    }
    let has_all = |state: &EditorState| {
        let clocks = state.saved.as_ref().map(|(_, saved)| saved);
        let has = |page: &Doc| clocks.is_some_and(|clocks| clocks.get(&page.client_id()) == 1);
        pages.iter().all(has)
    };
    alices.expect("the clocks of all pages", has_all).await;

    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    // The answer to its sync step 2.
    bobs.expect("all clocks", |state| state.saved_clients > PAGES).await;

    alices.insert(0, "Alice ").await;
    bobs.expect("Alice's change", |_state| bobs.content().contains("Alice")).await;
    bobs.insert(0, "Bob ").await;
    bobs.expect_saved().await;
    let state = bobs.state();
    assert_eq!(state.saved_clients, 2, "Bob and Alice");
    assert_eq!(state.saved.unwrap().1, bobs.doc.transact().state_vector());
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_update_that_misses_earlier_ones_is_completed_by_a_sync() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open_editors().await;
    bobs.expect("sync step 1", |state| state.sync_requests == 1).await;
    bobs.insert_unsent(0, "one ");
    bobs.insert(4, "two ").await;
    bobs.expect("another sync step 1", |state| state.sync_requests == 2).await;
    alices.expect_text("one two Welcome.").await;
    assert_eq!(pair.alice.read(pair.document).await["version"], 2, "both as one change");
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_edit_that_the_database_refuses_is_requested_again_until_it_is_stored() {
    let settings = [ON_FILE, ("COSCRIBE__STORE__BUSY_WITHIN", "50ms")];
    let pair = Pair::start_with(&settings).await;
    let alices = pair.alice.open_editor(pair.document).await;
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    let lock = LockedDatabase::of(&pair.node).await;

    bobs.insert(0, "Kept ").await;
    let asked = bobs.expect("being asked again", |state| state.sync_requests >= 3).await;
    assert!(asked.saved.is_none_or(|(version, _)| version == 1));
    assert_eq!(alices.content(), "Welcome.");
    lock.unlock().await;

    bobs.expect_saved().await;
    alices.expect_text("Kept Welcome.").await;
    assert_eq!(alices.state().updates.len(), 1);
    assert_eq!(pair.alice.read(pair.document).await["version"], 2);
    assert_eq!((alices.state().closed, bobs.state().closed), (None, None));
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn a_document_opens_while_the_database_accepts_no_edits() {
    let settings = [ON_FILE, ("COSCRIBE__STORE__BUSY_WITHIN", "50ms")];
    let pair = Pair::start_with(&settings).await;
    let lock = LockedDatabase::of(&pair.node).await;

    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;

    // Its sync step 2 brings nothing new.
    assert_eq!(bobs.expect_saved().await, 1);
    let state = bobs.state();
    assert_eq!((state.stored_updates, state.closed), (vec![1], None));
    assert_eq!(bobs.content(), "Welcome.");
    lock.unlock().await;
    pair.stop(bobs).await;
}

#[actix_web::test]
async fn the_count_of_stored_updates_stops_before_one_that_was_denied() {
    let pair = Pair::start().await;
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;
    // No later update depends on a deletion.
    bobs.delete(0, 3).await;
    bobs.expect("a denial", |state| state.denials == 1).await;
    pair.alice.grant(pair.document, &pair.bob, "EDIT").await.value();

    bobs.insert(5, "!").await;

    // The sync step 2 that the server requests has the deletion too.
    let is_complete = |state: &EditorState| state.stored_updates.last() == Some(&3);
    let state = bobs.expect("an acknowledgement of all updates", is_complete).await;
    assert_eq!(state.stored_updates, [0, 3]);
    assert_eq!(pair.alice.read_text(pair.document).await, "come.!");
    pair.stop(bobs).await;
}

#[actix_web::test]
async fn a_viewer_is_refused_and_may_edit_once_granted() {
    let pair = Pair::start().await;
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    let (alices, bobs) = pair.open_editors().await;
    for letter in ["a", "b"] {
        bobs.insert(0, letter).await;
    }
    bobs.expect("a denial", |state| state.denials > 0).await;
    alices.insert(0, "q").await;
    bobs.expect("Alice's change", |_state| bobs.content().contains('q')).await;
    assert_eq!(bobs.state().sync_requests, 0, "the server requests nothing of a viewer");
    assert!(alices.state().shows(&pair.bob) || alices.state().peers.is_empty());
    assert_eq!(pair.alice.read(pair.document).await["content"], "qWelcome.");

    pair.alice.grant(pair.document, &pair.bob, "EDIT").await.value();
    bobs.insert(0, "d").await;
    alices
        .expect("all changes", |_state| "abd".chars().all(|c| alices.content().contains(c)))
        .await;
    assert_eq!(alices.content(), bobs.content());

    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    let denials = bobs.state().denials;
    bobs.insert(0, "z").await;
    bobs.expect("another denial", |state| state.denials > denials).await;
    assert!(!alices.content().contains('z'));
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn other_yjs_types_are_stored_as_versions() {
    let mut pair = Pair::start().await;
    let tab = pair.alice.open(pair.document).await;
    let bobs = pair.bob.open_editor(pair.document).await;
    let update = {
        let mut txn = bobs.doc.transact_mut();
        let xml = txn.get_or_insert_xml_fragment("prosemirror");
        xml.push_back(&mut txn, XmlElementPrelim::empty("paragraph"));
        txn.encode_update_v1()
    };
    bobs.send_update(&update).await;
    let change = tab.expect_version(2).await;
    assert_eq!((&change["kind"], &change["delta"]), (&json!("EDITED"), &json!([])));
    assert_eq!(change["content"], "Welcome.");
    drop((tab, bobs));
    pair.node.expect_rooms_closed().await;
    pair.node.restart().await;

    let alice = pair.alice.at(&pair.node);
    let alices = alice.open_editor(pair.document).await;
    let xml = alices.doc.get_or_insert_xml_fragment("prosemirror");
    assert_eq!(yrs::GetString::get_string(&xml, &alices.doc.transact()), "<paragraph></paragraph>");
    assert_eq!(alices.content(), "Welcome.");
    pair.stop(alices).await;
}

#[actix_web::test]
async fn a_slow_editor_receives_what_it_missed_in_one_update() {
    let settings =
        [("COSCRIBE__OUTBOX__BOUND", "65536"), ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::start_with(&settings).await;
    let alices = pair.alice.open_editor_with_receipts(pair.document).await;
    let bobs = pair.bob.open_slow_editor(pair.document).await;
    bobs.stop_reading();
    // Write until the kernels and the outbox accept no more, then some that only the log holds.
    let (mut round, mut rounds_behind) = (0, 0);
    while rounds_behind < 10 {
        alices.insert(0, &format!("{round:08}").repeat(6_000)).await;
        alices.expect_saved().await;
        round += 1;
        rounds_behind += pair.node.metric("coscribe_seats_behind").await;
    }
    alices.insert(0, "the end").await;

    bobs.resume_reading();
    bobs.expect_text(&alices.content()).await;
    let changes = pair.alice.read_version(pair.document).await - 1;
    let updates = bobs.state().updates.len();
    assert!(i64::try_from(updates).unwrap() < changes, "{updates} updates for {changes} changes");
    assert_eq!(pair.node.metric("coscribe_seats_behind").await, 0);
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_editor_may_repeat_sync_step_1() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open_editors().await;
    alices.insert(0, "1").await;
    bobs.expect_text("1Welcome.").await;
    bobs.send_sync_step_1().await;
    bobs.expect("sync step 2", |state| state.sync_replies == 2).await;
    let nothing = yrs::StateVector::default().encode_v1();
    bobs.send(&sync_message(&[0, 0], &nothing)).await;
    bobs.expect("sync step 2 with everything", |state| state.sync_replies == 3).await;
    alices.insert(0, "2").await;
    bobs.expect_text("21Welcome.").await;
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn updates_that_arrive_during_a_commit_become_one_change() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1")]).await;
    let (alices, bobs) = pair.open_editors().await;
    for _ in 0..50 {
        bobs.insert(0, "x").await;
    }
    alices.expect_text(&format!("{}Welcome.", "x".repeat(50))).await;
    let version = pair.alice.read_version(pair.document).await;
    assert!(
        (2..20).contains(&version),
        "{version}: none was refused, and some were stored together"
    );
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_insertion_in_each_of_many_lines_is_stored() {
    const LINES: usize = 20_000;
    let pair = Pair::start().await;
    let document = pair.alice.create_document("Lines", &"some text, \n".repeat(LINES)).await;
    let editor = pair.alice.open_editor_with_receipts(document).await;
    let text = editor.doc.get_or_insert_text("content");
    let update = {
        let mut txn = editor.doc.transact_mut();
        let indent = yrs::In::from("  ");
        let line = [yrs::types::Delta::Inserted(indent, None), yrs::types::Delta::Retain(12, None)];
        yrs::Text::apply_delta(&text, &mut txn, line.into_iter().cycle().take(2 * LINES));
        txn.encode_update_v1()
    };
    editor.send_update(&update).await;
    assert_eq!(editor.expect_saved().await, 2);
    let stored = pair.alice.read(document).await["content"].clone();
    assert_eq!(stored, "  some text, \n".repeat(LINES));
    pair.stop(editor).await;
}
