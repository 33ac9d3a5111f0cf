//! Connections and requests of strangers.

use std::time::Duration;

use kit::{Frame, Handshake, Opcode, http_client};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::Attacker;

/// How long a connection is held at most.
const HELD: Duration = Duration::from_secs(30);

/// Sends a request, and half the head of another on the same connection.
pub(super) async fn half_heads(attacker: Attacker) {
    let host = attacker.url.trim_start_matches("http://").to_owned();
    attacker
        .repeat(attacker.size(50, 1_000), async || {
            let Ok(mut stream) = TcpStream::connect(&host).await else {
                return attacker.note("not connected");
            };
            let heads =
                ["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /graphql HTTP/1.1\r\nX-A: aaaa"];
            for head in heads {
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return attacker.note("ended");
                }
            }
            attacker.note("half a head");
            let mut bytes = vec![0; 4_096];
            let ended = async { while matches!(stream.read(&mut bytes).await, Ok(1..)) {} };
            attacker.note(if timeout(HELD, ended).await.is_ok() { "ended" } else { "held" });
        })
        .await;
}

/// Loads the largest file of the page.
pub(super) async fn page_scripts(attacker: Attacker) {
    let client = reqwest::Client::new();
    attacker
        .repeat(32, async || {
            let request = client.get(format!("{}/graphiql/graphiql.js", attacker.url));
            attacker.send(request).await;
        })
        .await;
}

/// Opens sockets, sends as much as is read before the admission, and says no more.
pub(super) async fn sockets_before_admission(attacker: Attacker) {
    let address = attacker.url.trim_start_matches("http://").parse().unwrap();
    attacker
        .repeat(attacker.size(30, 1_000), async || {
            let Ok(reply) = Handshake::to(address).try_send().await else {
                return attacker.note("not connected");
            };
            if reply.status != 101 {
                return attacker.note(&reply.status.to_string());
            }
            let mut socket = reply.into_raw_socket();
            let start = Frame::new(Opcode::Text, vec![b'a'; 15_000]).unfinished();
            socket.try_send_bytes(&start.bytes()).await;
            attacker.note("silent");
            let ended = timeout(HELD, socket.expect_frame()).await;
            attacker.note(if ended.is_ok() { "ended" } else { "held" });
        })
        .await;
}

/// Asks for everything that needs no token.
pub(super) async fn unauthenticated_paths(attacker: Attacker) {
    let client = http_client();
    let paths = ["/readyz", "/metrics", "/healthz", "/graphql?query={__typename}", "/nothing"];
    attacker
        .repeat(attacker.size(10, 100), async || {
            for path in paths {
                attacker.send(client.get(format!("{}{path}", attacker.url))).await;
            }
        })
        .await;
}
