//! The limits of one client: connections, operations, subscriptions and rates.

use std::ops::RangeInclusive;

use futures_util::future::join_all;
use kit::{Answer, Client as _, Node as _, Person, RawSocket, TestNode, expect_eventually, within};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// The messages that start an operation under the ids 0, 1, 2, …
fn starts(operation: &str, times: u32) -> Vec<Value> {
    let payload = json!({ "query": operation });
    (0..times)
        .map(|id| json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }))
        .collect()
}

/// The refusals of forty actions at once where two a second are allowed: two are done at once, and a further one for each
/// half second that the others take.
const REFUSALS_OF_40: RangeInclusive<u32> = 10..=38;

#[actix_web::test]
async fn the_eleventh_connection_of_a_user_is_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(alice.connect().await);
    }
    let exceeded = (4403, "You have too many connections open; close some of them".to_owned());
    let eleventh = async || {
        let mut socket = node.handshake().open_raw().await;
        let payload = json!({ "authToken": alice.token });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        socket.expect_close().await
    };

    assert_eq!(eleventh().await, exceeded);
    assert_eq!(node.metric("coscribe_slots_refused_total").await, 1);
    // Another user has ten of their own, and the open sockets go on.
    sockets.push(bob.connect().await);
    for socket in &sockets {
        assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    }

    // The slot is free as soon as the client has received the close frame.
    sockets.remove(0).close().await;
    sockets.push(alice.connect().await);
    assert_eq!(eleventh().await, exceeded);

    drop(sockets);
    node.stop().await;
}

#[actix_web::test]
async fn a_broken_connection_releases_its_slot_at_once() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(alice.connect_raw().await);
    }

    for _ in 0..5 {
        sockets.remove(0).reset();
        // Long before the node would find the client silent.
        node.expect_metric("active_websocket_connections", 9).await;
        sockets.push(alice.connect_raw().await);
    }

    drop(sockets);
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_takes_no_slot_before_it_is_admitted() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")]).await;
    let alice = node.person("Alice").await;

    let waiting = node.handshake().token_in_address(&alice.token).open_raw().await;
    let mut admitted = alice.connect_raw().await;
    admitted.expect_alive().await;

    drop((waiting, admitted));
    node.stop().await;
}

