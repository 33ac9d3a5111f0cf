//! What is said on the channel of a node.

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::ToNode,
    document::{bytes_of, header, with_header},
};
use crate::domain::NodeId;

/// What a node is told, by itself or by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The node speaks to itself, to know whether it hears.
    Canary {
        /// Counts up.
        number: u64,
    },
    /// What it asked for was carried out.
    Done {
        /// What it called it.
        request: u64,
    },
}

impl Signal {
    /// The bytes for a node that sends it.
    #[must_use]
    pub fn encode(self, from: NodeId) -> Vec<u8> {
        let body = match self {
            Self::Canary { number } => ToNode::Canary { number },
            Self::Done { request } => ToNode::Done { request },
        };
        with_header(from, OLDEST_VERSION, &bytes_of(&body))
    }

    /// Who sent these bytes, and what they say to one who knows `version`.
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn decode(bytes: &[u8], version: u8) -> Result<(NodeId, Self), BadEnvelope> {
        let (from, rest) = header(bytes, version)?;
        let signal = match postcard::from_bytes(rest).map_err(|_error| BadEnvelope::Garbage)? {
            ToNode::Canary { number } => Self::Canary { number },
            ToNode::Done { request } => Self::Done { request },
        };
        Ok((from, signal))
    }
}
