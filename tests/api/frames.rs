//! RFC 6455, frame by frame: what it forbids, what it allows, and how a connection ends.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::support::{
    TestNode,
    raw::{Account, Frame, Handshake, Opcode, RawSocket, Received, Server, meter, until_meter},
};

/// Sends `bytes` on a session of its own and gives the code with which the server closes.
async fn code_after(node: &TestNode, account: &Account, bytes: &[u8]) -> u16 {
    let mut socket = RawSocket::admitted(node, account).await;
    socket.send_bytes(bytes).await;
    let (code, reason) = socket.closed().await;
    assert!(!reason.is_empty());
    code
}

#[actix_web::test]
async fn frames_that_break_the_protocol_close_with_1002() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let text = |text: &str| Frame::text(text);
    let mut wrong = vec![
        ("an unmasked frame", vec![text("{}").unmasked()]),
        ("a fragmented ping", vec![Frame::ping(b"").unfinished()]),
        ("a fragmented pong", vec![Frame::new(Opcode::Pong, []).unfinished()]),
        ("a fragmented close", vec![Frame::close(1000, "").unfinished()]),
        ("a long ping", vec![Frame::ping(&[0; 126])]),
        ("a long pong", vec![Frame::new(Opcode::Pong, [0; 126])]),
        ("a long close", vec![Frame::close(1000, [b'x'; 124])]),
        ("a short length in two bytes", vec![text("{}").with_two_length_bytes()]),
        ("a short length in eight bytes", vec![text("{}").with_eight_length_bytes()]),
        (
            "a middling length in eight bytes",
            vec![text(&"x".repeat(300)).with_eight_length_bytes()],
        ),
        ("a length below zero", vec![text("").announcing(1 << 63)]),
        ("the longest length", vec![text("").announcing(u64::MAX)]),
        ("a continuation of nothing", vec![Frame::new(Opcode::Continuation, "{}")]),
        (
            "an open continuation of nothing",
            vec![Frame::new(Opcode::Continuation, "{").unfinished()],
        ),
        ("a message within a message", vec![text("{").unfinished(), text("{}")]),
        (
            "a fragment within a message",
            vec![text("{").unfinished(), Frame::new(Opcode::Binary, "{").unfinished()],
        ),
        ("half a close code", vec![Frame::new(Opcode::Close, [3])]),
    ];
    for bits in [1, 2, 4, 7] {
        wrong.push(("reserved bits", vec![text("{}").reserved(bits)]));
        wrong.push(("reserved bits of a ping", vec![Frame::ping(b"").reserved(bits)]));
    }
    for opcode in (3..=7).chain(11..=15) {
        wrong.push(("a reserved opcode", vec![Frame::new(Opcode::Reserved(opcode), "{}")]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        wrong.push(("a close code that must not be sent", vec![Frame::close(code, "")]));
    }

    for (what, frames) in wrong {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        assert_eq!(code_after(&node, &alice, &bytes).await, 1002, "{what}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn text_that_is_not_utf8_closes_with_1007() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let text = |bytes: &[u8]| Frame::new(Opcode::Text, bytes);
    let more = |bytes: &[u8]| Frame::new(Opcode::Continuation, bytes);

    for (what, frames) in [
        ("a byte that is never UTF-8", vec![text(b"{\"type\":\"ping\xFF\"}")]),
        ("an overlong slash", vec![text(b"\xC0\xAF")]),
        ("half a surrogate pair", vec![text(b"\xED\xA0\x80")]),
        ("past the last character", vec![text(b"\xF4\x90\x80\x80")]),
        ("half a character at the end", vec![text(b"{\"type\":\"\xE2\x82")]),
        (
            "half a character at the end of all fragments",
            vec![text(b"{\xE2").unfinished(), more(b"\x82")],
        ),
        ("a character broken between fragments", vec![text(b"\xE2").unfinished(), more(b"\x28")]),
        // As soon as no continuation can make it good.
        ("a first fragment that cannot become text", vec![text(b"\xFF").unfinished()]),
        ("a close reason", vec![Frame::close(1000, b"\xFF")]),
        ("half a character in a close reason", vec![Frame::close(1000, b"so long\xE2\x82")]),
    ] {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        assert_eq!(code_after(&node, &alice, &bytes).await, 1007, "{what}");
    }

    node.stop().await;
}

const SMALL: &[(&str, &str)] = &[
    ("COSCRIBE__LIMITS__FRAME", "20000"),
    ("COSCRIBE__LIMITS__MESSAGE", "50000"),
    ("COSCRIBE__LIMITS__OPERATION_TEXT", "50000"),
];

#[actix_web::test]
async fn a_frame_over_the_limit_closes_with_1009_before_its_payload_comes() {
    let node = TestNode::start_with(SMALL).await;
    let alice = Account::new(&node, "alice").await;

    for length in [20_001, 1 << 20, 1 << 40, (1 << 63) - 1] {
        let header = Frame::new(Opcode::Binary, []).announcing(length).bytes();
        assert_eq!(code_after(&node, &alice, &header).await, 1009, "{length}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_message_over_the_limit_closes_with_1009_however_it_is_cut() {
    let node = TestNode::start_with(SMALL).await;
    let alice = Account::new(&node, "alice").await;
    let first = Frame::new(Opcode::Text, vec![b' '; 20_000]).unfinished();
    let more = Frame::new(Opcode::Continuation, vec![b' '; 20_000]).unfinished();

    // The header of the fragment that is too much is enough.
    let last = Frame::new(Opcode::Continuation, []).announcing(10_001);
    let bytes: Vec<u8> = [&first, &more, &last].into_iter().flat_map(Frame::bytes).collect();
    assert_eq!(code_after(&node, &alice, &bytes).await, 1009);

    let tiny = Frame::new(Opcode::Continuation, [b' '; 100]).unfinished();
    let bytes = [first.bytes(), tiny.bytes().repeat(301)].concat();
    assert_eq!(code_after(&node, &alice, &bytes).await, 1009);

    node.stop().await;
}

#[actix_web::test]
async fn announcements_of_strangers_cost_no_memory() {
    const SOCKETS: u64 = 200;
    const FRAME: u64 = 1 << 20;
    // A process of its own, so that its memory is nobody else's.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let alice = Account::new(&server, "alice").await;
    RawSocket::admitted(&server, &alice).await.lives().await;
    let before = meter(&server, "process_resident_memory_bytes").await;

    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = Handshake::to(&server).open().await;
        // As large as a frame may be, but more than a stranger may send.
        socket.send(Frame::new(Opcode::Binary, []).announcing(FRAME)).await;
        assert!(matches!(socket.receive().await, Received::Close(Some(1009), _)));
        sockets.push(socket);
    }

    let grown = meter(&server, "process_resident_memory_bytes").await.saturating_sub(before);
    assert!(grown < SOCKETS * FRAME / 4, "{grown} bytes");
}

#[actix_web::test]
async fn too_much_before_the_ack_closes_with_1009() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__UNAUTHENTICATED_BYTES", "16384")]).await;
    let alice = Account::new(&node, "alice").await;
    let ping = Frame::text(&json!({ "type": "ping" }).to_string()).bytes();
    let pings = ping.repeat(16_384 / ping.len() + 1);

    let mut stranger = Handshake::to(&node).open().await;
    stranger.send_bytes(&pings).await;
    assert_eq!(stranger.closed().await.0, 1009);

    let mut in_one_frame = Handshake::to(&node).open().await;
    in_one_frame.send_bytes(&Frame::new(Opcode::Binary, vec![0; 20_000]).bytes()).await;
    assert_eq!(in_one_frame.closed().await.0, 1009);

    // Who is known may send more.
    let mut known = RawSocket::admitted(&node, &alice).await;
    known.send_bytes(&pings).await;
    for _ in 0..=16_384 / ping.len() {
        assert_eq!(known.hear().await, json!({ "type": "pong" }));
    }

    drop(known);
    node.stop().await;
}

#[actix_web::test]
async fn a_ping_is_answered_by_a_pong_with_its_payload() {
    let node = TestNode::start().await;
    let mut socket = Handshake::to(&node).open().await;

    for payload in [&b""[..], b"hello", &[0xFF; 125]] {
        socket.send(Frame::ping(payload)).await;
        assert_eq!(socket.receive().await, Received::Pong(payload.to_vec()));
    }
    // A pong that nobody asked for is ignored, masked with zeros or not.
    socket.send(Frame::new(Opcode::Pong, "unasked")).await;
    socket.send(Frame::ping(b"still there?")).await;
    assert_eq!(socket.receive().await, Received::Pong(b"still there?".to_vec()));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_close_is_answered_with_its_code_and_the_connection_ends() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;

    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4000, 4999] {
        let mut socket = RawSocket::admitted(&node, &alice).await;
        socket.send(Frame::close(code, "so long")).await;
        assert_eq!(socket.receive().await, Received::Close(Some(code), String::new()));
        assert_eq!(socket.receive().await, Received::End);
    }

    let mut socket = RawSocket::admitted(&node, &alice).await;
    socket.send(Frame::new(Opcode::Close, [])).await;
    assert_eq!(socket.receive().await, Received::Close(None, String::new()));
    assert_eq!(socket.receive().await, Received::End);

    until_meter(&node, "coscribe_session_closes_total{reason=\"gone\"}", 12).await;
    node.stop().await;
}

#[actix_web::test]
async fn after_both_close_frames_the_server_hangs_up_first_and_soon() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut quickest = Duration::MAX;

    for _ in 0..5 {
        let mut socket = RawSocket::admitted(&node, &alice).await;
        let start = Instant::now();
        socket.send(Frame::close(1000, "")).await;
        assert!(matches!(socket.receive().await, Received::Close(..)));
        assert_eq!(socket.receive().await, Received::End);
        quickest = quickest.min(start.elapsed());
    }

    assert!(quickest < Duration::from_millis(800), "{quickest:?}");
    node.stop().await;
}

#[actix_web::test]
async fn what_waits_is_sent_before_the_answer_to_a_close() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    let ping = Frame::text(&json!({ "type": "ping" }).to_string()).bytes();
    socket.send_bytes(&[ping.repeat(10), Frame::close(1000, "").bytes()].concat()).await;

    for _ in 0..10 {
        assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    }
    assert_eq!(socket.receive().await, Received::Close(Some(1000), String::new()));
    assert_eq!(socket.receive().await, Received::End);
    node.stop().await;
}

