//! How a node goes down, and what its commands do.

use std::{
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use futures_util::future::join;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::support::{
    TestNode,
    raw::{
        Account, Handshake, Listens, RawSocket, Server, document, meter, seats, shared_document,
        until,
    },
};

/// Half of it is for sending sessions away.
const DRAIN: &[(&str, &str)] = &[("COSCRIBE__SERVER__DRAIN", "4s")];

fn presence(document: &str) -> String {
    format!("subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind }} }}")
}

fn restarting(seconds: u32) -> (u16, String) {
    (1001, format!("Server is restarting; reconnect in {seconds} s"))
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_err()
}

#[actix_web::test]
async fn sessions_are_sent_away_one_after_the_other() {
    let mut node = TestNode::start_with(DRAIN).await;
    let alice = Account::new(&node, "alice").await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(RawSocket::admitted(&node, &alice).await);
    }

    let start = Instant::now();
    let closed = sockets.iter_mut().map(async |socket| (socket.closed().await, start.elapsed()));
    let (mut closed, ()) = join(futures_util::future::join_all(closed), node.restart()).await;

    // Every half second one, and who goes later is asked to come back later.
    closed.sort_by_key(|(_, after)| *after);
    let said: Vec<_> = closed.iter().map(|(said, _)| said.clone()).collect();
    assert_eq!(said, [restarting(1), restarting(2), restarting(2), restarting(3)]);
    for (place, (_, after)) in (0..).zip(&closed) {
        assert!(*after >= Duration::from_millis(500) * place, "{closed:?}");
    }
    // They went by themselves, so nobody had to wait for the end of the time.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());

    node.stop().await;
}

#[actix_web::test]
async fn a_node_that_goes_down_takes_nobody_in_and_others_hear_who_left() {
    let mut node = TestNode::start_with(DRAIN).await;
    let address = node.address();
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let mut one = RawSocket::admitted(&node, &alice).await;
    one.listen(&node, "p", &presence(&document)).await;
    let mut other = RawSocket::admitted(&node, &alice).await;
    other.listen(&node, "p", &presence(&document)).await;
    assert_eq!(one.told("p").await["presenceUpdated"]["kind"], "JOINED");

    let clients = async {
        // Either of them may be the first to go; the other is told and still answered.
        let (last, first) = {
            let (first, second) = (Box::pin(one.hear_or_close()), Box::pin(other.hear_or_close()));
            match join(first, second).await {
                (Ok(told), Err(closed)) => ((told, &mut one), closed),
                (Err(closed), Ok(told)) => ((told, &mut other), closed),
                unexpected => panic!("{unexpected:?}"),
            }
        };
        assert_eq!(first, restarting(1));
        let (told, last) = last;
        assert_eq!(told["payload"]["data"]["presenceUpdated"]["kind"], "LEFT");
        assert!(is_refused(address));
        last.lives().await;
        assert_eq!(last.closed().await, restarting(2));
    };
    join(clients, node.restart()).await;

    node.stop().await;
}

#[actix_web::test]
async fn whoever_comes_in_at_the_last_moment_is_sent_away_as_well() {
    let mut node = TestNode::start_with(DRAIN).await;
    let alice = Account::new(&node, "alice").await;
    // The token has to be looked at, which takes a moment.
    let path = format!("/graphql?token={}", alice.token);
    let first = Notify::new();
    let arrive = async |node: Handshake| match node.try_send().await {
        Ok(reply) if reply.status == 101 => {
            first.notify_one();
            Some(reply.accepted().closed().await)
        }
        // Too late: no connection, no answer, or an answer that says so.
        Ok(reply) => {
            assert_eq!(reply.status, 503);
            None
        }
        Err(_) => None,
    };
    let arriving: Vec<_> = (0..200).map(|_| arrive(Handshake::to(&node).path(&path))).collect();

    let restart = async {
        first.notified().await;
        let start = Instant::now();
        node.restart().await;
        start.elapsed()
    };
    let (arrived, took) = join(futures_util::future::join_all(arriving), restart).await;

    assert!(arrived.iter().flatten().all(|closed| closed.0 == 1001), "{arrived:?}");
    assert!(took < Duration::from_millis(3_900), "{took:?}");
    node.stop().await;
}

