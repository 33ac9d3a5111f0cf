//! What the log shows of sessions and refused upgrades.

use std::{
    fs, io,
    sync::{Arc, Mutex, OnceLock},
};

use futures_util::future::join_all;
use kit::{Client as _, Handshake, Node as _, Program, TestNode, expect_eventually};
use serde_json::{Value, json};

/// The end of a client after 3 s of silence.
const QUICK: &[(&str, &str)] =
    &[("COSCRIBE__SESSION__PING_EVERY", "1s"), ("COSCRIBE__SESSION__SILENCE_ALLOWED", "3s")];

/// The log of this process at the level `info`.
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
    /// Records the log of the whole process from now on, because sessions log on threads of their own.
    fn record() -> Self {
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

    /// Waits for the line with this message in the span of a session. Fails the test if there are several.
    async fn expect_line(&self, session: &Value, message: &str) -> String {
        let span = format!("session{{session.id={} ", session.as_str().unwrap());
        let find = || {
            let text = self.text();
            let found = text.lines().filter(|line| line.contains(&span) && line.contains(message));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        expect_eventually(message, async || !find().is_empty()).await;
        let mut found = find();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

#[actix_web::test]
async fn the_log_names_each_session_and_the_reason_for_its_end_but_no_token_or_address() {
    let log = Log::record();
    let node = TestNode::start_with(QUICK).await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;
    let ack = socket.init(&alice.token).await;
    let (session, user) = (&ack["sessionId"], ack["userId"].as_str().unwrap());
    let address = socket.address().to_string();

    socket.expect_close().await;

    let in_span = format!("protocol=\"graphql\" user.id={user}}}");
    let admitted = log.expect_line(session, "session admitted").await;
    assert!(admitted.contains(&in_span), "{admitted}");
    let closed = log.expect_line(session, "session closed").await;
    assert!(closed.contains(&in_span), "{closed}");
    assert!(closed.contains("reason=\"silent\" lived="), "{closed}");
    let text = log.text();
    assert!(!text.contains(&alice.token) && !text.contains(&address), "{text}");
    node.stop().await;
}

#[actix_web::test]
async fn the_log_shows_why_a_session_was_refused() {
    let log = Log::record();
    let node = TestNode::start().await;
    let mut socket = node.handshake().open_raw().await;

    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.expect_close().await.0, 4403);

    let has_refusal = |text: String| {
        let mut lines = text.lines().filter(|line| line.contains("session refused"));
        lines.any(|line| line.contains("reason=\"missing_token\" lived="))
    };
    expect_eventually("the log line of the refusal", async || has_refusal(log.text())).await;
    node.stop().await;
}

#[actix_web::test]
async fn the_log_shows_why_an_upgrade_was_refused() {
    let log = Log::record();
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let editor = |path: String| Handshake::to_path(node.address(), &path);
    let bad_token = format!("{}x", alice.token);
    let cases = [
        (node.handshake().token_in_address("no-token"), "malformed"),
        (editor(format!("/sync/{document}?token={bad_token}")), "bad_signature"),
        (editor(format!("/sync/{document}")).token_beside("coscribe", &bad_token), "bad_signature"),
        (editor(format!("/sync/{document}?ticket={bad_token}")), "ticket_invalid"),
        (editor(format!("/sync/{document}")), "missing"),
        (editor(format!("/sync/{document}?token=x&token=y")), "malformed_address"),
        (node.handshake().header("Origin", "https://elsewhere.example"), "origin"),
        (node.handshake().replace("Sec-WebSocket-Version", "12"), "handshake"),
    ];

    for (handshake, reason) in cases {
        // Those of editors are accepted, and closed at once.
        drop(handshake.send().await);
        let line = format!("upgrade refused reason=\"{reason}\"");
        expect_eventually(&line, async || log.text().contains(&line)).await;
    }
    let text = log.text();
    assert!(!text.contains(&bad_token) && !text.contains("elsewhere"), "{text}");
    node.stop().await;
}

#[actix_web::test]
async fn strangers_cause_few_log_lines() {
    /// What may be written in 30 s. All requests together take less than 20 s, since each of them has to be answered in 10 s.
    const FEW: usize = 60;
    const MANY: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = fs::File::create(&path).unwrap();
    let settings = [("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")];
    let program = Program::new(env!("CARGO_BIN_EXE_coscribe"));
    let node = program.start_with_log(folder.path(), &settings, log.into()).await;

    join_all((0..MANY).map(|_| async {
        assert_eq!(node.get("/graphql?query=%7B__typename%7D").await.status, 200);
    }))
    .await;
    join_all((0..MANY).map(|_| async {
        let mut socket = node.handshake().open_raw().await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.expect_close().await.0, 4403);
    }))
    .await;
    node.terminate().await;

    let log = fs::read_to_string(&path).unwrap();
    for message in ["request answered", "session refused"] {
        let lines = log.lines().filter(|line| line.contains(message)).count();
        assert!((1..=FEW).contains(&lines), "{lines} lines: {message}");
    }
}