#[actix_web::test]
async fn operations_in_flight_are_limited_and_the_session_goes_on() {
    let limits = [
        ("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "3"),
        ("COSCRIBE__LIMITS__OPERATIONS_WAITING", "0"),
        ("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000"),
    ];
    let node = TestNode::start_with(&limits).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    // Long enough that the node reads the last before it has answered the first.
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();

    socket.send_together(&starts(&format!("{{ {long} }}"), 4)).await;

    assert_eq!(socket.expect_error("3").await, "RATE_LIMITED");
    for _ in 0..3 {
        assert_eq!(socket.expect_message().await["type"], "next");
        assert_eq!(socket.expect_message().await["type"], "complete");
    }
    // The id of the refused operation is free, and so is the capacity of the answered ones.
    let me = socket.run("3", "{ me { id } }", json!({})).await;
    assert_eq!(me["data"]["me"]["id"], json!(alice.id));

    drop(socket);
    node.stop().await;
}

/// The settings of a session that executes one operation at a time, so that the others wait.
const ONE_AT_A_TIME: [(&str, &str); 3] = [
    ("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "1"),
    ("COSCRIBE__LIMITS__OPERATIONS_WAITING", "5"),
    ("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000"),
];

/// An operation that takes long enough for the node to read others meanwhile.
fn long_query() -> String {
    let fields: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    format!("{{ {fields} }}")
}

#[actix_web::test]
async fn a_page_starts_a_hundred_operations_at_once_and_all_are_answered() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "3")]).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    socket.send_together(&starts("{ me { id } }", 100)).await;

    let (mut answered, mut completed) = (vec![], vec![]);
    while completed.len() < 100 {
        let message = socket.expect_message().await;
        let id: u32 = message["id"].as_str().unwrap().parse().unwrap();
        if message["type"] == "next" {
            assert_eq!(message["payload"]["data"]["me"]["id"], json!(alice.id));
            answered.push(id);
        } else {
            assert_eq!(message["type"], "complete", "{message}");
            completed.push(id);
        }
    }
    for ids in [&mut answered, &mut completed] {
        ids.sort_unstable();
        assert_eq!(*ids, (0..100).collect::<Vec<_>>());
    }
    node.expect_metric("coscribe_operations_waiting", 0).await;
    socket.expect_alive().await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn operations_beyond_those_that_may_wait_are_refused_in_words() {
    let node = TestNode::start_with(&ONE_AT_A_TIME).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    socket.send_together(&starts(&long_query(), 40)).await;

    let (mut answered, mut refused) = (0, vec![]);
    while answered + refused.len() < 40 {
        let message = socket.expect_message().await;
        match message["type"].as_str().unwrap() {
            "complete" => answered += 1,
            "error" => refused.push(Answer::refused(message["payload"].clone())),
            _ => {}
        }
    }
    assert!(answered >= 6 && !refused.is_empty(), "{answered} answered");
    for answer in refused {
        assert_eq!(answer.code(), "RATE_LIMITED");
        let message = answer.error()["message"].as_str().unwrap();
        assert!(message.contains("as may wait (5)"), "{message}");
    }
    socket.expect_alive().await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_operation_that_is_completed_while_it_waits_never_starts() {
    let node = TestNode::start_with(&ONE_AT_A_TIME).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let start = |id: &str, operation: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": operation } });

    socket
        .send_together(&[
            start("first", &long_query()),
            start("dropped", "mutation { createDocument(title: \"Dropped\") { id } }"),
            json!({ "type": "complete", "id": "dropped" }),
            // The id is free again.
            start("dropped", "{ documents { nodes { title } } }"),
        ])
        .await;

    socket.expect_answer("first").await;
    let listed = socket.expect_answer("dropped").await;
    assert_eq!(listed["data"]["documents"]["nodes"], json!([]));
    let documents = alice.run("{ documents { nodes { title } } }", json!({})).await.value();
    assert_eq!(documents["nodes"], json!([]));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn the_id_of_an_operation_that_waits_is_taken() {
    let node = TestNode::start_with(&ONE_AT_A_TIME).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let start = |id: &str, operation: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": operation } });
    let waiting = start("waiting", "{ me { id } }");

    socket.send_together(&[start("first", &long_query()), waiting.clone(), waiting]).await;

    assert_eq!(socket.expect_close().await.0, 4409);
    // What waited went with the session.
    node.expect_metric("coscribe_operations_waiting", 0).await;
    node.stop().await;
}

/// Sends the head of a request whose body does not arrive.
async fn begin_request(node: &TestNode, person: &Person) -> TcpStream {
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n",
        person.token,
    );
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[actix_web::test]
async fn requests_in_flight_are_limited_for_each_user() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__REQUESTS_IN_FLIGHT", "2")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let mut begun = vec![];
    let refusal = async {
        loop {
            // The server may refuse it because of the request below.
            begun.push(begin_request(&node, &mallory).await);
            let reply = mallory.send(&json!({ "query": "{ me { id } }" })).await;
            if reply.status == 429 {
                break reply;
            }
        }
    };
    let reply = within("a refusal", refusal).await;
    assert_eq!(reply.json()["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(alice.run("{ me { id } }", json!({})).await.is_ok());
    // Operations of a socket are counted by its session.
    let socket = mallory.connect().await;
    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());

    drop(begun);
    let accepted = async || mallory.run("{ me { id } }", json!({})).await.is_ok();
    expect_eventually("an answer", accepted).await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn twenty_tabs_of_one_user_meet_no_refusal() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "text").await;
    let read = format!("{{ document(id: \"{document}\") {{ title content version }} }}");
    let (alice, read) = (&alice, &read);
    // Browsers open six connections to a server.
    let answers = join_all((0..20 * 6).map(|_| alice.run(read, json!({})))).await;
    assert!(answers.iter().all(Answer::is_ok));
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_are_limited_and_completing_one_allows_another() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__SUBSCRIPTIONS", "3")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = alice.connect_raw().await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, &cursors).await;
    }

    socket.start("4", &cursors).await;
    assert_eq!(socket.expect_error("4").await, "RATE_LIMITED");
    socket.complete("2").await;
    socket.start("4", &cursors).await;
    socket.start("5", &cursors).await;
    assert_eq!(socket.expect_error("5").await, "RATE_LIMITED");
    node.expect_seats(3).await;

    // Every session has a limit of its own.
    let mut other = alice.connect_raw().await;
    other.subscribe("1", &cursors).await;

    drop((socket, other));
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_that_start_at_once_keep_the_limit() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__SUBSCRIPTIONS", "3")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = alice.connect_raw().await;

    socket.send_together(&starts(&cursors, 20)).await;

    for _ in 3..20 {
        let refusal = socket.expect_message().await;
        assert_eq!(refusal["type"], "error");
        assert_eq!(Answer::refused(refusal["payload"].clone()).code(), "RATE_LIMITED");
    }
    node.expect_seats(3).await;
    drop(socket);
    node.stop().await;
}

