//! Small requests that would cause much work: the node refuses them before they cost anything.

use std::fmt::Write as _;

use futures_util::future::join_all;
use kit::{Client as _, HttpReply, Node as _, PASSWORD, TestNode, http_client, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[actix_web::test]
async fn multiplying_fragments_are_refused_before_they_are_expanded() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let mut text = String::from("{ ...F0 }");
    for n in 0..29 {
        let next = format!("...F{} ", n + 1).repeat(3);
        write!(text, " fragment F{n} on Query {{ {next} }}").unwrap();
    }
    text.push_str(" fragment F29 on Query { __typename }");
    assert!(text.len() < 2_048);

    assert_eq!(node.stranger().run(&text, json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&text, json!({})).await.code(), "BAD_USER_INPUT");
    let subscription = text.replacen('{', "subscription {", 1).replace("Query", "Subscription");
    assert_eq!(socket.run(&subscription, json!({})).await.code(), "BAD_USER_INPUT");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn many_copies_of_a_text_in_one_answer_are_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let document = alice.create_document("Long", &"x".repeat(10_000)).await;
    let copies =
        |count: usize| (0..count).fold(String::new(), |text, n| text + &format!("a{n}: content "));
    let read = |count| format!("{{ document(id: \"{document}\") {{ {} }} }}", copies(count));
    let subscribe = |count| {
        let copies = copies(count);
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {copies} }} }}")
    };

    assert!(alice.run(&read(3), json!({})).await.is_ok());
    assert_eq!(alice.run(&read(40), json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&subscribe(40), json!({})).await.code(), "BAD_USER_INPUT");
    for page in [
        "{ documents(first: 20) { nodes { id title content version updatedAt owner { id name } } } }",
        "{ documents(first: 100) { nodes { id title version access createdAt updatedAt owner { id name } } } }",
    ] {
        assert!(alice.run(page, json!({})).await.is_ok(), "{page}");
    }
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_operation_with_many_errors_reports_twenty() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let wrong: String = (0..1_000).map(|n| format!("nothing{n} ")).collect();

    let reply = alice.send(&json!({ "query": format!("{{ {wrong} }}") })).await;

    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 20);
    node.stop().await;
}

/// Sends a request that never ends. Returns the start of the reply.
async fn reply_to_unfinished(node: &TestNode, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let head = format!("POST /graphql HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    within("a reply", stream.read_exact(&mut start)).await.unwrap();
    String::from_utf8(start.to_vec()).unwrap()
}

#[actix_web::test]
async fn a_body_without_a_token_has_a_smaller_limit() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let body = json!({ "query": "{ __typename }" }).to_string() + &" ".repeat(100_000);
    let to = || http_client().post(node.url("/graphql")).header("Content-Type", "application/json");

    let reply = HttpReply::to(to().body(body.clone())).await;
    assert_eq!((reply.status, &*reply.code()), (413, "BAD_USER_INPUT"));
    assert_eq!(HttpReply::to(to().bearer_auth(&alice.token).body(body.clone())).await.status, 200);
    // An invalid token does not raise the limit, and a client that is still sending receives the reply.
    let large = body + &" ".repeat(4_000_000);
    let reply = HttpReply::to(to().bearer_auth("nonsense").body(large)).await;
    assert_eq!((reply.status, &*reply.code()), (401, "UNAUTHENTICATED"));
    node.stop().await;
}

#[actix_web::test]
async fn a_body_that_never_ends_is_answered_in_time() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__BODY_WITHIN", "50ms")]).await;
    let alice = node.person("Alice").await;
    let head = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 1000000",
        alice.token
    );
    let start = reply_to_unfinished(&node, &head, "{").await;
    assert_eq!(start, "HTTP/1.1 408");
    let invalid = head.replace("Bearer ", "Bearer x");
    assert_eq!(reply_to_unfinished(&node, &invalid, "{").await, "HTTP/1.1 401");
    node.stop().await;
}

