//! What memory is reserved for, and why it cannot be.

use thiserror::Error;

use crate::wire::ErrorCode;

/// What memory is reserved for. Each use has its own bounds, so that a client that does not read its answers can still send
/// what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryUse {
    /// Answers that are being made or are not received yet.
    Answers,
    /// Messages and request bodies that are being received, decoded or executed.
    Messages,
}

/// Why memory cannot be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryExhausted {
    /// The user has reserved too much.
    #[error("{}", text_of_user(*purpose, *max))]
    OfUser {
        /// What the memory is for.
        purpose: MemoryUse,
        /// The most bytes of a user.
        max: usize,
    },
    /// Everybody together has reserved too much.
    #[error("{}", text_of_node(*purpose))]
    OfNode {
        /// What the memory is for.
        purpose: MemoryUse,
    },
}

impl MemoryExhausted {
    /// Returns the code that the client receives.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::OfUser { .. } => ErrorCode::RateLimited,
            Self::OfNode { .. } => ErrorCode::Unavailable,
        }
    }
}

fn text_of_user(purpose: MemoryUse, max: usize) -> String {
    match purpose {
        MemoryUse::Answers => format!(
            "Your answers that are not received yet would have more than {max} bytes. Receive some of them first, then try again."
        ),
        MemoryUse::Messages => format!(
            "Your large messages that are not answered yet would have more than {max} bytes. Wait for an answer, then try again."
        ),
    }
}

fn text_of_node(purpose: MemoryUse) -> &'static str {
    match purpose {
        MemoryUse::Answers => {
            "The server holds too many answers that are not received yet. Try again in a moment."
        }
        MemoryUse::Messages => {
            "The server is receiving too many large messages. Try again in a moment."
        }
    }
}
