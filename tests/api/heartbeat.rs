//! Signs of life: the server's pings, and what becomes of a client that gives none.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    TestNode,
    raw::{
        Account, Frame, Handshake, Opcode, RawSocket, Received, meter, shared_document, until,
        until_meter,
    },
};

/// Pings come often, and silence is allowed for four of them.
const QUICK: &[(&str, &str)] =
    &[("COSCRIBE__SESSION__PING_EVERY", "100ms"), ("COSCRIBE__SESSION__SILENCE_ALLOWED", "400ms")];

#[actix_web::test]
async fn pings_come_at_their_interval() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__PING_EVERY", "100ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "60s"),
    ])
    .await;
    let alice = Account::new(&node, "alice").await;
    let start = Instant::now();
    let mut socket = RawSocket::admitted(&node, &alice).await;

    for _ in 0..5 {
        assert_eq!(socket.receive().await, Received::Ping(vec![]));
    }
    // Never early; how late they may come is the machine's business.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_silent_client_is_closed_and_the_others_hear_that_it_left() {
    let node = TestNode::start_with(QUICK).await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let document = shared_document(&node, &alice, &[&bob]).await;
    let presence = format!(
        "subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind presence {{ user {{ name }} }} }} }}"
    );
    let told = |kind: &str| json!({ "presenceUpdated": { "kind": kind, "presence": { "user": { "name": "bob" } } } });
    // Whoever hears answers pings.
    let mut watching = RawSocket::admitted(&node, &alice).await;
    watching.listen(&node, "p", &presence).await;
    let mut silent = RawSocket::admitted(&node, &bob).await;
    let admitted = Instant::now();
    silent.ask("p", &presence).await;
    assert_eq!(watching.told("p").await, told("JOINED"));

    // It reads, but it says nothing.
    let closing = silent.closed();
    let leaving = watching.told("p");
    let (closed, left) = futures_util::future::join(closing, leaving).await;

    assert_eq!(closed, (1001, "No data received for 1 s; reconnect to resume".to_owned()));
    assert_eq!(left, told("LEFT"));
    assert!(admitted.elapsed() >= Duration::from_millis(400), "{:?}", admitted.elapsed());
    let present =
        format!("{{ documentPresence(documentId: \"{document}\") {{ user {{ name }} }} }}");
    let present = alice.post(&node, &present, json!({})).await;
    assert_eq!(present, json!({ "documentPresence": [{ "user": { "name": "alice" } }] }));
    until_meter(&node, "coscribe_session_closes_total{reason=\"silent\"}", 1).await;
    watching.lives().await;

    drop(watching);
    node.stop().await;
}

/// Outlives three times the silence that is allowed, by answering each ping with `frame`.
async fn lives_by(frame: Frame) {
    let node = TestNode::start_with(QUICK).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let mut pings = 0;

    while pings < 12 {
        match socket.receive().await {
            Received::Ping(_) => {
                socket.send(frame.clone()).await;
                pings += 1;
            }
            Received::Pong(_) | Received::Text(_) => {}
            other => panic!("after {pings} pings came {other:?}"),
        }
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_pong_keeps_a_client_alive() {
    lives_by(Frame::new(Opcode::Pong, [])).await;
}

#[actix_web::test]
async fn a_ping_keeps_a_client_alive() {
    lives_by(Frame::ping(b"me too")).await;
}

#[actix_web::test]
async fn a_message_keeps_a_client_alive() {
    lives_by(Frame::text("{\"type\":\"pong\"}")).await;
}

#[actix_web::test]
async fn a_frame_that_is_not_finished_keeps_a_client_alive() {
    let node = TestNode::start_with(QUICK).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let bytes = Frame::text("{\"type\":\"ping\"}").bytes();

    // One byte for each ping: a slow line is no dead line.
    for byte in bytes {
        assert_eq!(socket.receive().await, Received::Ping(vec![]));
        socket.send_bytes(&[byte]).await;
    }

    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    drop(socket);
    node.stop().await;
}

/// Phones sleep for minutes. They may stay, and a client that does not read must not hold a full outbox for as long.
#[actix_web::test]
async fn a_silent_client_stays_where_a_client_that_does_not_read_is_closed_soon() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__PING_EVERY", "200ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "5m"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "600ms"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "5m"),
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
    ])
    .await;
    let alice = Account::new(&node, "alice").await;
    let mut phone = RawSocket::admitted(&node, &alice).await;
    let mut stalled = Handshake::to(&node).receive_buffer(4_096).open().await;
    stalled.init(&alice.token).await;
    let closes = "coscribe_session_closes_total";

    // It sends, but does not read: each message is answered with its own text, until neither kernel takes more.
    let message = json!({ "type": "ping", "payload": { "text": "x".repeat(60_000) } });
    let message = Frame::text(&message.to_string());
    let sending = async {
        loop {
            stalled.send(message.clone()).await;
        }
    };
    let closed = async {
        until_meter(&node, &format!("{closes}{{reason=\"too_slow\"}}"), 1).await;
    };
    tokio::select! {
        () = sending => {}
        () = closed => {}
    }
    drop(stalled);

    // The phone sends nothing, not even a pong, for longer than a client may stall.
    for _ in 0..10 {
        assert_eq!(phone.receive().await, Received::Ping(vec![]));
    }
    phone.lives().await;
    assert_eq!(meter(&node, &format!("{closes}{{reason=\"silent\"}}")).await, 0);
    drop(phone);
    node.stop().await;
}

/// The log of this process, at the level `info`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects the log of this process from now on. Sessions log on threads of their own.
    fn collect() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let start = || {
            let log = Self::default();
            let sink = log.clone();
            let lines = tracing_subscriber::fmt().with_ansi(false);
            let subscriber = lines.with_writer(move || sink.clone()).finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
            log
        };
        LOG.get_or_init(start).clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The only line with this message in the span of a session.
    async fn line(&self, session: &Value, message: &str) -> String {
        let span = format!("session{{session.id={} ", session.as_str().unwrap());
        let find = || {
            let text = self.text();
            let found = text.lines().filter(|line| line.contains(&span) && line.contains(message));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        until(message, async || !find().is_empty()).await;
        let mut found = find();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

#[actix_web::test]
async fn the_log_says_which_session_ended_for_which_reason_and_how_long_it_lived() {
    let log = Log::collect();
    let node = TestNode::start_with(QUICK).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;
    let ack = socket.init(&alice.token).await;
    let (session, user) = (&ack["sessionId"], ack["userId"].as_str().unwrap());
    let address = socket.address().to_string();

    socket.closed().await;

    let in_span = format!("protocol=\"graphql\" user.id={user}}}");
    let admitted = log.line(session, "session admitted").await;
    assert!(admitted.contains(&in_span), "{admitted}");
    let closed = log.line(session, "session closed").await;
    assert!(closed.contains(&in_span), "{closed}");
    assert!(closed.contains("reason=\"silent\" lived="), "{closed}");
    let text = log.text();
    assert!(!text.contains(&alice.token) && !text.contains(&address), "{text}");
    node.stop().await;
}

#[actix_web::test]
async fn the_log_says_which_session_was_refused() {
    let log = Log::collect();
    let node = TestNode::start().await;
    let mut socket = Handshake::to(&node).open().await;

    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await.0, 4403);

    let refused = |text: String| {
        let mut lines = text.lines().filter(|line| line.contains("session refused"));
        lines.any(|line| line.contains("reason=\"missing_token\" lived="))
    };
    until("the line of the refused session", async || refused(log.text())).await;
    node.stop().await;
}
