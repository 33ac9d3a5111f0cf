//! A WebSocket that costs few instructions: it blocks, its frames are encoded beforehand, and it parses only frame heads.
//!
//! Its instructions count in each operation. They should be few beside those of the server.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

/// The longest wait for a message. It only ends a run that has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size of the buffer in bytes. Every frame of the scenarios is shorter.
const BUFFER: usize = 64 * 1024;

/// The end of the head of an HTTP response.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A client with one open WebSocket.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The part of the buffer that was received and not taken.
    unread: (usize, usize),
}

impl Client {
    /// Opens a WebSocket at `path`, with the subprotocol of GraphQL or without one.
    ///
    /// # Errors
    /// The node cannot be reached or refuses the upgrade.
    pub(crate) fn open(address: SocketAddr, path: &str, protocol: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream, buffer: vec![0; BUFFER], unread: (0, 0) };
        client.send(
            format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
            )
            .as_bytes(),
        )?;
        client.take_head()?;
        Ok(client)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("a frame cannot be sent")
    }

    /// Waits for the next message, which must begin with `start`.
    ///
    /// # Errors
    /// Another message comes, or the connection ends.
    pub(crate) fn expect(&mut self, start: &[u8]) -> anyhow::Result<()> {
        let (from, to) = self.next()?;
        let message = &self.buffer[from..to];
        if message.starts_with(start) {
            return Ok(());
        }
        let [wanted, message] = [start, message].map(String::from_utf8_lossy);
        bail!("{wanted:?} is expected, but this came: {message:?}")
    }

    /// Waits for a message that begins with `start` and skips those before it.
    ///
    /// # Errors
    /// No such message comes.
    pub(crate) fn skip_to(&mut self, start: &[u8]) -> anyhow::Result<()> {
        loop {
            let (from, to) = self.next()?;
            if self.buffer[from..to].starts_with(start) {
                return Ok(());
            }
        }
    }

    /// Waits until the server has closed the connection.
    ///
    /// # Errors
    /// It does not close the connection.
    pub(crate) fn expect_end(&mut self) -> anyhow::Result<()> {
        while self.stream.read(&mut self.buffer)? > 0 {}
        Ok(())
    }

    /// Takes the next frame. Returns where its payload is in the buffer.
    fn next(&mut self) -> anyhow::Result<(usize, usize)> {
        loop {
            let (from, to) = self.unread;
            if let Some((start, end)) = payload(&self.buffer[from..to]) {
                self.unread.0 += end;
                return Ok((from + start, from + end));
            }
            self.receive()?;
        }
    }

    fn take_head(&mut self) -> anyhow::Result<()> {
        loop {
            let (from, to) = self.unread;
            let received = &self.buffer[from..to];
            let end = received.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
            if let Some(end) = end {
                let is_accepted = received.starts_with(b"HTTP/1.1 101 ");
                ensure!(
                    is_accepted,
                    "the upgrade is refused: {}",
                    String::from_utf8_lossy(received)
                );
                self.unread.0 += end + HEAD_END.len();
                return Ok(());
            }
            self.receive()?;
        }
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> anyhow::Result<()> {
        let (from, to) = self.unread;
        self.buffer.copy_within(from..to, 0);
        let kept = to - from;
        let read = self.stream.read(&mut self.buffer[kept..]).context("no message arrives")?;
        self.unread = (0, kept + read);
        if read == 0 {
            bail!("the connection has ended");
        }
        Ok(())
    }
}

/// Where the payload of the first frame is, if it is complete. The frames of a server have no mask.
fn payload(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= start + length).then_some((start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_when_it_is_complete() {
        assert_eq!(payload(&[]), None);
        assert_eq!(payload(&[0x81]), None);
        assert_eq!(payload(&[0x81, 2, b'a']), None);
        assert_eq!(payload(&[0x81, 2, b'a', b'b', 0x81]), Some((2, 4)));
    }

    #[test]
    fn a_longer_frame_has_its_length_in_two_bytes() {
        let frame = [&[0x81, 126, 1, 0][..], &[b'a'; 256]].concat();
        assert_eq!(payload(&frame), Some((4, 260)));
        assert_eq!(payload(&frame[..259]), None);
    }
}