/// Sends `operation` this many times at once. Returns how many were refused, which must be with RATE_LIMITED, and shows that
/// the session goes on.
async fn refusals(socket: &mut RawSocket, operation: &str, times: u32) -> u32 {
    socket.send_together(&starts(operation, times)).await;
    let (mut ended, mut refusals) = (0, 0);
    while ended < times {
        let message = socket.expect_message().await;
        let answer = match message["type"].as_str().unwrap() {
            "next" => Answer::executed(message["payload"].clone()),
            "error" => Answer::refused(message["payload"].clone()),
            _ => {
                ended += 1;
                continue;
            }
        };
        if !answer.is_ok() {
            assert_eq!(answer.code(), "RATE_LIMITED");
            refusals += 1;
        }
        ended += u32::from(message["type"] == "error");
    }
    socket.expect_alive().await;
    refusals
}

#[actix_web::test]
async fn cursor_moves_are_rate_limited() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "2")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let cursors = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    let mut socket = alice.connect_raw().await;
    socket.subscribe("c", &cursors).await;
    let step = format!(
        "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: 1, column: 1 }}) }}"
    );

    let refused = refusals(&mut socket, &step, 40).await;

    assert!(REFUSALS_OF_40.contains(&refused), "{refused}");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn changes_are_rate_limited() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "2")]).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    let create = "mutation { createDocument(title: \"One more\") { id } }";
    let refused = refusals(&mut socket, create, 40).await;

    assert!(REFUSALS_OF_40.contains(&refused), "{refused}");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn changes_count_before_the_key_of_their_document_is_looked_up() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "2"),
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1"),
    ])
    .await;
    let alice = node.person("Alice").await;
    // It is neither an id nor a key, so nothing can be looked up.
    let purge = "mutation { purge(documentId: \"a b\") }";
    let mut refused = 0;
    for _ in 0..40 {
        refused += u32::from(alice.run(purge, json!({})).await.code() == "RATE_LIMITED");
    }
    assert!(REFUSALS_OF_40.contains(&refused), "{refused}");
    node.stop().await;
}

#[actix_web::test]
async fn guests_count_before_the_key_of_their_document_is_looked_up() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__REGISTRATIONS_PER_HOUR", "3")]).await;
    let stranger = node.stranger();
    let enter = "mutation { enterAsGuest(name: \"Gus\", documentId: \"a b\") { token } }";
    for _ in 0..3 {
        assert_eq!(stranger.run(enter, json!({})).await.code(), "BAD_USER_INPUT");
    }
    assert_eq!(stranger.run(enter, json!({})).await.code(), "RATE_LIMITED");
    node.stop().await;
}

#[actix_web::test]
async fn operations_of_a_user_are_rate_limited_over_all_connections() {
    const CONNECTIONS: u32 = 40;
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "40"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "2"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        sockets.push(alice.connect_raw().await);
    }
    let mut bobs = bob.connect_raw().await;

    // No connection exceeds the limit, all together do.
    let refused: u32 =
        join_all(sockets.iter_mut().map(|socket| refusals(socket, "{ __typename }", 1)))
            .await
            .iter()
            .sum();
    let refused_of_bob = refusals(&mut bobs, "{ __typename }", 2).await;

    assert!(REFUSALS_OF_40.contains(&refused), "{refused}");
    assert_eq!(refused_of_bob, 0);
    drop((sockets, bobs));
    node.stop().await;
}
