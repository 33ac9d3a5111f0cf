//! Messages in every framing that RFC 6455 allows.

use kit::{Frame, Node as _, Opcode, ServerFrame, TestNode};
use serde_json::{Value, json};

/// A ping with characters of one to four bytes.
fn ping() -> Value {
    json!({ "type": "ping", "payload": { "hello": "aöш€𝄞🦀" } })
}

/// The reply to it.
fn pong() -> Value {
    json!({ "type": "pong", "payload": { "hello": "aöш€𝄞🦀" } })
}

#[actix_web::test]
async fn a_message_may_be_a_binary_frame() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;

    let init = json!({ "type": "connection_init", "payload": { "token": alice.token } });
    socket.send_frame(Frame::new(Opcode::Binary, init.to_string())).await;
    socket.expect_ack().await;
    socket.send_frame(Frame::new(Opcode::Binary, ping().to_string())).await;

    assert_eq!(socket.expect_message().await, pong());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_message_may_be_fragmented_at_any_byte() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let bytes = ping().to_string().into_bytes();

    for opcode in [Opcode::Text, Opcode::Binary] {
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            socket.send_frame(Frame::new(opcode, head).unfinished()).await;
            socket.send_frame(Frame::new(Opcode::Continuation, tail)).await;
            assert_eq!(socket.expect_message().await, pong(), "cut at {cut}");
        }
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn pings_between_fragments_are_answered_at_once() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let bytes = ping().to_string().into_bytes();

    for (position, byte) in bytes.iter().enumerate() {
        let opcode = if position == 0 { Opcode::Text } else { Opcode::Continuation };
        socket.send_frame(Frame::new(opcode, [*byte]).unfinished()).await;
        socket.send_frame(Frame::ping(&[position as u8])).await;
        assert_eq!(socket.expect_frame().await, ServerFrame::Pong(vec![position as u8]));
    }
    socket.send_frame(Frame::new(Opcode::Continuation, [])).await;

    assert_eq!(socket.expect_message().await, pong());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn frames_may_arrive_byte_by_byte_or_many_at_once() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let frame = Frame::text(&ping().to_string()).bytes();

    for byte in &frame {
        socket.send_bytes(&[*byte]).await;
    }
    assert_eq!(socket.expect_message().await, pong());

    socket.send_bytes(&frame.repeat(500)).await;
    for _ in 0..500 {
        assert_eq!(socket.expect_message().await, pong());
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_message_of_the_maximum_size_is_accepted() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__FRAME", "20000"),
        ("COSCRIBE__LIMITS__MESSAGE", "60000"),
        ("COSCRIBE__LIMITS__OPERATION_TEXT", "60000"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let empty = json!({ "type": "ping", "payload": { "x": "" } }).to_string();

    let one_frame = empty.replace("\"\"", &format!("\"{}\"", "x".repeat(20_000 - empty.len())));
    socket.send_frame(Frame::text(&one_frame)).await;
    assert_eq!(socket.expect_message().await["type"], "pong");

    let three = empty.replace("\"\"", &format!("\"{}\"", "x".repeat(60_000 - empty.len())));
    let bytes = three.as_bytes();
    socket.send_frame(Frame::new(Opcode::Text, &bytes[..20_000]).unfinished()).await;
    socket.send_frame(Frame::new(Opcode::Continuation, &bytes[20_000..40_000]).unfinished()).await;
    socket.send_frame(Frame::new(Opcode::Continuation, &bytes[40_000..])).await;
    assert_eq!(socket.expect_message().await["type"], "pong");

    drop(socket);
    node.stop().await;
}
