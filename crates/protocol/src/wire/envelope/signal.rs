//! Messages to a single node, on its own channel.

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::SignalBody,
    document::{encode_body, split_header, with_header},
};
use crate::domain::NodeId;

/// A message to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A node sends this to itself, to verify that it receives messages.
    Canary {
        /// The number of the canary, increasing.
        number: u64,
    },
    /// A request of the node was carried out.
    Done {
        /// The id that the node gave the request.
        request: u64,
    },
}

impl Signal {
    /// Encodes the signal as sent by `from`.
    #[must_use]
    pub fn encode(self, from: NodeId) -> Vec<u8> {
        let body = match self {
            Self::Canary { number } => SignalBody::Canary { number },
            Self::Done { request } => SignalBody::Done { request },
        };
        with_header(from, OLDEST_VERSION, &encode_body(&body))
    }

    /// Decodes the sender and the signal, for a reader that knows `version`.
    ///
    /// # Errors
    /// [`BadEnvelope`] if the bytes are no signal or its version is unknown.
    pub fn decode(bytes: &[u8], version: u8) -> Result<(NodeId, Self), BadEnvelope> {
        let (from, rest) = split_header(bytes, version)?;
        let signal = match postcard::from_bytes(rest).map_err(|_error| BadEnvelope::Garbage)? {
            SignalBody::Canary { number } => Self::Canary { number },
            SignalBody::Done { request } => Self::Done { request },
        };
        Ok((from, signal))
    }
}
