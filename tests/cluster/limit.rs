//! The limit on the connections of one user, which holds for all nodes together.

use coscribe::{domain::SessionId, wire::envelope::Incarnation};
use futures_util::future::join_all;
use kit::{Client as _, Node as _, Pair, Person, Proxy, expect_eventually, new_doc, within};
use serde_json::json;

use crate::{SHORT_LEASE, relay::connect_to_redis};

const REFUSED: (u16, &str) = (4403, "You have too many connections open; close some of them");

#[actix_web::test]
async fn the_eleventh_connection_is_refused_on_every_node() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let mut sockets = Vec::new();
    for number in 0..10 {
        let node = if number % 3 == 0 { &pair.node } else { &peer };
        sockets.push(pair.alice.at(node).try_connect().await.unwrap());
    }
    for node in [&pair.node, &peer] {
        let refused = pair.alice.at(node).try_connect().await.err().unwrap();
        assert_eq!((refused.0, refused.1.as_str()), REFUSED);
        // Other users are not affected.
        drop(pair.bob.at(node).try_connect().await.unwrap());
    }
    // A slot that is released on one node is free on every node.
    sockets.pop().unwrap().close().await;
    sockets.push(pair.alice.reconnect().await);
    pair.stop_with(peer, sockets).await;
}

#[actix_web::test]
async fn of_twenty_simultaneous_connections_ten_are_admitted() {
    let pair = Pair::start().await;
    let (second, third) = (pair.node.start_peer().await, pair.node.start_peer().await);
    for _round in 0..3 {
        let people: Vec<_> = (0..20)
            .map(|number| pair.alice.at([&pair.node, &second, &third][number % 3]))
            .collect();
        let arrivals = people.iter().map(Person::try_connect);
        let (admitted, refused): (Vec<_>, Vec<_>) =
            join_all(arrivals).await.into_iter().partition(Result::is_ok);
        assert_eq!((admitted.len(), refused.len()), (10, 10));
        drop(admitted);
        // All slots are free again when ten connections are admitted on one node.
        let all_free = async {
            let mut sockets = Vec::new();
            while sockets.len() < 10 {
                sockets.extend(pair.alice.at(&second).try_connect().await.ok());
            }
            for socket in sockets {
                socket.close().await;
            }
        };
        within("ten free slots", all_free).await;
        within("the end of their sessions", second.sessions().gone()).await;
        let (connection, keys) = connect_to_redis(&pair.node).await;
        let slots = keys.slots(pair.alice.id);
        let no_slot_is_taken = async || {
            let mut connection = connection.clone();
            redis::cmd("HLEN").arg(&slots).query_async::<u64>(&mut connection).await.unwrap() == 0
        };
        expect_eventually("the release of all slots", no_slot_is_taken).await;
    }
    third.stop().await;
    pair.stop_with(second, ()).await;
}

/// One connection for each user.
const ONE: &[(&str, &str)] = &[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")];

/// The close frame of a session that was replaced.
const REPLACED: (u16, &str) = (4412, "A newer connection of this client has replaced this one");

#[actix_web::test]
async fn a_dead_connection_gives_way_to_the_next_one_of_its_user_on_another_node() {
    let pair = Pair::start_with(ONE).await;
    let peer = pair.node.start_peer().await;
    let phone = Proxy::to(pair.node.address().to_string()).await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    let dead = pair.alice.at_address(phone.address()).open(pair.document).await;
    bobs_tab.expect_joined(&pair.alice).await;

    phone.freeze_connections();
    let socket = pair.alice.at(&peer).reconnect().await;

    assert_eq!(bobs_tab.expect_left(&pair.alice).await["sessionId"], json!(dead.session()));
    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    pair.stop_with(peer, (dead, socket, bobs_tab)).await;
}

#[actix_web::test]
async fn a_session_replaces_its_predecessor_on_another_node() {
    let pair = Pair::start_with(ONE).await;
    let peer = pair.node.start_peer().await;
    let alice_there = pair.alice.at(&peer);

    let old = pair.alice.connect().await;
    let new = alice_there.connect_in_place_of(old.session()).await;
    let (code, text) = old.expect_close().await;
    assert_eq!((code, text.as_str()), REPLACED);
    new.close().await;

    let doc = new_doc();
    let query = format!("&client={}", doc.client_id());
    let old = pair.alice.open_editor_with(pair.document, doc.clone(), &query).await;
    let new = alice_there.open_editor_with(pair.document, doc, &query).await;
    let (code, text) = old.expect_close().await;
    assert_eq!((code, text.as_str()), REPLACED);
    pair.stop_with(peer, (old, new)).await;
}

/// The stock provider sends its client id only with its awareness.
#[actix_web::test]
async fn an_editor_that_comes_back_on_another_node_ends_its_dead_predecessor() {
    // Nodes exchange awareness once a lease has passed in which all of them could read it.
    let often = [("COSCRIBE__ROOM__AWARENESS_EVERY", "300ms")];
    let pair = Pair::start_with(&[&SHORT_LEASE[..], &often].concat()).await;
    let peer = pair.node.start_peer().await;
    let phone = Proxy::to(pair.node.address().to_string()).await;
    let watching = pair.bob.at(&peer).open_editor(pair.document).await;
    let dead = pair.alice.at_address(phone.address()).open_editor(pair.document).await;
    dead.send_awareness(dead.client, 1, &json!({ "at": "home" })).await;
    watching.expect("Alice", |state| state.peers.contains_key(&dead.client)).await;

    phone.freeze_connections();
    let doc = dead.doc.clone();
    let back = pair.alice.at(&peer).open_editor_with(pair.document, doc, "").await;
    back.send_awareness(back.client, 2, &json!({ "at": "work" })).await;

    expect_eventually("the end of the dead session", async || {
        pair.alice.present_sessions(pair.document).await.len() == 2
    })
    .await;
    pair.stop_with(peer, (watching, dead, back)).await;
}

#[actix_web::test]
async fn slots_of_a_node_that_is_gone_are_released_when_they_are_needed() {
    let pair = Pair::start_with(&SHORT_LEASE).await;
    let peer = pair.node.start_peer().await;
    let (mut connection, keys) = connect_to_redis(&pair.node).await;
    // What a failover of a Redis Cluster can bring back: ten slots of an incarnation that no index and no set knows.
    let gone = Incarnation::new_v4();
    let mut write = redis::cmd("HSET");
    write.arg(keys.slots(pair.alice.id));
    for _ in 0..10 {
        write.arg(SessionId::new().uuid().as_bytes()).arg(gone.as_bytes());
    }
    write.query_async::<()>(&mut connection).await.unwrap();

    // Each node judges by itself. A connection that finds no slot waits for a while before it is refused.
    let mut sockets = Vec::new();
    for node in [&pair.node, &peer] {
        let connected = async {
            loop {
                if let Ok(socket) = pair.alice.at(node).try_connect().await {
                    return socket;
                }
            }
        };
        sockets.push(within("a free slot", connected).await);
    }
    let taken: u64 = {
        let mut connection = connection.clone();
        let count = redis::cmd("HLEN").arg(keys.slots(pair.alice.id)).take();
        count.query_async(&mut connection).await.unwrap()
    };
    assert_eq!(taken, 2);
    pair.stop_with(peer, sockets).await;
}
