//! Messages in every wrapping that RFC 6455 allows.

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{Account, Frame, Handshake, Opcode, RawSocket, Received},
};

/// A message with characters of one to four bytes.
fn greeting() -> Value {
    json!({ "type": "ping", "payload": { "hello": "aöш€𝄞🦀" } })
}

fn answer() -> Value {
    json!({ "type": "pong", "payload": { "hello": "aöш€𝄞🦀" } })
}

#[actix_web::test]
async fn a_message_may_come_in_a_binary_frame() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;

    let init = json!({ "type": "connection_init", "payload": { "token": alice.token } });
    socket.send(Frame::new(Opcode::Binary, init.to_string())).await;
    socket.acknowledged().await;
    socket.send(Frame::new(Opcode::Binary, greeting().to_string())).await;

    assert_eq!(socket.hear().await, answer());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_message_may_come_in_fragments_cut_anywhere() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let bytes = greeting().to_string().into_bytes();

    for opcode in [Opcode::Text, Opcode::Binary] {
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            socket.send(Frame::new(opcode, head).unfinished()).await;
            socket.send(Frame::new(Opcode::Continuation, tail)).await;
            assert_eq!(socket.hear().await, answer(), "cut at {cut}");
        }
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn pings_between_fragments_are_answered_at_once() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let bytes = greeting().to_string().into_bytes();

    for (place, byte) in bytes.iter().enumerate() {
        let opcode = if place == 0 { Opcode::Text } else { Opcode::Continuation };
        socket.send(Frame::new(opcode, [*byte]).unfinished()).await;
        socket.send(Frame::ping(&[place as u8])).await;
        assert_eq!(socket.receive().await, Received::Pong(vec![place as u8]));
    }
    socket.send(Frame::new(Opcode::Continuation, [])).await;

    assert_eq!(socket.hear().await, answer());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn frames_may_arrive_byte_by_byte_or_many_at_once() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let frame = Frame::text(&greeting().to_string()).bytes();

    for byte in &frame {
        socket.send_bytes(&[*byte]).await;
    }
    assert_eq!(socket.hear().await, answer());

    socket.send_bytes(&frame.repeat(500)).await;
    for _ in 0..500 {
        assert_eq!(socket.hear().await, answer());
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_message_as_large_as_the_limit_is_taken() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__FRAME", "20000"),
        ("COSCRIBE__LIMITS__MESSAGE", "60000"),
        ("COSCRIBE__LIMITS__OPERATION_TEXT", "60000"),
    ])
    .await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let empty = json!({ "type": "ping", "payload": { "x": "" } }).to_string();

    let one_frame = empty.replace("\"\"", &format!("\"{}\"", "x".repeat(20_000 - empty.len())));
    socket.send(Frame::text(&one_frame)).await;
    assert_eq!(socket.hear().await["type"], "pong");

    let three = empty.replace("\"\"", &format!("\"{}\"", "x".repeat(60_000 - empty.len())));
    let bytes = three.as_bytes();
    socket.send(Frame::new(Opcode::Text, &bytes[..20_000]).unfinished()).await;
    socket.send(Frame::new(Opcode::Continuation, &bytes[20_000..40_000]).unfinished()).await;
    socket.send(Frame::new(Opcode::Continuation, &bytes[40_000..])).await;
    assert_eq!(socket.hear().await["type"], "pong");

    drop(socket);
    node.stop().await;
}
