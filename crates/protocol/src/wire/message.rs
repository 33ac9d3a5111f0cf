//! Assembly of messages from fragments (RFC 6455, section 5.4).
//!
//! The codec returns fragments, and [`Assembler`] concatenates them. It checks the size limit and the order of
//! fragments itself, so it does not rely on the frame guard.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{FrameError, ProtocolFault};

/// A complete message. `Debug` shows its size only, to keep user data out of logs.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, which is valid UTF-8.
    Text(Bytes),
    /// Binary data.
    Binary(Bytes),
}

impl Message {
    /// Returns the bytes of either kind, since graphql-transport-ws accepts both.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "Text({} bytes)", bytes.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// A fragment of a message, by its frame's opcode and FIN bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fragment {
    /// The first fragment of a text message, which is not the last.
    FirstText(Bytes),
    /// The first fragment of a binary message, which is not the last.
    FirstBinary(Bytes),
    /// A fragment that is neither the first nor the last.
    Continue(Bytes),
    /// The last fragment.
    Last(Bytes),
}

/// Concatenates the fragments of one message at a time.
pub struct Assembler {
    /// The maximum size of a message, in bytes.
    limit: usize,
    partial: Option<PartialMessage>,
}

struct PartialMessage {
    is_text: bool,
    bytes: BytesMut,
}

impl Assembler {
    /// Creates an assembler of messages of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: None }
    }

    /// Adds a fragment. Returns the message with its last fragment.
    ///
    /// # Errors
    /// If fragments are out of order, text is not UTF-8, or the message exceeds the limit. The fragments are dropped.
    pub fn push(&mut self, fragment: Fragment) -> Result<Option<Message>, FrameError> {
        let (partial, bytes, is_last) = match (self.partial.take(), fragment) {
            (Some(_), Fragment::FirstText(_) | Fragment::FirstBinary(_)) => {
                return Err(ProtocolFault::UnfinishedMessage.into());
            }
            (None, Fragment::Continue(_) | Fragment::Last(_)) => {
                return Err(ProtocolFault::NothingToContinue.into());
            }
            (None, Fragment::FirstText(bytes)) => (PartialMessage::new(true), bytes, false),
            (None, Fragment::FirstBinary(bytes)) => (PartialMessage::new(false), bytes, false),
            (Some(partial), Fragment::Continue(bytes)) => (partial, bytes, false),
            (Some(partial), Fragment::Last(bytes)) => (partial, bytes, true),
        };
        let partial = partial.with(&bytes, self.limit)?;
        if is_last {
            return partial.finish().map(Some);
        }
        self.partial = Some(partial);
        Ok(None)
    }
}

impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collected = self.partial.as_ref().map(|partial| partial.bytes.len());
        f.debug_struct("Assembler")
            .field("limit", &self.limit)
            .field("collected", &collected)
            .finish()
    }
}

impl PartialMessage {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new() }
    }

    fn with(mut self, fragment: &[u8], limit: usize) -> Result<Self, FrameError> {
        if fragment.len() > limit.saturating_sub(self.bytes.len()) {
            return Err(FrameError::TooBig { limit });
        }
        // Copies even the first fragment, because a slice would keep the codec's whole buffer alive.
        self.bytes.extend_from_slice(fragment);
        Ok(self)
    }

    fn finish(self) -> Result<Message, FrameError> {
        let bytes = self.bytes.freeze();
        if !self.is_text {
            return Ok(Message::Binary(bytes));
        }
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Message::Text(bytes)),
            Err(_) => Err(FrameError::InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static [u8]) -> Bytes {
        Bytes::from_static(text)
    }

    #[test]
    fn fragments_are_concatenated() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"\xC3"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Continue(bytes(b""))), Ok(None));
        let text = assembler.push(Fragment::Last(bytes(b"\xB6!")));
        assert_eq!(text, Ok(Some(Message::Text(Bytes::from("ö!")))));

        assert_eq!(assembler.push(Fragment::FirstBinary(bytes(b"\xFF"))), Ok(None));
        let binary = assembler.push(Fragment::Last(bytes(b"")));
        assert_eq!(binary, Ok(Some(Message::Binary(bytes(b"\xFF")))));
        assert_eq!(binary.expect("no error").expect("a message").into_bytes(), bytes(b"\xFF"));
    }

    #[test]
    fn fragments_out_of_order_are_rejected() {
        let mut assembler = Assembler::new(100);
        let nothing = Err(ProtocolFault::NothingToContinue.into());
        assert_eq!(assembler.push(Fragment::Last(bytes(b"a"))), nothing);
        assert_eq!(assembler.push(Fragment::Continue(bytes(b"a"))), nothing);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"a"))), Ok(None));
        let second = assembler.push(Fragment::FirstBinary(bytes(b"a")));
        assert_eq!(second, Err(ProtocolFault::UnfinishedMessage.into()));
    }

    #[test]
    fn text_that_is_not_utf8_is_rejected() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"a"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Last(bytes(b"\xC3"))), Err(FrameError::InvalidUtf8));
    }

    #[test]
    fn a_message_over_the_limit_is_rejected() {
        let mut assembler = Assembler::new(4);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"abc"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Continue(bytes(b"d"))), Ok(None));
        let over = assembler.push(Fragment::Last(bytes(b"e")));
        assert_eq!(over, Err(FrameError::TooBig { limit: 4 }));
    }
}