#[actix_web::test]
async fn whatever_comes_after_a_close_frame_is_nobodys_business() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;

    for rest in [
        vec![0xFF; 5_000],
        Frame::text("no message").bytes(),
        Frame::close(1002, "").bytes(),
        Frame::new(Opcode::Reserved(3), "x").unmasked().bytes(),
    ] {
        let mut socket = RawSocket::admitted(&node, &alice).await;
        socket.send_bytes(&[Frame::close(1000, "").bytes(), rest].concat()).await;
        assert_eq!(socket.receive().await, Received::Close(Some(1000), String::new()));
        assert_eq!(socket.receive().await, Received::End);
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_close_between_fragments_is_answered() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    // Half a character waits for its other half, which will never come.
    socket.send(Frame::new(Opcode::Text, b"\xE2").unfinished()).await;
    socket.send(Frame::close(1000, "")).await;

    assert_eq!(socket.receive().await, Received::Close(Some(1000), String::new()));
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_hangs_up_without_a_close_frame_is_gone() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;

    let mut half_closed = RawSocket::admitted(&node, &alice).await;
    half_closed.half_close().await;
    assert!(matches!(half_closed.receive().await, Received::Close(..)));
    assert_eq!(half_closed.receive().await, Received::End);
    drop(RawSocket::admitted(&node, &alice).await);
    RawSocket::admitted(&node, &alice).await.reset();
    let mut within_a_frame = RawSocket::admitted(&node, &alice).await;
    within_a_frame.send(Frame::text("").announcing(100)).await;
    within_a_frame.reset();

    until_meter(&node, "coscribe_session_closes_total{reason=\"gone\"}", 4).await;
    node.stop().await;
}

