//! The violations of inbound frames.

use thiserror::Error;

/// The reason why the server rejects inbound frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// They violate RFC 6455. Close code 1002.
    #[error(transparent)]
    Protocol(#[from] ProtocolFault),
    /// A text message or the reason of a close frame is not UTF-8 (RFC 6455, section 8.1). Close code 1007.
    #[error("the text is not valid UTF-8")]
    InvalidUtf8,
    /// A frame or message exceeds its limit. Close code 1009.
    #[error("a frame or message is larger than the limit of {limit} bytes")]
    TooBig {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The rule of RFC 6455 that a frame violates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub enum ProtocolFault {
    /// A reserved bit is set, although no extension was negotiated (section 5.2).
    ReservedBits,
    /// A reserved opcode (section 5.2).
    ReservedOpcode,
    /// A client's frame without a mask (section 5.1).
    Unmasked,
    /// A fragmented ping, pong or close frame (section 5.5).
    FragmentedControl,
    /// A ping, pong or close frame of more than 125 bytes (section 5.5).
    LongControl,
    /// A length that is not minimally encoded (section 5.2).
    LongLength,
    /// A 64-bit length whose highest bit is set (section 5.2).
    ImpossibleLength,
    /// A continuation frame outside a message (section 5.4).
    NothingToContinue,
    /// A new message before the last fragment of the current one (section 5.4).
    UnfinishedMessage,
    /// A close frame with only one byte of a code (section 5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (section 7.4).
    ForbiddenCloseCode,
}

impl ProtocolFault {
    /// Returns the text for the close frame.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ReservedBits => "Reserved bits must be 0: no extension was negotiated",
            Self::ReservedOpcode => "The opcode is reserved",
            Self::Unmasked => "A client's frames must be masked",
            Self::FragmentedControl => "A control frame must not be fragmented",
            Self::LongControl => "A control frame must have at most 125 bytes",
            Self::LongLength => "A length must be encoded in as few bytes as possible",
            Self::ImpossibleLength => "The highest bit of a 64-bit length must be 0",
            Self::NothingToContinue => "A continuation frame must follow a fragment of a message",
            Self::UnfinishedMessage => "A message must not begin inside a fragmented one",
            Self::HalfCloseCode => "A close code must have 2 bytes",
            Self::ForbiddenCloseCode => "This close code must not be sent",
        }
    }
}
