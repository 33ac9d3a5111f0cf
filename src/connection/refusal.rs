//! The answer to a connection that gets no place.

use std::io::ErrorKind;

use actix_rt::net::TcpStream;
use socket2::SockRef;

const BODY: &str = r#"{"errors":[{"message":"Too many connections from your address. Close some of them, or wait a moment, and try again.","extensions":{"code":"RATE_LIMITED"}}]}"#;

/// Answers with status 429 whatever the client asks, as far as that works without waiting, and closes the connection.
pub fn refuse(stream: &TcpStream) {
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    // What the client has sent is read first: the kernel answers unread bytes with a reset, which may overtake the answer.
    let mut request = [0; 4096];
    let read = stream.try_read(&mut request);
    let written = stream.try_write(answer.as_bytes());
    let closed = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
    for error in [read.err(), written.err(), closed.err()].into_iter().flatten() {
        if error.kind() != ErrorKind::WouldBlock {
            tracing::debug!(%error, "a refused client did not get its answer");
        }
    }
}
