//! A connection that dies in silence, as when a phone changes networks, and the one that follows it.

use coscribe::domain::DocumentId;
use kit::{
    Client as _, Editor, EditorState, Node as _, Pair, Person, Proxy, expect_eventually, new_doc,
    within,
};
use serde_json::json;

/// The user has one connection, and the heartbeat would find it dead long after the test.
const ONE: &[(&str, &str)] = &[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")];

const REPLACED: (u16, &str) = (4412, "A newer connection of this client has replaced this one");

const LIMITED: (u16, &str) = (4403, "You have too many connections open; close some of them");

/// Connects until the node admits the editor, as the provider does.
async fn reopen(person: &Person, document: DocumentId, editor: &Editor) -> Editor {
    let admitted = async {
        loop {
            let next = person.connect_editor(document, editor.doc.clone(), "").await.unwrap();
            next.try_send_sync_step_1().await;
            let state = next
                .expect("sync step 2 or the end", |state| {
                    state.sync_replies > 0 || state.closed.is_some()
                })
                .await;
            if state.closed.is_none() {
                return next;
            }
        }
    };
    within("the admission", admitted).await
}

#[actix_web::test]
async fn a_dead_connection_gives_way_to_the_next_one_of_its_user() {
    let pair = Pair::start_with(ONE).await;
    let phone = Proxy::to(pair.node.address().to_string()).await;
    let alice = pair.alice.at_address(phone.address());
    let bobs_tab = pair.bob.open(pair.document).await;
    let dead = alice.open(pair.document).await;
    bobs_tab.expect_joined(&pair.alice).await;

    phone.freeze_connections();
    let socket = alice.reconnect().await;

    assert_eq!(bobs_tab.expect_left(&pair.alice).await["sessionId"], json!(dead.session()));
    assert_eq!(pair.node.metric("coscribe_slots_reclaimed_total").await, 1);
    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    pair.stop((dead, socket, bobs_tab)).await;
}

#[actix_web::test]
async fn a_dead_editor_gives_way_to_the_next_one_of_its_user() {
    let pair = Pair::start_with(ONE).await;
    let phone = Proxy::to(pair.node.address().to_string()).await;
    let alice = pair.alice.at_address(phone.address());
    let bobs_tab = pair.bob.open(pair.document).await;
    let dead = alice.open_editor(pair.document).await;
    bobs_tab.expect_joined(&pair.alice).await;

    phone.freeze_connections();
    let editor = reopen(&alice, pair.document, &dead).await;

    bobs_tab.expect_left(&pair.alice).await;
    bobs_tab.expect_joined(&pair.alice).await;
    editor.insert(0, "Back. ").await;
    assert_eq!(bobs_tab.expect_change().await["content"], "Back. Welcome.");
    pair.stop((dead, editor, bobs_tab)).await;
}

#[actix_web::test]
async fn connections_whose_clients_answer_are_never_closed_for_another() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "2")]).await;
    let (socket, editor) =
        (pair.alice.connect().await, pair.alice.open_editor(pair.document).await);

    for _ in 0..3 {
        let (code, text) = pair.alice.try_connect().await.err().unwrap();
        assert_eq!((code, text.as_str()), LIMITED);
    }

    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    assert_eq!(editor.state().closed, None);
    assert_eq!(pair.node.metric("coscribe_slots_reclaimed_total").await, 0);
    pair.stop((socket, editor)).await;
}

#[actix_web::test]
async fn a_session_that_names_its_predecessor_replaces_it_at_once() {
    let pair = Pair::start_with(ONE).await;
    let bobs_tab = pair.bob.open(pair.document).await;
    let old = pair.alice.open(pair.document).await;
    bobs_tab.expect_joined(&pair.alice).await;

    let new = pair.alice.connect_in_place_of(old.session()).await;

    let (code, text) = old.socket.expect_close().await;
    assert_eq!((code, text.as_str()), REPLACED);
    assert_eq!(bobs_tab.expect_left(&pair.alice).await["sessionId"], json!(old.session()));
    assert!(new.run("{ me { id } }", json!({})).await.is_ok());
    pair.stop((old, new, bobs_tab)).await;
}

