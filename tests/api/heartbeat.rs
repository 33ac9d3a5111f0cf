//! The heartbeat: the server's pings, and the end of silent and stalled clients.

use std::time::Duration;

use futures_util::future::join;
use kit::{Client as _, Frame, Node as _, Opcode, ServerFrame, TestNode};
use serde_json::json;
use tokio::time::Instant;

/// A ping every 250 ms, and the end after 5 s of silence: the tests of `Heartbeat` have the exact times.
const QUICK: &[(&str, &str)] =
    &[("COSCRIBE__SESSION__PING_EVERY", "250ms"), ("COSCRIBE__SESSION__SILENCE_ALLOWED", "5s")];

#[actix_web::test]
async fn pings_arrive_at_their_interval() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__PING_EVERY", "100ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "60s"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let start = Instant::now();
    let mut socket = alice.connect_raw().await;

    for _ in 0..5 {
        assert_eq!(socket.expect_frame().await, ServerFrame::Ping(vec![]));
    }
    // Never early. A busy machine may make them late.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_silent_client_is_closed_and_reported_as_left() {
    let node = TestNode::start_with(QUICK).await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let document = alice.create_shared_document(&[&bob]).await;
    let presence = format!(
        "subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind presence {{ user {{ name }} }} }} }}"
    );
    // A socket answers pings in the background.
    let watching = alice.connect().await;
    let watched = watching.subscribe("presenceUpdated", document).await;
    let expect_bob = async |kind: &str| {
        let event = watching.expect_next(&watched).await;
        let shown = (&event["kind"], &event["presence"]["user"]["name"]);
        assert_eq!(shown, (&json!(kind), &json!("Bob")), "{event:#}");
    };
    let mut silent = bob.connect_raw().await;
    let admitted = Instant::now();
    silent.start("p", &presence).await;
    expect_bob("JOINED").await;

    // This client reads, but it answers nothing.
    let (closed, ()) = join(silent.expect_close(), expect_bob("LEFT")).await;

    assert_eq!(closed, (1001, "No data received for 5 s; reconnect to resume".to_owned()));
    assert!(admitted.elapsed() >= Duration::from_secs(5), "{:?}", admitted.elapsed());
    let present = alice.presence(document).await.value();
    assert_eq!(present.as_array().unwrap().len(), 1);
    assert_eq!(present[0]["user"]["name"], "Alice");
    node.expect_metric("coscribe_session_closes_total{reason=\"silent\"}", 1).await;
    assert!(watching.run("{ me { id } }", json!({})).await.is_ok());

    drop(watching);
    node.stop().await;
}

/// Answers each ping with `frame` for longer than the allowed silence.
async fn stay_alive_with(frame: Frame) {
    let node = TestNode::start_with(QUICK).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let mut pings = 0;

    while pings < 24 {
        match socket.expect_frame().await {
            ServerFrame::Ping(_) => {
                socket.send_frame(frame.clone()).await;
                pings += 1;
            }
            ServerFrame::Pong(_) | ServerFrame::Text(_) => {}
            other => panic!("received {other:?} after {pings} pings"),
        }
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_pong_keeps_a_client_alive() {
    stay_alive_with(Frame::new(Opcode::Pong, [])).await;
}

#[actix_web::test]
async fn a_ping_keeps_a_client_alive() {
    stay_alive_with(Frame::ping(b"me too")).await;
}

#[actix_web::test]
async fn a_message_keeps_a_client_alive() {
    stay_alive_with(Frame::text("{\"type\":\"pong\"}")).await;
}

#[actix_web::test]
async fn an_unfinished_frame_keeps_a_client_alive() {
    let node = TestNode::start_with(QUICK).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let bytes = Frame::text("{\"type\":\"ping\"}").bytes();

    // One byte for each ping: a slow client is not a silent one.
    for byte in bytes {
        assert_eq!(socket.expect_frame().await, ServerFrame::Ping(vec![]));
        socket.send_bytes(&[byte]).await;
    }

    assert_eq!(socket.expect_message().await, json!({ "type": "pong" }));
    drop(socket);
    node.stop().await;
}

/// Phones sleep for minutes and may stay connected. A client that does not read must not occupy a full outbox for as
/// long.
#[actix_web::test]
async fn a_stalled_client_is_closed_while_a_silent_one_may_stay() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__PING_EVERY", "200ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "5m"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "600ms"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "5m"),
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut phone = alice.connect_raw().await;
    let mut stalled = alice.connect_slow_raw().await;

    // This client sends but does not read. Each pong is as large as its ping, so the buffers of both kernels fill up.
    let ping = json!({ "type": "ping", "payload": { "text": "x".repeat(60_000) } });
    let ping = Frame::message(&ping);
    let sending = async {
        loop {
            stalled.send_frame(ping.clone()).await;
        }
    };
    tokio::select! {
        () = sending => {}
        () = node.expect_metric("coscribe_session_closes_total{reason=\"too_slow\"}", 1) => {}
    }
    drop(stalled);

    // The phone sends nothing, not even a pong, for longer than a client may stall.
    for _ in 0..10 {
        assert_eq!(phone.expect_frame().await, ServerFrame::Ping(vec![]));
    }
    phone.expect_alive().await;
    assert_eq!(node.metric("coscribe_session_closes_total{reason=\"silent\"}").await, 0);
    drop(phone);
    node.stop().await;
}
