//! What editors write: merged, stored, told once, acknowledged, and caught up with.

use sea_orm::ConnectionTrait as _;
use serde_json::json;
use yrs::{
    ReadTxn as _, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _,
    updates::encoder::Encode as _,
};

use crate::support::{
    Client as _, ON_FILE, Pair,
    editor::{fresh_doc, message},
};

#[actix_web::test]
async fn a_change_reaches_both_protocols_once_with_the_same_version_and_not_its_author() {
    let pair = Pair::meet().await;
    let tab = pair.alice.open(pair.document).await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);

    bobs.insert(0, "Hi! ").await;
    let change = tab.expect_version(2).await;
    assert_eq!((&change["kind"], &change["content"]), (&json!("EDITED"), &json!("Hi! Welcome.")));
    assert_eq!(change["delta"], json!([{ "insert": "Hi! ", "retain": null, "delete": null }]));
    assert_eq!(change["author"]["name"], "Bob");
    alices.reads("Hi! Welcome.").await;

    // Over a socket, and without one: that no session is known for the change does not keep it from an editor.
    let edit = "mutation($id: ID!, $base: Int!) {
        editDocument(documentId: $id, baseVersion: $base, delta: [{ retain: 4 }, { insert: \"🎈 \" }]) { version } }";
    tab.run(edit, json!({ "id": pair.document, "base": 2 })).await.value();
    alices.reads("Hi! 🎈 Welcome.").await;
    pair.alice.run(edit, json!({ "id": pair.document, "base": 3 })).await.value();
    for editor in [&alices, &bobs] {
        editor.reads("Hi! 🎈 🎈 Welcome.").await;
    }

    bobs.delete(0, 4).await;
    alices.reads("🎈 🎈 Welcome.").await;
    // In the editor's name, but not by the editor.
    let session = tab.run(
        "query($id: ID!) { documentPresence(documentId: $id) { sessionId user { name } } }",
        json!({ "id": pair.document }),
    );
    let present = session.await.value();
    let bobs_entry =
        present.as_array().unwrap().iter().find(|entry| entry["user"]["name"] == "Bob").unwrap();
    let session = bobs_entry["sessionId"].as_str().unwrap().parse().unwrap();
    pair.bob.naming(session).run(edit, json!({ "id": pair.document, "base": 4 })).await.value();
    for editor in [&alices, &bobs] {
        editor.reads("🎈 🎈 🎈 Welcome.").await;
    }
    assert_eq!(alices.heard().updates.len(), 5, "each change once");
    assert_eq!(bobs.heard().updates.len(), 3, "and none of its own");
    pair.end((tab, alices, bobs)).await;
}

#[actix_web::test]
async fn what_changes_nothing_makes_no_version_and_is_answered() {
    let pair = Pair::meet().await;
    let editor = pair.bob.edit_with(pair.document, fresh_doc(), "&saved=true").await;
    let update = editor.insert_quietly(0, "x");
    editor.update(&update).await;
    editor
        .until("it is stored", |heard| heard.saved.as_ref().is_some_and(|saved| saved.0 == 2))
        .await;
    for _ in 0..3 {
        editor.update(&update).await;
        editor.update(&[0, 0]).await;
    }
    // What comes after it is the next version.
    editor.insert(0, "y").await;
    let heard = editor
        .until("the next is stored", |heard| heard.saved.as_ref().is_some_and(|saved| saved.0 > 2))
        .await;
    let (version, state_vector) = heard.saved.unwrap();
    assert_eq!(version, 3);
    assert_eq!(state_vector, editor.doc.transact().state_vector());
    assert_eq!(pair.bob.read(pair.document).await["version"], 3);
    pair.end(editor).await;
}

#[actix_web::test]
async fn an_update_with_a_hole_before_it_is_asked_about_and_nothing_is_lost() {
    let pair = Pair::meet().await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    bobs.until("it was asked", |heard| heard.questions == 1).await;
    bobs.insert_quietly(0, "one ");
    bobs.insert(4, "two ").await;
    bobs.until("it is asked again", |heard| heard.questions == 2).await;
    alices.reads("one two Welcome.").await;
    assert_eq!(pair.alice.read(pair.document).await["version"], 2, "both as one change");
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn while_the_database_refuses_nothing_is_told_or_acknowledged_and_afterwards_it_comes_once() {
    let settings = [ON_FILE, ("COSCRIBE__STORE__BUSY_WITHIN", "50ms")];
    let pair = Pair::meet_with(&settings).await;
    let alices = pair.alice.edit(pair.document).await;
    let bobs = pair.bob.edit_with(pair.document, fresh_doc(), "&saved=true").await;
    let file = pair.node.folder().join("coscribe.db");
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1).sqlx_logging(false);
    let other = sea_orm::Database::connect(options).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();

    bobs.insert(0, "Kept ").await;
    let (code, reason) = bobs.expect_close().await;
    assert_eq!(code, 1013, "{reason}");
    assert!(bobs.heard().saved.is_none_or(|(version, _)| version == 1));
    assert_eq!(alices.content(), "Welcome.");
    other.execute_unprepared("ROLLBACK").await.unwrap();

    // The editor comes back with what it has.
    let back = pair.bob.edit_with(pair.document, bobs.doc.clone(), "&saved=true").await;
    back.stored().await;
    alices.reads("Kept Welcome.").await;
    assert_eq!(alices.heard().updates.len(), 1);
    assert_eq!(pair.alice.read(pair.document).await["version"], 2);
    pair.end((alices, bobs, back)).await;
}

#[actix_web::test]
async fn whoever_may_only_read_is_refused_and_stays_and_is_heard_when_he_may() {
    let pair = Pair::meet().await;
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    for letter in ["a", "b"] {
        bobs.insert(0, letter).await;
    }
    bobs.until("Bob is refused", |heard| heard.denials > 0).await;
    alices.insert(0, "q").await;
    bobs.until("Bob hears of it", |_heard| bobs.content().contains('q')).await;
    assert_eq!(bobs.heard().questions, 0, "nothing is wanted of him");
    assert!(alices.heard().state_of(&pair.bob).is_some() || alices.heard().others.is_empty());
    assert_eq!(pair.alice.read(pair.document).await["content"], "qWelcome.");

    pair.alice.grant(pair.document, &pair.bob, "EDIT").await.value();
    bobs.insert(0, "d").await;
    alices.until("all of it", |_heard| "abd".chars().all(|c| alices.content().contains(c))).await;
    assert_eq!(alices.content(), bobs.content());

    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    let denials = bobs.heard().denials;
    bobs.insert(0, "z").await;
    bobs.until("Bob is refused again", |heard| heard.denials > denials).await;
    assert!(!alices.content().contains('z'));
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn other_types_are_kept_beside_the_text_and_are_versions_too() {
    let mut pair = Pair::meet().await;
    let tab = pair.alice.open(pair.document).await;
    let bobs = pair.bob.edit(pair.document).await;
    let update = {
        let mut txn = bobs.doc.transact_mut();
        let xml = txn.get_or_insert_xml_fragment("prosemirror");
        xml.push_back(&mut txn, XmlElementPrelim::empty("paragraph"));
        txn.encode_update_v1()
    };
    bobs.update(&update).await;
    let change = tab.expect_version(2).await;
    assert_eq!((&change["kind"], &change["delta"]), (&json!("EDITED"), &json!([])));
    assert_eq!(change["content"], "Welcome.");
    drop((tab, bobs));
    crate::support::within("the end of the room", pair.node.node().rooms().gone()).await;
    pair.node.restart().await;

    let alice = pair.alice.at(&pair.node);
    let alices = alice.edit(pair.document).await;
    let xml = alices.doc.get_or_insert_xml_fragment("prosemirror");
    assert_eq!(yrs::GetString::get_string(&xml, &alices.doc.transact()), "<paragraph></paragraph>");
    assert_eq!(alices.content(), "Welcome.");
    pair.end(alices).await;
}

#[actix_web::test]
async fn a_slow_reader_gets_what_it_missed_in_one_piece() {
    let settings =
        [("COSCRIBE__OUTBOX__BOUND", "65536"), ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::meet_with(&settings).await;
    let alices = pair.alice.edit_with(pair.document, fresh_doc(), "&saved=true").await;
    let bobs = pair.bob.edit_slowly(pair.document).await;
    bobs.stop_reading();
    // Far more than the kernels and the outbox hold together, one by one: what gathers goes as one.
    for round in 0..400 {
        alices.insert(0, &format!("{round:08}").repeat(2_000)).await;
        alices.stored().await;
    }
    assert_eq!(pair.node.meters().await.value("coscribe_seats_behind"), 1.0);
    alices.insert(0, "the end").await;

    bobs.read_on();
    bobs.reads(&alices.content()).await;
    let changes = pair.alice.read(pair.document).await["version"].as_i64().unwrap() - 1;
    let told = bobs.heard().updates.len();
    assert!(i64::try_from(told).unwrap() < changes, "{told} updates for {changes} changes");
    assert_eq!(pair.node.meters().await.value("coscribe_seats_behind"), 0.0);
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn an_editor_may_ask_again_for_what_it_misses() {
    let pair = Pair::meet().await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    alices.insert(0, "1").await;
    bobs.reads("1Welcome.").await;
    bobs.sync().await;
    bobs.until("it is answered", |heard| heard.answers == 2).await;
    let nothing = yrs::StateVector::default().encode_v1();
    bobs.send(&message(&[0, 0], &nothing)).await;
    bobs.until("with everything", |heard| heard.answers == 3).await;
    alices.insert(0, "2").await;
    bobs.reads("21Welcome.").await;
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn what_gathers_while_something_is_stored_becomes_one_change() {
    let pair = Pair::meet_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "5")]).await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    for _ in 0..50 {
        bobs.insert(0, "x").await;
    }
    alices.reads(&format!("{}Welcome.", "x".repeat(50))).await;
    let version = pair.alice.read(pair.document).await["version"].as_i64().unwrap();
    assert!((2..20).contains(&version), "{version}: none was refused, and some went together");
    pair.end((alices, bobs)).await;
}
