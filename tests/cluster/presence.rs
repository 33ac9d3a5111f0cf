//! Presence over several nodes: one list of sessions, whichever nodes they are on.

use chrono::Utc;
use coscribe::{
    domain::{Color, Presence, SessionId, User},
    wire::envelope::{Incarnation, PresenceEntry},
};
use kit::{Client as _, Pair, expect_eventually};
use serde_json::json;

use crate::{
    SHORT_LEASE,
    relay::{connect_to_redis, expect_listeners},
};

#[actix_web::test]
async fn presence_and_cursors_of_one_node_reach_another_once() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices_tab = alice.open(*document).await;
    let bobs_tab = bob.at(&peer).open(*document).await;
    alices_tab.expect_joined(bob).await;
    expect_listeners(&pair.node, *document, 2).await;
    bobs_tab.move_cursor(*document, 2, 5).await.value();
    let moved = alices_tab.expect_cursor().await;
    assert_eq!(
        (&moved["sessionId"], &moved["cursor"]["line"]),
        (&json!(bobs_tab.session()), &json!(2))
    );
    assert_eq!(moved["user"]["name"], "Bob");
    alices_tab.move_cursor(*document, 1, 1).await.value();
    assert_eq!(bobs_tab.expect_cursor().await["sessionId"], json!(alices_tab.session()));

    let both = vec![json!(alices_tab.session()), json!(bobs_tab.session())];
    assert_eq!(alice.present_sessions(*document).await, both);
    let at_peer = bob.at(&peer);
    let is_shared = async || at_peer.present_sessions(*document).await == both;
    expect_eventually("the same list on the other node", is_shared).await;

    // A third tab joins and leaves: a marker that shows that nothing is delivered twice.
    let third_tab = bob.at(&peer).open(*document).await;
    assert_eq!(alices_tab.expect_joined(bob).await["sessionId"], json!(third_tab.session()));
    assert_eq!(bobs_tab.expect_joined(bob).await["sessionId"], json!(third_tab.session()));
    let third = third_tab.session();
    third_tab.socket.close().await;
    assert_eq!(alices_tab.expect_left(bob).await["sessionId"], json!(third));
    assert_eq!(bobs_tab.expect_left(bob).await["sessionId"], json!(third));
    bobs_tab.socket.close().await;
    alices_tab.expect_left(bob).await;
    alices_tab.assert_nothing_unread();
    pair.stop_with(peer, alices_tab).await;
}

#[actix_web::test]
async fn a_session_sees_those_on_other_nodes_and_when_they_leave() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let bobs_tab = bob.at(&peer).open(*document).await;
    let alices_tab = alice.open(*document).await;
    bobs_tab.expect_joined(alice).await;
    let lists_both = async || alice.present_sessions(*document).await.len() == 2;
    expect_eventually("Bob in the list of Alice's node", lists_both).await;

    bobs_tab.socket.close().await;
    alices_tab.expect_left(bob).await;
    alices_tab.assert_nothing_unread();
    pair.stop_with(peer, alices_tab).await;
}

#[actix_web::test]
async fn a_cursor_sent_over_http_to_another_node_moves_the_named_session() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices_tab = alice.open(*document).await;
    let bobs_tab = bob.open(*document).await;
    alices_tab.expect_joined(bob).await;

    // A load balancer sends Bob's request to another node.
    let over_http = bob.at(&peer).with_session(bobs_tab.session());
    let lists_bob =
        async || over_http.presence(*document).await.value().to_string().contains("Bob");
    expect_eventually("Bob's entry in the shared roster", lists_bob).await;
    expect_listeners(&pair.node, *document, 1).await;
    over_http.move_cursor(*document, 7, 3).await.value();

    let moved = alices_tab.expect_cursor().await;
    assert_eq!(
        (&moved["sessionId"], &moved["cursor"]["line"]),
        (&json!(bobs_tab.session()), &json!(7))
    );
    bobs_tab.assert_nothing_unread();
    // The session of another user cannot be named.
    let foreign = alice.at(&peer).with_session(bobs_tab.session());
    let refused = foreign.move_cursor(*document, 1, 1).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    pair.stop_with(peer, (alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn the_presence_of_a_node_that_is_gone_is_removed() {
    let pair = Pair::start_with(&SHORT_LEASE).await;
    let Pair { alice, bob, document, .. } = &pair;
    let (mut connection, keys) = connect_to_redis(&pair.node).await;
    // What a failover of a Redis Cluster can bring back: an entry of an incarnation that no index and no set knows.
    let presence = Presence {
        document: *document,
        session: SessionId::new(),
        color: Color::of(*document, bob.id),
        user: User { id: bob.id, name: "Bob".into() },
        cursor: None,
        joined_at: Utc::now(),
        last_seen: Utc::now(),
    };
    let session = presence.session;
    let entry = PresenceEntry { incarnation: Incarnation::new_v4(), presence };
    let mut write = redis::cmd("HSET");
    write.arg(keys.presence(*document)).arg(session.uuid().as_bytes()).arg(entry.encode());
    write.query_async::<()>(&mut connection).await.unwrap();

    let alices_tab = alice.open(*document).await;
    let only_alice = [json!(alices_tab.session())];
    let is_listed = async || alice.present_sessions(*document).await == only_alice;
    expect_eventually("a list without the session that is gone", is_listed).await;
    assert_eq!(alices_tab.expect_left(bob).await["sessionId"], json!(session));
    let is_removed = async || {
        let mut connection = connection.clone();
        let mut exists = redis::cmd("HEXISTS");
        exists.arg(keys.presence(*document)).arg(session.uuid().as_bytes());
        !exists.query_async::<bool>(&mut connection).await.unwrap()
    };
    expect_eventually("the removal of the entry", is_removed).await;
    alices_tab.assert_nothing_unread();
    pair.stop(alices_tab).await;
}