#[actix_web::test]
async fn a_change_in_flight_is_stored_and_answered() {
    const CHANGES: usize = 200;
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000"),
        ("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000"),
    ];
    let mut node = TestNode::start_with(&[DRAIN, &limits].concat()).await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let version = format!("{{ document(id: \"{document}\") {{ version }} }}");
    let version = async |node: &TestNode| {
        let data = alice.post(node, &version, json!({})).await;
        data["document"]["version"].as_u64().unwrap()
    };
    let before = version(&node).await;

    let changes: String = (0..CHANGES)
        .map(|n| {
            format!("c{n}: updateDocument(id: \"{document}\", title: \"Title {n}\") {{ version }} ")
        })
        .collect();
    socket.ask("1", &format!("mutation {{ {changes} }}")).await;
    until("the first changes", async || version(&node).await > before + 2).await;
    let client = async {
        let response = socket.answered("1").await;
        (response, socket.closed().await)
    };
    let ((response, closed), ()) = join(client, node.restart()).await;

    assert_eq!(response["errors"], Value::Null);
    assert_eq!(response["data"].as_object().unwrap().len(), CHANGES);
    assert_eq!(closed, restarting(1));
    assert_eq!(version(&node).await, before + CHANGES as u64);
    node.stop().await;
}

#[actix_web::test]
async fn nothing_new_is_begun_while_a_session_waits_for_its_last_answer() {
    let limits = [("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000")];
    let mut node = TestNode::start_with(&[DRAIN, &limits].concat()).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let long = format!("{{ {long} }}");

    let client = async {
        let mut id = 0;
        // Long ones one after the other, until one is refused.
        loop {
            id += 1;
            socket.ask(&id.to_string(), &long).await;
            let message = match socket.hear_or_close().await {
                Ok(message) => message,
                Err(closed) => break closed,
            };
            match message["type"].as_str().unwrap() {
                "next" => assert_eq!(socket.hear().await["type"], "complete"),
                "error" => assert_eq!(message["payload"][0]["extensions"]["code"], "UNAVAILABLE"),
                _ => panic!("{message}"),
            }
        }
    };
    let (closed, ()) = join(client, node.restart()).await;

    assert_eq!(closed, restarting(1));
    node.stop().await;
}

/// A client that has everything waiting for it that an outbox holds, and reads nothing.
async fn stalled(server: &Server, account: &Account) -> RawSocket {
    let document = shared_document(server, account, &[]).await;
    let mut socket = Handshake::to(server).receive_buffer(4_096).open().await;
    socket.init(&account.token).await;
    let content = "a: content b: content c: content d: content";
    let all =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {content} }} }}");
    socket.ask("1", &all).await;
    until("a seat", async || seats(server).await == 1).await;
    // By another session of the same user, or the changes would be taken for the client's own.
    let mut author = RawSocket::admitted(server, account).await;
    let text = "mutation($text: String!, $document: ID!) {
        updateDocument(id: $document, content: $text) { version }
    }";
    for round in 0.. {
        let variables =
            json!({ "document": document, "text": format!("{round:08}").repeat(50_000) });
        author.run("1", text, variables).await;
        if meter(server, "coscribe_seats_behind").await > 0 {
            break;
        }
    }
    socket
}

#[actix_web::test]
async fn the_server_exits_in_time_on_either_signal() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), DRAIN).await;
        let alice = Account::new(&server, "alice").await;
        let mut socket = RawSocket::admitted(&server, &alice).await;

        let start = Instant::now();
        server.signal(signal).await;
        let (closed, status) = join(socket.closed(), server.exited()).await;

        assert_eq!(closed, restarting(1));
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
}

/// Ends the server, and says whether it exited in the time that it has, and a moment for the process to end.
async fn exits_in_time(server: Server) -> bool {
    let start = Instant::now();
    server.signal("TERM").await;
    assert_eq!(server.exited().await.code(), Some(0));
    start.elapsed() < Duration::from_millis(4_900)
}

#[actix_web::test]
async fn a_client_that_does_not_read_does_not_keep_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), DRAIN).await;
    let alice = Account::new(&server, "alice").await;
    let stalled = stalled(&server, &alice).await;

    assert!(exits_in_time(server).await);
    drop(stalled);
}

#[actix_web::test]
async fn clients_that_do_not_answer_do_not_keep_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), DRAIN).await;
    let alice = Account::new(&server, "alice").await;
    let mute = RawSocket::admitted(&server, &alice).await;
    let stranger = Handshake::to(&server).open().await;
    let idle = TcpStream::connect(server.address()).unwrap();

    assert!(exits_in_time(server).await);
    drop((mute, stranger, idle));
}

#[actix_web::test]
async fn a_second_start_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let alice = Account::new(&server, "alice").await;
    let document = document(&server, &alice).await;
    server.signal("TERM").await;
    assert_eq!(server.exited().await.code(), Some(0));

    let server = Server::start(folder.path(), &[]).await;

    // The old token is good: the secret was kept, for its owner only.
    let title = format!("{{ document(id: \"{document}\") {{ title }} }}");
    let found = alice.post(&server, &title, json!({})).await;
    assert_eq!(found, json!({ "document": { "title": "Plan" } }));
    let secret = std::fs::metadata(folder.path().join("data/jwt-secret")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    server.signal("INT").await;
    assert_eq!(server.exited().await.code(), Some(0));
}

