//! What one client may have, and how it is told that it has it.

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{
        Account, Frame, Handshake, RawSocket, document, meter, refused, seats, until, until_meter,
    },
};

fn message(value: Value) -> Vec<u8> {
    Frame::text(&value.to_string()).bytes()
}

#[actix_web::test]
async fn the_eleventh_connection_of_a_user_is_refused() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(RawSocket::admitted(&node, &alice).await);
    }
    let exceeded = (4403, "Connection limit exceeded".to_owned());
    let eleventh = async || {
        let mut socket = Handshake::to(&node).open().await;
        let payload = json!({ "authToken": alice.token });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        socket.closed().await
    };

    assert_eq!(eleventh().await, exceeded);
    assert_eq!(meter(&node, "coscribe_slots_refused_total").await, 1);
    // Somebody else has his own ten, and the others have not noticed.
    sockets.push(RawSocket::admitted(&node, &bob).await);
    for socket in &mut sockets {
        socket.lives().await;
    }

    // Free again as soon as the client knows that it has closed.
    let mut one = sockets.remove(0);
    one.send(Frame::close(1000, "")).await;
    one.receive().await;
    sockets.push(RawSocket::admitted(&node, &alice).await);
    assert_eq!(eleventh().await, exceeded);

    drop(sockets);
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_that_was_cut_off_gives_its_place_back_at_once() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(RawSocket::admitted(&node, &alice).await);
    }

    for _ in 0..5 {
        sockets.remove(0).reset();
        // Long before anybody could have called it silent.
        until_meter(&node, "active_websocket_connections", 9).await;
        sockets.push(RawSocket::admitted(&node, &alice).await);
    }

    drop(sockets);
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_that_is_not_admitted_takes_no_place() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")]).await;
    let alice = Account::new(&node, "alice").await;
    let path = format!("/graphql?token={}", alice.token);

    let waiting = Handshake::to(&node).path(&path).open().await;
    let mut admitted = RawSocket::admitted(&node, &alice).await;
    admitted.lives().await;

    drop((waiting, admitted));
    node.stop().await;
}

#[actix_web::test]
async fn operations_in_flight_have_a_limit_and_the_session_lives() {
    let limits = [
        ("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "3"),
        ("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000"),
    ];
    let node = TestNode::start_with(&limits).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    // Long enough that none is answered before the last one is looked at.
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let ask = |id: &str| {
        let payload = json!({ "query": format!("{{ {long} }}") });
        message(json!({ "type": "subscribe", "id": id, "payload": payload }))
    };

    socket.send_bytes(&["1", "2", "3", "4"].map(ask).concat()).await;

    assert_eq!(refused(&socket.failed("4").await), "RATE_LIMITED");
    for _ in 0..3 {
        assert_eq!(socket.hear().await["type"], "next");
        assert_eq!(socket.hear().await["type"], "complete");
    }
    // The id of the refused one is free, and so is the place of an answered one.
    let me = socket.run("4", "{ me { id } }", json!({})).await;
    assert_eq!(me["data"]["me"]["id"], json!(alice.id));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_have_a_limit_and_one_that_ends_makes_room() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__SUBSCRIPTIONS", "3")]).await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = RawSocket::admitted(&node, &alice).await;
    for id in ["1", "2", "3"] {
        socket.listen(&node, id, &cursors).await;
    }

    socket.ask("4", &cursors).await;
    assert_eq!(refused(&socket.failed("4").await), "RATE_LIMITED");
    socket.complete("2").await;
    socket.ask("4", &cursors).await;
    socket.ask("5", &cursors).await;
    assert_eq!(refused(&socket.failed("5").await), "RATE_LIMITED");
    until("three subscriptions", async || seats(&node).await == 3).await;

    // The limit is each session's own.
    let mut other = RawSocket::admitted(&node, &alice).await;
    other.listen(&node, "1", &cursors).await;

    drop((socket, other));
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_that_are_asked_for_at_once_keep_to_the_limit() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__SUBSCRIPTIONS", "3")]).await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let ask = |id: u32| {
        let payload = json!({ "query": cursors });
        message(json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }))
    };

    let all: Vec<u8> = (0..20).flat_map(ask).collect();
    socket.send_bytes(&all).await;

    for _ in 3..20 {
        let refusal = socket.hear().await;
        assert_eq!(refusal["type"], "error");
        assert_eq!(refused(&refusal["payload"]), "RATE_LIMITED");
    }
    until("three subscriptions", async || seats(&node).await == 3).await;
    drop(socket);
    node.stop().await;
}

/// Runs `operation` a few times more often in one second than is allowed, and says how often it was refused. What
/// is refused says so, and the session lives on.
async fn refusals(socket: &mut RawSocket, operation: &str, times: u32) -> u32 {
    let ask = |id: u32| {
        let payload = json!({ "query": operation });
        message(json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }))
    };
    let all: Vec<u8> = (0..times).flat_map(ask).collect();
    socket.send_bytes(&all).await;
    let (mut ended, mut refusals) = (0, 0);
    while ended < times {
        let answer = socket.hear().await;
        let errors = match answer["type"].as_str().unwrap() {
            "complete" => &Value::Null,
            "error" => &answer["payload"],
            _ => &answer["payload"]["errors"],
        };
        if !errors.is_null() {
            assert_eq!(refused(errors), "RATE_LIMITED");
            refusals += 1;
        }
        ended += u32::from(answer["type"] != "next");
    }
    socket.lives().await;
    refusals
}

#[actix_web::test]
async fn cursor_moves_have_a_rate() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "5")]).await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = RawSocket::admitted(&node, &alice).await;
    socket.listen(&node, "c", &cursors).await;
    let step = format!(
        "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: 1, column: 1 }}) }}"
    );

    let refused = refusals(&mut socket, &step, 40).await;

    // Five at once, and one more for each fifth of a second that this took.
    assert!((20..=35).contains(&refused), "{refused}");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn changes_have_a_rate() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "5")]).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    let create = "mutation { createDocument(title: \"One more\") { id } }";
    let refused = refusals(&mut socket, create, 40).await;

    assert!((20..=35).contains(&refused), "{refused}");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn operations_of_a_user_have_a_rate_over_all_connections() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "5")]).await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let mut one = RawSocket::admitted(&node, &alice).await;
    let mut other = RawSocket::admitted(&node, &alice).await;
    let mut bobs = RawSocket::admitted(&node, &bob).await;

    let first = refusals(&mut one, "{ __typename }", 40).await;
    let second = refusals(&mut other, "{ __typename }", 40).await;
    let of_bob = refusals(&mut bobs, "{ __typename }", 5).await;

    assert!((20..=35).contains(&first), "{first}");
    assert!((20..=40).contains(&second), "{second}");
    assert_eq!(of_bob, 0);
    drop((one, other, bobs));
    node.stop().await;
}
