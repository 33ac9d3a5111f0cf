//! Small operations with large answers, and answers that nobody reads.

use kit::Client as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Attacker, attacker::aliases};

/// Creates a document with six bytes of JSON for each of its text, which has `small` bytes in a small attack. Returns the operation
/// that reads it often.
async fn copies(attacker: &Attacker, copies: usize, small: usize) -> String {
    let document = attacker.create(&"\u{1}".repeat(attacker.size(small, 1_300_000))).await;
    format!("{{ document(id: \"{document}\") {{ {} }} }}", aliases(copies, "content"))
}

/// Reads many copies of a long text.
pub(super) async fn content_copies(attacker: Attacker) {
    let operation = copies(&attacker, 39, 30_000).await;
    attacker
        .repeat(8, async || {
            attacker.ask(&operation, json!({})).await;
        })
        .await;
}

/// Asks for long answers and reads nothing of them.
pub(super) async fn unread_answers(attacker: Attacker) {
    hold_answers(attacker, false).await;
}

/// Asks for long answers and reads a little of them now and then.
pub(super) async fn sipped_answers(attacker: Attacker) {
    hold_answers(attacker, true).await;
}

async fn hold_answers(attacker: Attacker, in_single_bytes: bool) {
    let operation = copies(&attacker, 8, 100_000).await;
    attacker
        .repeat(attacker.size(8, 64), async || {
            let body = json!({ "query": operation }).to_string();
            let host = attacker.url.trim_start_matches("http://");
            let head = format!(
                "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                attacker.person.token,
                body.len()
            );
            let Ok(mut stream) = TcpStream::connect(host).await else { return };
            if stream.write_all((head + &body).as_bytes()).await.is_err() {
                return;
            }
            let mut start = [0; 16];
            let read = stream.read(&mut start).await.unwrap_or(0);
            attacker.note(std::str::from_utf8(&start[..read]).unwrap_or("no text").trim_end());
            let mut pause = tokio::time::interval(std::time::Duration::from_secs(1));
            let ended = async {
                loop {
                    pause.tick().await;
                    if in_single_bytes && !matches!(stream.read(&mut start).await, Ok(1..)) {
                        return;
                    }
                }
            };
            // The server ends the connection, or this attack gives up and begins again.
            drop(tokio::time::timeout(std::time::Duration::from_secs(30), ended).await);
        })
        .await;
}

/// Runs operations with long answers on sockets that read nothing.
pub(super) async fn deaf_sockets(attacker: Attacker) {
    let operation = copies(&attacker, 8, 100_000).await;
    let mut sockets = vec![];
    for _ in 0..attacker.size(2, 9) {
        let mut socket = attacker.person.connect_slow_raw().await;
        for number in 0..12 {
            socket.start(&number.to_string(), &operation).await;
        }
        attacker.note("started");
        sockets.push(socket);
    }
    // One more answer tells whether they count.
    attacker
        .repeat(1, async || {
            attacker.person.run("{ me { id } }", json!({})).await;
            attacker.ask(&operation, json!({})).await;
        })
        .await;
}