/// What a command that worked printed.
async fn printed(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = Server::run(folder, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn help_explains_each_command() {
    let folder = tempfile::tempdir().unwrap();

    let help = printed(folder.path(), &["--help"]).await;
    for command in
        ["serve", "migrate", "token", "schema", "health", "--data-dir", "--config", "--demo"]
    {
        let line = help.lines().find(|line| line.trim_start().starts_with(command));
        assert!(line.is_some_and(|line| line.contains("  ")), "{command} in\n{help}");
    }
    for arguments in [&["migrate", "--help"][..], &["token", "--help"], &["serve", "--help"]] {
        assert!(printed(folder.path(), arguments).await.contains("Usage: coscribe"));
    }
    // Nothing was made for that.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn a_server_is_healthy_as_long_as_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let port = server.address().port().to_string();
    let health = ["health", "--host", "127.0.0.1", "--port", port.as_str()];
    assert_eq!(printed(folder.path(), &health).await, "");

    server.signal("TERM").await;
    assert!(server.exited().await.success());
    let output = Server::run(folder.path(), &health).await;
    assert!(!output.status.success());
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains(&format!("no server responds on http://127.0.0.1:{port}")), "{says}");
}

#[actix_web::test]
async fn the_schema_is_printed_without_a_database() {
    let folder = tempfile::tempdir().unwrap();

    let schema = printed(folder.path(), &["schema"]).await;

    assert_eq!(schema, coscribe::graphql::sdl());
    assert!(schema.contains("type Subscription {"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn migrations_go_up_and_down_and_say_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| printed(folder.path(), arguments).await;
    let states = async || {
        let status = run(&["migrate", "status"]).await;
        let states: Vec<_> = status.lines().map(|line| line.split(' ').next().unwrap()).collect();
        (states.iter().filter(|state| **state == "applied").count(), states.len())
    };
    let (applied, all) = states().await;
    assert!(applied == 0 && all > 0);

    let up = run(&["migrate", "up"]).await;
    assert_eq!(up.lines().filter(|line| line.starts_with("applied ")).count(), all);
    assert_eq!(states().await, (all, all));
    assert_eq!(run(&["migrate", "up"]).await, "nothing to do\n");

    assert!(run(&["migrate", "down"]).await.starts_with("reverted "));
    assert_eq!(states().await, (all - 1, all));
    run(&["migrate", "down", "--steps", "100"]).await;
    assert_eq!(states().await, (0, all));
    run(&["migrate", "up"]).await;
    assert_eq!(states().await, (all, all));
}

#[actix_web::test]
async fn a_token_is_printed_for_whom_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let alice = Account::new(&server, "alice").await;

    for name in [alice.id.as_str(), "alice@example.org"] {
        let token = printed(folder.path(), &["token", "--user", name]).await;
        let account = Account { token: token.trim().to_owned(), ..alice.clone() };
        let me = account.post(&server, "{ me { id } }", json!({})).await;
        assert_eq!(me["me"]["id"], json!(alice.id));
    }
    let nobody = Server::run(folder.path(), &["token", "--user", "nobody@example.org"]).await;
    assert!(!nobody.status.success() && nobody.stdout.is_empty());
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(said.contains("nobody@example.org"), "{said}");

    server.signal("TERM").await;
    assert_eq!(server.exited().await.code(), Some(0));
}

#[actix_web::test]
async fn all_faults_of_the_settings_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("wrong.toml");
    std::fs::write(&config, "[limits]\nframe = \"many\"\n[sesion]\nping_every = \"1s\"\n").unwrap();
    let output = Server::command(folder.path())
        .args(["--config", "wrong.toml"])
        .env("COSCRIBE__SESSION__PING_EVERY", "soon")
        .env("COSCRIBE__OUTBOX__BOUND", "1")
        .env("COSCRIBE__AUTH__SECRET", "short")
        .env("PORT", "99999")
        .output()
        .await
        .unwrap();

    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    for key in [
        "limits.frame",
        "sesion.ping_every",
        "session.ping_every",
        "outbox.bound",
        "auth.secret",
        "server.port",
        "wrong.toml",
    ] {
        assert!(said.contains(key), "{key} in\n{said}");
    }
    assert!(!said.contains("short\""), "{said}");
    assert!(!folder.path().join("data").exists());
}