#[actix_web::test]
async fn nobody_can_name_a_session_of_another_user() {
    let pair = Pair::start().await;
    let alices = pair.alice.open(pair.document).await;
    let editor = pair.alice.open_editor_with(pair.document, new_doc(), "&client=7").await;

    let bobs = pair.bob.connect_in_place_of(alices.session()).await;
    let bobs_editor = pair.bob.open_editor_with(pair.document, new_doc(), "&client=7").await;

    assert!(alices.socket.run("{ me { id } }", json!({})).await.is_ok());
    bobs_editor.insert(0, "All here. ").await;
    editor.expect_text("All here. Welcome.").await;
    pair.stop((alices, editor, bobs, bobs_editor)).await;
}

#[actix_web::test]
async fn an_editor_that_sends_its_client_id_replaces_its_predecessor_at_once() {
    let pair = Pair::start_with(ONE).await;
    let bobs_tab = pair.bob.open(pair.document).await;
    let doc = new_doc();
    let query = format!("&client={}", doc.client_id());
    let old = pair.alice.open_editor_with(pair.document, doc.clone(), &query).await;
    bobs_tab.expect_joined(&pair.alice).await;

    let new = pair.alice.open_editor_with(pair.document, doc, &query).await;

    let (code, text) = old.expect_close().await;
    assert_eq!((code, text.as_str()), REPLACED);
    bobs_tab.expect_left(&pair.alice).await;
    bobs_tab.expect_joined(&pair.alice).await;
    pair.stop((old, new, bobs_tab)).await;
}

#[actix_web::test]
async fn a_client_id_on_another_document_is_another_editor() {
    let pair = Pair::start().await;
    let other = pair.alice.create_document("Other", "").await;
    let first = pair.alice.open_editor_with(pair.document, new_doc(), "&client=7").await;
    let second = pair.alice.open_editor_with(other, new_doc(), "&client=7").await;

    for editor in [&first, &second] {
        editor.insert(0, "Both. ").await;
    }
    let text = async |document| pair.alice.read_text(document).await;
    expect_eventually("both texts", async || {
        text(pair.document).await == "Both. Welcome." && text(other).await == "Both. "
    })
    .await;
    pair.stop((first, second)).await;
}

/// The stock provider sends its client id only with its awareness. Tabs of one browser pass on each other's awareness, so a
/// client id may also appear on the connection of another tab.
#[actix_web::test]
async fn of_two_editors_whose_client_id_a_newer_session_uses_only_the_dead_one_is_closed() {
    let pair = Pair::start().await;
    let phone = Proxy::to(pair.node.address().to_string()).await;
    let on_phone = pair.alice.at_address(phone.address());
    let watching = pair.bob.open_editor(pair.document).await;
    let living = pair.alice.open_editor(pair.document).await;
    let tab = pair.alice.open_editor(pair.document).await;
    let dead = on_phone.open_editor(pair.document).await;
    let announce = async |editor: &Editor, client: u64, at: &str| {
        editor.send_awareness(client, 1, &json!({ "at": at })).await;
        let is_there = |state: &EditorState| {
            let shown = state.peers.get(&client).and_then(|(_, state)| state.as_ref());
            shown.is_some_and(|state| state["at"] == at)
        };
        watching.expect(at, is_there).await
    };
    announce(&living, living.client, "a tab").await;
    let state = announce(&dead, dead.client, "home").await;
    let session_of = |state: &EditorState, client: u64| {
        state.peers[&client].1.as_ref().unwrap()["user"]["sessionId"].clone()
    };
    let dead_session = session_of(&state, dead.client);

    // The living one is probed first, so it would be closed first.
    announce(&tab, living.client, "the other tab").await;
    phone.freeze_connections();
    let back = on_phone.open_editor_with(pair.document, dead.doc.clone(), "").await;
    let state = announce(&back, dead.client, "work").await;
    assert_ne!(session_of(&state, dead.client), dead_session);

    expect_eventually("the end of the dead session", async || {
        !pair.bob.present_sessions(pair.document).await.contains(&dead_session)
    })
    .await;
    let closes = "coscribe_session_closes_total{reason=\"silent\"}";
    assert_eq!(pair.node.metric(closes).await, 1);
    assert_eq!((living.state().closed, tab.state().closed), (None, None));
    pair.stop((watching, living, tab, dead, back)).await;
}
