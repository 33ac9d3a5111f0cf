//! Fragments become messages (RFC 6455, section 5.4).
//!
//! The codec hands out the fragments of a message one by one; [`Assembler`] puts them together. It keeps to the
//! limit and to the order of fragments by itself, so that it is right even where no guard stood before it.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{FrameError, ProtocolFault};

/// A whole message. Its `Debug` shows the size only: the rest is the user's.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Text: UTF-8 for certain.
    Text(Bytes),
    /// Anything.
    Binary(Bytes),
}

impl Message {
    /// The bytes, whichever kind they are: graphql-transport-ws takes both.
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

/// A fragment of a message, as its frame's opcode and FIN bit name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fragment {
    /// The first fragment of a text message.
    FirstText(Bytes),
    /// The first fragment of a binary message.
    FirstBinary(Bytes),
    /// A fragment in the middle.
    Continue(Bytes),
    /// The last fragment.
    Last(Bytes),
}

/// Collects the fragments of one message at a time.
pub struct Assembler {
    /// The largest message, in bytes.
    limit: usize,
    begun: Option<Begun>,
}

struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

impl Assembler {
    /// An assembler of messages up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, begun: None }
    }

    /// Takes in a fragment; the last one gives the message.
    ///
    /// # Errors
    /// Fragments out of order, text that is not UTF-8, or more than the limit. What was collected is gone then.
    pub fn push(&mut self, fragment: Fragment) -> Result<Option<Message>, FrameError> {
        let (begun, bytes, is_last) = match (self.begun.take(), fragment) {
            (Some(_), Fragment::FirstText(_) | Fragment::FirstBinary(_)) => {
                return Err(ProtocolFault::UnfinishedMessage.into());
            }
            (None, Fragment::Continue(_) | Fragment::Last(_)) => {
                return Err(ProtocolFault::NothingToContinue.into());
            }
            (None, Fragment::FirstText(bytes)) => (Begun::new(true), bytes, false),
            (None, Fragment::FirstBinary(bytes)) => (Begun::new(false), bytes, false),
            (Some(begun), Fragment::Continue(bytes)) => (begun, bytes, false),
            (Some(begun), Fragment::Last(bytes)) => (begun, bytes, true),
        };
        let begun = begun.with(&bytes, self.limit)?;
        if is_last {
            return begun.finish().map(Some);
        }
        self.begun = Some(begun);
        Ok(None)
    }
}

impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collected = self.begun.as_ref().map(|begun| begun.bytes.len());
        f.debug_struct("Assembler")
            .field("limit", &self.limit)
            .field("collected", &collected)
            .finish()
    }
}

impl Begun {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new() }
    }

    fn with(mut self, fragment: &[u8], limit: usize) -> Result<Self, FrameError> {
        if fragment.len() > limit.saturating_sub(self.bytes.len()) {
            return Err(FrameError::TooBig { limit });
        }
        // Copied even when it is the first: a slice would keep the codec's whole buffer alive.
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
    fn puts_fragments_together() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"\xC3"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Continue(bytes(b""))), Ok(None));
        let text = assembler.push(Fragment::Last(bytes(b"\xB6!")));
        assert_eq!(text, Ok(Some(Message::Text(Bytes::from("ö!")))));

        assert_eq!(assembler.push(Fragment::FirstBinary(bytes(b"\xFF"))), Ok(None));
        let binary = assembler.push(Fragment::Last(bytes(b"")));
        assert_eq!(binary, Ok(Some(Message::Binary(bytes(b"\xFF")))));
        assert_eq!(binary.expect("whole").expect("a message").into_bytes(), bytes(b"\xFF"));
    }

    #[test]
    fn refuses_fragments_out_of_order() {
        let mut assembler = Assembler::new(100);
        let nothing = Err(ProtocolFault::NothingToContinue.into());
        assert_eq!(assembler.push(Fragment::Last(bytes(b"a"))), nothing);
        assert_eq!(assembler.push(Fragment::Continue(bytes(b"a"))), nothing);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"a"))), Ok(None));
        let second = assembler.push(Fragment::FirstBinary(bytes(b"a")));
        assert_eq!(second, Err(ProtocolFault::UnfinishedMessage.into()));
    }

    #[test]
    fn refuses_text_that_is_not_utf8() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"a"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Last(bytes(b"\xC3"))), Err(FrameError::InvalidUtf8));
    }

    #[test]
    fn keeps_to_its_limit() {
        let mut assembler = Assembler::new(4);
        assert_eq!(assembler.push(Fragment::FirstText(bytes(b"abc"))), Ok(None));
        assert_eq!(assembler.push(Fragment::Continue(bytes(b"d"))), Ok(None));
        let over = assembler.push(Fragment::Last(bytes(b"e")));
        assert_eq!(over, Err(FrameError::TooBig { limit: 4 }));
    }
}
