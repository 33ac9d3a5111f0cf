//! The level below [`Socket`](crate::Socket): the test decides every byte and sees every frame.
//!
//! This code parses frames itself and shares none of the server's. It can break frames, stop reading and hang up.
//! Messages of graphql-transport-ws are a layer on top, in `raw_messages.rs`.

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

use crate::{Frame, within};

/// A whole frame of the server, or the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFrame {
    /// A text message.
    Text(String),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame with its code, if it has one, and its reason.
    Close(Option<u16>, String),
    /// The end of the connection.
    End,
}

/// An open socket that reads only when the test expects a frame.
pub struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawSocket {
    pub(crate) fn new(stream: TcpStream, buffer: Vec<u8>) -> Self {
        Self { stream, buffer }
    }

    /// The client's end of the connection.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// The server's end of the connection.
    pub(crate) fn node_address(&self) -> SocketAddr {
        self.stream.peer_addr().unwrap()
    }

    /// Sends bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        within("sending bytes", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends as many of these bytes as the server accepts before it hangs up.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) {
        match within("sending bytes", self.stream.write_all(bytes)).await {
            Ok(()) => {}
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "{error}"
            ),
        }
    }

    /// Sends a frame.
    pub async fn send_frame(&mut self, frame: Frame) {
        self.send_bytes(&frame.bytes()).await;
    }

    /// Waits for the next frame or the end of the connection.
    pub async fn expect_frame(&mut self) -> ServerFrame {
        within("a frame or the end", self.next()).await
    }

    /// Sends nothing more, but still reads.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Hangs up with a TCP reset and no close frame.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends one frame after another without ever reading, until the server hangs up. Counts the accepted bytes.
    pub fn keep_sending(mut self, frame: impl Fn(u64) -> Frame + 'static) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        tokio::task::spawn_local(async move {
            for number in 0.. {
                let bytes = frame(number).bytes();
                if self.stream.write_all(&bytes).await.is_err() {
                    return;
                }
                count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
        });
        sent
    }

    async fn next(&mut self) -> ServerFrame {
        loop {
            if let Some((frame, length)) = decode(&self.buffer) {
                self.buffer.drain(..length);
                return frame;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return ServerFrame::End,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return ServerFrame::End;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Decodes the first frame of `bytes`, if it is complete, and returns its length in bytes. A server's frames are final,
/// unmasked, and no longer than necessary; any other fails the test.
fn decode(bytes: &[u8]) -> Option<(ServerFrame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(first & 0xF0, 0x80, "a fragment, or reserved bits");
    assert_eq!(second & 0x80, 0, "a server's frames have no mask");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()), 10),
        length => (u64::from(length), 2),
    };
    assert!(start == 2 || length >= if start == 4 { 126 } else { 0x1_0000 }, "{length}");
    let end = start + usize::try_from(length).unwrap();
    let payload = bytes.get(start..end)?.to_vec();
    let frame = match first & 0x0F {
        0x1 => ServerFrame::Text(String::from_utf8(payload).unwrap()),
        0x8 => decode_close(&payload),
        0x9 => ServerFrame::Ping(payload),
        0xA => ServerFrame::Pong(payload),
        opcode => panic!("a server sends no frame of opcode {opcode}"),
    };
    Some((frame, end))
}

fn decode_close(payload: &[u8]) -> ServerFrame {
    match payload {
        [] => ServerFrame::Close(None, String::new()),
        [high, low, reason @ ..] => {
            let reason = String::from_utf8(reason.to_vec()).unwrap();
            ServerFrame::Close(Some(u16::from_be_bytes([*high, *low])), reason)
        }
        [_] => panic!("half a close code"),
    }
}
