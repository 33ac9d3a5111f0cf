//! The end of a connection: close frames, and clients that hang up without one.

use kit::{Frame, Node as _, Opcode, ServerFrame, TestNode};
use serde_json::json;
use tokio::time::{Duration, Instant};

#[actix_web::test]
async fn a_close_is_answered_with_its_code_and_ends_the_connection() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4000, 4999] {
        let mut socket = alice.connect_raw().await;
        socket.send_frame(Frame::close(code, "bye")).await;
        assert_eq!(socket.expect_frame().await, ServerFrame::Close(Some(code), String::new()));
        assert_eq!(socket.expect_frame().await, ServerFrame::End);
    }

    let mut socket = alice.connect_raw().await;
    socket.send_frame(Frame::new(Opcode::Close, [])).await;
    assert_eq!(socket.expect_frame().await, ServerFrame::Close(None, String::new()));
    assert_eq!(socket.expect_frame().await, ServerFrame::End);

    node.expect_metric("coscribe_session_closes_total{reason=\"gone\"}", 12).await;
    node.stop().await;
}

#[actix_web::test]
async fn after_both_close_frames_the_server_hangs_up_first_and_soon() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut quickest = Duration::MAX;

    for _ in 0..5 {
        let mut socket = alice.connect_raw().await;
        let start = Instant::now();
        socket.send_frame(Frame::close(1000, "")).await;
        assert!(matches!(socket.expect_frame().await, ServerFrame::Close(..)));
        assert_eq!(socket.expect_frame().await, ServerFrame::End);
        quickest = quickest.min(start.elapsed());
    }

    assert!(quickest < Duration::from_millis(800), "{quickest:?}");
    node.stop().await;
}

#[actix_web::test]
async fn queued_messages_are_sent_before_the_reply_to_a_close() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    let ping = Frame::text(&json!({ "type": "ping" }).to_string()).bytes();
    socket.send_bytes(&[ping.repeat(10), Frame::close(1000, "").bytes()].concat()).await;

    for _ in 0..10 {
        assert_eq!(socket.expect_message().await, json!({ "type": "pong" }));
    }
    assert_eq!(socket.expect_frame().await, ServerFrame::Close(Some(1000), String::new()));
    assert_eq!(socket.expect_frame().await, ServerFrame::End);
    node.stop().await;
}

#[actix_web::test]
async fn everything_after_a_close_frame_is_ignored() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    for rest in [
        vec![0xFF; 5_000],
        Frame::text("no message").bytes(),
        Frame::close(1002, "").bytes(),
        Frame::new(Opcode::Reserved(3), "x").unmasked().bytes(),
    ] {
        let mut socket = alice.connect_raw().await;
        socket.send_bytes(&[Frame::close(1000, "").bytes(), rest].concat()).await;
        assert_eq!(socket.expect_frame().await, ServerFrame::Close(Some(1000), String::new()));
        assert_eq!(socket.expect_frame().await, ServerFrame::End);
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_close_between_fragments_is_answered() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    // The other half of the character never arrives.
    socket.send_frame(Frame::new(Opcode::Text, b"\xE2").unfinished()).await;
    socket.send_frame(Frame::close(1000, "")).await;

    assert_eq!(socket.expect_frame().await, ServerFrame::Close(Some(1000), String::new()));
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_hangs_up_without_a_close_frame_counts_as_gone() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    let mut half_closed = alice.connect_raw().await;
    half_closed.half_close().await;
    assert!(matches!(half_closed.expect_frame().await, ServerFrame::Close(..)));
    assert_eq!(half_closed.expect_frame().await, ServerFrame::End);
    drop(alice.connect_raw().await);
    alice.connect_raw().await.reset();
    let mut within_a_frame = alice.connect_raw().await;
    within_a_frame.send_frame(Frame::text("").announcing(100)).await;
    within_a_frame.reset();

    node.expect_metric("coscribe_session_closes_total{reason=\"gone\"}", 4).await;
    node.stop().await;
}
