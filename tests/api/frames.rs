//! WebSocket frames: what RFC 6455 forbids, the limits on their size, and arbitrary bytes.

use kit::{Frame, Node as _, Opcode, Person, ServerFrame, TestNode};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::json;

use crate::SERVER;

/// Sends `bytes` on a session of its own, which must close. Returns the code.
async fn expect_close_after(person: &Person, bytes: &[u8]) -> u16 {
    let mut socket = person.connect_raw().await;
    socket.send_bytes(bytes).await;
    let (code, reason) = socket.expect_close().await;
    assert!(!reason.is_empty());
    code
}

#[actix_web::test]
async fn frames_that_break_the_protocol_close_with_1002() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
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
        ("a medium length in eight bytes", vec![text(&"x".repeat(300)).with_eight_length_bytes()]),
        ("a negative length", vec![text("").announcing(1 << 63)]),
        ("the maximum length", vec![text("").announcing(u64::MAX)]),
        ("a continuation of nothing", vec![Frame::new(Opcode::Continuation, "{}")]),
        (
            "an unfinished continuation of nothing",
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
        wrong.push(("reserved bits", vec![text("{}").reserved_bits(bits)]));
        wrong.push(("reserved bits of a ping", vec![Frame::ping(b"").reserved_bits(bits)]));
    }
    for opcode in (3..=7).chain(11..=15) {
        wrong.push(("a reserved opcode", vec![Frame::new(Opcode::Reserved(opcode), "{}")]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        wrong.push(("a close code that must not be sent", vec![Frame::close(code, "")]));
    }

    for (what, frames) in wrong {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        assert_eq!(expect_close_after(&alice, &bytes).await, 1002, "{what}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn text_that_is_not_utf8_closes_with_1007() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
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
        // Refused as soon as no continuation can complete it.
        ("a first fragment that cannot become text", vec![text(b"\xFF").unfinished()]),
        ("a close reason", vec![Frame::close(1000, b"\xFF")]),
        ("half a character in a close reason", vec![Frame::close(1000, b"bye\xE2\x82")]),
    ] {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        assert_eq!(expect_close_after(&alice, &bytes).await, 1007, "{what}");
    }

    node.stop().await;
}

const SMALL: &[(&str, &str)] = &[
    ("COSCRIBE__LIMITS__FRAME", "20000"),
    ("COSCRIBE__LIMITS__MESSAGE", "50000"),
    ("COSCRIBE__LIMITS__OPERATION_TEXT", "50000"),
];

#[actix_web::test]
async fn a_frame_over_the_limit_closes_with_1009_before_its_payload() {
    let node = TestNode::start_with(SMALL).await;
    let alice = node.person("Alice").await;

    for length in [20_001, 1 << 20, 1 << 40, (1 << 63) - 1] {
        let header = Frame::new(Opcode::Binary, []).announcing(length).bytes();
        assert_eq!(expect_close_after(&alice, &header).await, 1009, "{length}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_message_over_the_limit_closes_with_1009_however_it_is_fragmented() {
    let node = TestNode::start_with(SMALL).await;
    let alice = node.person("Alice").await;
    let first = Frame::new(Opcode::Text, vec![b' '; 20_000]).unfinished();
    let more = Frame::new(Opcode::Continuation, vec![b' '; 20_000]).unfinished();

    // The header of the fragment that exceeds the limit is enough.
    let last = Frame::new(Opcode::Continuation, []).announcing(10_001);
    let bytes: Vec<u8> = [&first, &more, &last].into_iter().flat_map(Frame::bytes).collect();
    assert_eq!(expect_close_after(&alice, &bytes).await, 1009);

    let tiny = Frame::new(Opcode::Continuation, [b' '; 100]).unfinished();
    let bytes = [first.bytes(), tiny.bytes().repeat(301)].concat();
    assert_eq!(expect_close_after(&alice, &bytes).await, 1009);

    node.stop().await;
}

#[actix_web::test]
async fn announced_frames_cost_no_memory_before_admission() {
    const SOCKETS: u64 = 200;
    const FRAME: u64 = 1 << 20;
    // In a process of its own, whose memory no other test uses.
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    alice.connect_raw().await.expect_alive().await;
    let before = server.metric("process_resident_memory_bytes").await;

    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = server.handshake().open_raw().await;
        // As large as a frame may be, but more than a client may send before it is admitted.
        socket.send_frame(Frame::new(Opcode::Binary, []).announcing(FRAME)).await;
        assert!(matches!(socket.expect_frame().await, ServerFrame::Close(Some(1009), _)));
        sockets.push(socket);
    }

    let grown = server.metric("process_resident_memory_bytes").await.saturating_sub(before);
    assert!(grown < SOCKETS * FRAME / 4, "{grown} bytes");
}

#[actix_web::test]
async fn too_many_bytes_before_the_ack_close_with_1009() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__INIT_BYTES", "16384")]).await;
    let alice = node.person("Alice").await;
    let ping = Frame::text(&json!({ "type": "ping" }).to_string()).bytes();
    let pings = ping.repeat(16_384 / ping.len() + 1);

    let mut stranger = node.handshake().open_raw().await;
    stranger.send_bytes(&pings).await;
    assert_eq!(stranger.expect_close().await.0, 1009);

    let mut in_one_frame = node.handshake().open_raw().await;
    in_one_frame.send_bytes(&Frame::new(Opcode::Binary, vec![0; 20_000]).bytes()).await;
    assert_eq!(in_one_frame.expect_close().await.0, 1009);

    // An admitted client may send more.
    let mut admitted = alice.connect_raw().await;
    admitted.send_bytes(&pings).await;
    for _ in 0..=16_384 / ping.len() {
        assert_eq!(admitted.expect_message().await, json!({ "type": "pong" }));
    }

    drop(admitted);
    node.stop().await;
}

#[actix_web::test]
async fn a_ping_is_answered_by_a_pong_with_its_payload() {
    let node = TestNode::start().await;
    let mut socket = node.handshake().open_raw().await;

    for payload in [&b""[..], b"hello", &[0xFF; 125]] {
        socket.send_frame(Frame::ping(payload)).await;
        assert_eq!(socket.expect_frame().await, ServerFrame::Pong(payload.to_vec()));
    }
    // An unsolicited pong is ignored.
    socket.send_frame(Frame::new(Opcode::Pong, "unsolicited")).await;
    socket.send_frame(Frame::ping(b"still there?")).await;
    assert_eq!(socket.expect_frame().await, ServerFrame::Pong(b"still there?".to_vec()));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn arbitrary_bytes_do_not_disturb_other_sessions() {
    const ROUNDS: u32 = 200;
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut healthy = alice.connect_raw().await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let plans = plan();

    for round in 0..ROUNDS {
        let plan = plans.new_tree(&mut runner).unwrap().current();
        let mut socket = if round % 2 == 0 {
            node.handshake().open_raw().await
        } else {
            alice.connect_raw().await
        };
        for bytes in &plan {
            socket.try_send_bytes(bytes).await;
        }
    }

    healthy.expect_alive().await;
    alice.connect_raw().await.expect_alive().await;
    let panics = node.metric("coscribe_session_closes_total{reason=\"internal_error\"}").await;
    assert_eq!(panics, 0);
    drop(healthy);
    node.stop().await;
}

/// A plan of writes: noise, frames of noise, and messages with errors in them.
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