#[actix_web::test]
async fn unknown_methods_are_refused_and_not_counted() {
    let node = TestNode::start().await;
    for method in ["FLOOD1", "flood2", "TRACE"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = HttpReply::to(http_client().request(method, node.url("/graphql"))).await;
        assert_eq!((reply.status, &*reply.code()), (501, "BAD_USER_INPUT"));
    }
    let put = HttpReply::to(http_client().put(node.url("/graphql"))).await;
    assert_eq!(put.status, 405);

    let reply = node.get("/metrics").await;
    let page = reply.text();
    assert!(page.contains("method=\"PUT\""), "{page}");
    for method in ["FLOOD1", "flood2", "TRACE"] {
        assert!(!page.contains(method), "{page}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn requests_without_a_token_are_rate_limited() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "2")]).await;
    let alice = node.person("Alice").await;
    let client = http_client();
    let to = || client.post(node.url("/graphql")).json(&json!({ "query": "{ __typename }" }));
    let replies = join_all((0..40).map(|_| HttpReply::to(to()))).await;

    let mut refused = 0;
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        assert_eq!((reply.status, &*reply.code()), (429, "RATE_LIMITED"));
        refused += 1;
    }
    // The registration counted as well.
    assert!((10..=39).contains(&refused), "{refused}");
    for _ in 0..10 {
        assert!(alice.run("{ me { id } }", json!({})).await.is_ok());
    }
    node.stop().await;
}

#[actix_web::test]
async fn long_operations_count_several_times() {
    const REQUESTS: usize = 90;
    let node = TestNode::start_with(&[
        // More than there are requests, and much less than what they cost.
        ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "100"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100"),
    ])
    .await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    // Each another one, which has to be parsed.
    let text = |number: usize| format!("{{ __typename }} # {number}{}", " ".repeat(60_000));
    let body = |number: usize| json!({ "query": text(number) });
    let is_refused = async |request: reqwest::RequestBuilder| {
        let reply = HttpReply::to(request).await;
        assert!(reply.status == 200 || (reply.status == 429 && reply.code() == "RATE_LIMITED"));
        reply.status == 429
    };
    let stranger = |number| http_client().post(node.url("/graphql")).json(&body(number));
    let of_stranger = join_all((0..REQUESTS).map(|number| is_refused(stranger(number)))).await;
    assert!(of_stranger.contains(&true));
    let of_alice = (0..REQUESTS).map(|number| is_refused(alice.post().json(&body(number))));
    assert!(join_all(of_alice).await.contains(&true));
    let socket = bob.connect().await;
    let mut codes = vec![];
    for number in 0..REQUESTS {
        let answer = socket.run(&text(number), json!({})).await;
        codes.push(if answer.is_ok() { "ok".to_owned() } else { answer.code().to_owned() });
    }
    assert!(codes.contains(&"RATE_LIMITED".to_owned()), "{codes:?}");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn long_texts_keep_their_place_among_the_operations_of_a_socket() {
    let node = TestNode::start().await;
    let mut socket = node.person("Alice").await.connect_raw().await;
    let lengths = [60_000, 0, 10_000, 0, 0, 20_000, 0];
    for (number, bytes) in lengths.into_iter().enumerate() {
        let text = format!("{{ __typename }}{}", " ".repeat(bytes));
        socket.start(&number.to_string(), &text).await;
    }
    // Long and wrong.
    socket.start("wrong", &"{".repeat(20_000)).await;
    for number in 0..lengths.len() {
        let answer = socket.expect_answer(&number.to_string()).await;
        assert_eq!(answer["data"]["__typename"], "Query");
    }
    assert_eq!(socket.expect_error("wrong").await, "BAD_USER_INPUT");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_operation_may_sign_in_only_once() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let login = format!("login(email: \"{}\", password: \"{PASSWORD}\") {{ token }}", alice.email);

    let once = node.stranger().run(&format!("mutation {{ {login} }}"), json!({})).await;
    assert!(once.is_ok());
    let twice = format!("mutation {{ a: {login} b: {login} }}");
    assert_eq!(node.stranger().run(&twice, json!({})).await.code(), "BAD_USER_INPUT");
    node.stop().await;
}
