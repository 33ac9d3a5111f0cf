//! Answers that nobody reads.

use kit::{Client as _, Node as _, Person, TestNode, expect_eventually, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The most bytes of answers of one user.
const USER: u64 = 24_000_000;

/// Starts a node on which a user may have three answers of 8 MB, which the kernel does not take at once.
async fn node() -> TestNode {
    TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "1500000"),
        ("COSCRIBE__LIMITS__ANSWER", "20000000"),
        ("COSCRIBE__LIMITS__ANSWERS_OF_USER", &USER.to_string()),
        ("COSCRIBE__LIMITS__ANSWERS_OF_NODE", "200000000"),
    ])
    .await
}

/// Creates a document whose text has 8 MB in JSON, and returns the operation that reads it.
async fn create_long(owner: &Person) -> String {
    let document = owner.create_document("Mine", &"\u{1}".repeat(1_300_000)).await;
    format!("{{ document(id: \"{document}\") {{ content }} }}")
}

/// Sends an operation and reads only the first byte of the answer.
async fn post_without_reading(node: &TestNode, person: &Person, operation: &str) -> TcpStream {
    let body = json!({ "query": operation }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        person.token,
        body.len()
    );
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    within("the start of an answer", stream.read_u8()).await.unwrap();
    stream
}

#[actix_web::test]
async fn answers_that_a_socket_does_not_take_are_bounded_for_their_user() {
    let node = node().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let (hers, theirs) = (create_long(&alice).await, create_long(&mallory).await);
    let mut deaf = mallory.connect_slow_raw().await;
    // They arrive together, so the node reads all of them before its outbox is full.
    let payload = json!({ "query": theirs });
    let starts = (0..8)
        .map(|number| json!({ "type": "subscribe", "id": number.to_string(), "payload": payload }));
    deaf.send_together(&starts.collect::<Vec<_>>()).await;
    expect_eventually("a refusal", async || {
        let answer = mallory.run(&theirs, json!({})).await;
        !answer.is_ok() && answer.code() == "RATE_LIMITED"
    })
    .await;
    assert!(node.metric("coscribe_answer_bytes").await <= USER);
    // Small answers and those of others are not refused.
    assert!(mallory.run("{ me { id } }", json!({})).await.is_ok());
    assert!(alice.run(&hers, json!({})).await.is_ok());

    drop(deaf);
    node.expect_metric("coscribe_answer_bytes", 0).await;
    assert!(mallory.run(&theirs, json!({})).await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn answers_that_requests_do_not_take_are_bounded_for_their_user() {
    let node = node().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let (hers, theirs) = (create_long(&alice).await, create_long(&mallory).await);
    let mut deaf = vec![];
    loop {
        assert!(deaf.len() < 9, "nothing was refused");
        let answer = mallory.run(&theirs, json!({})).await;
        if !answer.is_ok() {
            assert_eq!(answer.code(), "RATE_LIMITED");
            break;
        }
        deaf.push(post_without_reading(&node, &mallory, &theirs).await);
    }
    assert!(node.metric("coscribe_answer_bytes").await <= USER);
    assert!(alice.run(&hers, json!({})).await.is_ok());

    drop(deaf);
    node.expect_metric("coscribe_answer_bytes", 0).await;
    node.stop().await;
}