#[actix_web::test]
async fn arbitrary_bytes_stop_nobody_else() {
    const ROUNDS: u32 = 200;
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut healthy = RawSocket::admitted(&node, &alice).await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let anything = plan();

    for round in 0..ROUNDS {
        let plan = anything.new_tree(&mut runner).unwrap().current();
        let mut socket = if round % 2 == 0 {
            Handshake::to(&node).open().await
        } else {
            RawSocket::admitted(&node, &alice).await
        };
        for bytes in &plan {
            socket.send_what_is_taken(bytes).await;
        }
    }

    healthy.lives().await;
    RawSocket::admitted(&node, &alice).await.lives().await;
    let panicked = meter(&node, "coscribe_session_closes_total{reason=\"internal_error\"}").await;
    assert_eq!(panicked, 0);
    drop(healthy);
    node.stop().await;
}

/// Writes that are noise, frames of noise, or messages with something wrong in them.
fn plan() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..300);
    let opcode = prop_oneof![
        Just(Opcode::Text),
        Just(Opcode::Binary),
        Just(Opcode::Continuation),
        Just(Opcode::Ping),
        Just(Opcode::Close),
        (3_u8..16).prop_map(Opcode::Reserved),
    ];
    let frame = (opcode, noise.clone(), any::<bool>()).prop_map(|(opcode, payload, ends)| {
        let frame = Frame::new(opcode, payload);
        if ends { frame.bytes() } else { frame.unfinished().bytes() }
    });
    let kind = prop_oneof![
        Just("connection_init"),
        Just("subscribe"),
        Just("complete"),
        Just("ping"),
        Just("pong"),
    ];
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!({ "query": "{ me { id } }" })),
        Just(json!({ "query": "subscription { cursorMoved(documentId: \"x\") { color } }" })),
        Just(json!({ "query": "{ __typename }", "operationName": "\u{0}", "variables": null })),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,20}".prop_map(|text| json!({ "query": text, "authToken": text })),
    ];
    let message = (kind, ".{0,3}", value).prop_map(|(kind, id, payload)| {
        Frame::text(&json!({ "type": kind, "id": id, "payload": payload }).to_string()).bytes()
    });
    proptest::collection::vec(prop_oneof![noise, frame, message], 1..8)
}
