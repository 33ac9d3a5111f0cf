//! A socket whose every byte the test decides, and which says what came back.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Frame;
use crate::support::node::within;

/// What the server sent: a whole frame, or the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame with its code, if it has one, and its reason.
    Close(Option<u16>, String),
    /// The connection has ended.
    End,
}

/// An open socket.
pub(crate) struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawSocket {
    pub(super) fn new(stream: TcpStream, buffer: Vec<u8>) -> Self {
        Self { stream, buffer }
    }

    /// The client's end of the connection.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within("sending", self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn send(&mut self, frame: Frame) {
        self.send_bytes(&frame.bytes()).await;
    }

    /// Sends as much as the server takes; whether it took everything is not asked.
    pub(crate) async fn send_what_is_taken(&mut self, bytes: &[u8]) {
        match within("sending", self.stream.write_all(bytes)).await {
            Ok(()) => {}
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "{error}"
            ),
        }
    }

    /// The next frame, or the end.
    pub(crate) async fn receive(&mut self) -> Received {
        within("a frame or the end", self.next()).await
    }

    /// Nothing more is sent, but the client still reads.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Hangs up without a word: the server gets a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends one frame after the other, without ever reading, until the server has hung up. Counts the bytes that are
    /// taken.
    pub(crate) fn keep_sending(mut self, frame: impl Fn(u64) -> Frame + 'static) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        actix_rt::spawn(async move {
            let mut number = 0;
            loop {
                let bytes = frame(number).bytes();
                if self.stream.write_all(&bytes).await.is_err() {
                    return;
                }
                count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                number += 1;
            }
        });
        sent
    }

    async fn next(&mut self) -> Received {
        loop {
            if let Some((received, length)) = decode(&self.buffer) {
                self.buffer.drain(..length);
                return received;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Received::End,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Received::End,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The first frame of `bytes` and how long it is, if it is there as a whole. A server's frames are final, unmasked
/// and no longer than they need be; anything else fails the test.
fn decode(bytes: &[u8]) -> Option<(Received, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(first & 0xF0, 0x80, "a fragment, or reserved bits");
    assert_eq!(second & 0x80, 0, "a server's frames are not masked");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()), 10),
        length => (u64::from(length), 2),
    };
    assert!(start == 2 || length >= if start == 4 { 126 } else { 0x1_0000 }, "{length}");
    let end = start + usize::try_from(length).unwrap();
    let payload = bytes.get(start..end)?.to_vec();
    let received = match first & 0x0F {
        0x1 => Received::Text(String::from_utf8(payload).unwrap()),
        0x8 => close(&payload),
        0x9 => Received::Ping(payload),
        0xA => Received::Pong(payload),
        opcode => panic!("a server sends no frame of opcode {opcode}"),
    };
    Some((received, end))
}

fn close(payload: &[u8]) -> Received {
    match payload {
        [] => Received::Close(None, String::new()),
        [high, low, reason @ ..] => {
            let reason = String::from_utf8(reason.to_vec()).unwrap();
            Received::Close(Some(u16::from_be_bytes([*high, *low])), reason)
        }
        [_] => panic!("half a close code"),
    }
}
