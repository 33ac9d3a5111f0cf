//! What can be wrong with inbound frames, in the words that the close frame carries.

use thiserror::Error;

/// Frames that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// They break a rule of RFC 6455: close code 1002.
    #[error(transparent)]
    Protocol(#[from] ProtocolFault),
    /// Text, or a close reason, that is not UTF-8 (RFC 6455, section 8.1): close code 1007.
    #[error("text that is not UTF-8")]
    InvalidUtf8,
    /// Larger than we take: close code 1009.
    #[error("a frame or message larger than the limit of {limit} bytes")]
    TooBig {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
}

/// The rule of RFC 6455 that a frame broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub enum ProtocolFault {
    /// A reserved bit is set though no extension was negotiated (section 5.2).
    ReservedBits,
    /// An opcode that has no meaning yet (section 5.2).
    ReservedOpcode,
    /// A frame of a client without a mask (section 5.1).
    Unmasked,
    /// A ping, pong or close in fragments (section 5.5).
    FragmentedControl,
    /// A ping, pong or close with more than 125 bytes (section 5.5).
    LongControl,
    /// A length in more bytes than it needs (section 5.2).
    LongLength,
    /// A 64-bit length whose highest bit is set (section 5.2).
    ImpossibleLength,
    /// A continuation of nothing (section 5.4).
    NothingToContinue,
    /// A new message before the last fragment of the one before (section 5.4).
    UnfinishedMessage,
    /// A close frame with half a code (section 5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (section 7.4).
    ForbiddenCloseCode,
}

impl ProtocolFault {
    /// What is wrong, for the close frame.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ReservedBits => "Reserved bits must be 0: no extension was negotiated",
            Self::ReservedOpcode => "Reserved opcode",
            Self::Unmasked => "A client's frames must be masked",
            Self::FragmentedControl => "A control frame must not be fragmented",
            Self::LongControl => "A control frame has at most 125 bytes",
            Self::LongLength => "A length must take as few bytes as possible",
            Self::ImpossibleLength => "The highest bit of a 64-bit length must be 0",
            Self::NothingToContinue => "A continuation frame without a message to continue",
            Self::UnfinishedMessage => "A new message within a fragmented one",
            Self::HalfCloseCode => "A close code has 2 bytes",
            Self::ForbiddenCloseCode => "A close code that must not be sent",
        }
    }
}
