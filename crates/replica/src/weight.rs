//! The size of a document's encoded state, measured or estimated.

use protocol::wire::yjs::Outline;

use super::{replica::Replica, structs::StructMeter};

/// The size of an encoded state in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weight {
    bytes: usize,
    /// Whether `bytes` is an upper estimate: the measured size plus the sizes of later updates, which usually take less
    /// when merged.
    is_estimate: bool,
}

impl Weight {
    pub(crate) fn add(&mut self, bytes: usize) {
        *self = Self { bytes: self.bytes + bytes, is_estimate: true };
    }

    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }
}

impl Replica {
    /// Estimates the size of the encoded state in bytes.
    pub fn weight(&self) -> usize {
        self.weight.bytes
    }

    /// Returns the maximum size of the encoded state after an update of `bytes`. Encodes the state to measure it if the
    /// estimate would exceed `limit`.
    pub fn weight_with(&mut self, bytes: usize, limit: usize) -> usize {
        if self.weight.is_estimate && self.weight.bytes + bytes > limit {
            let state = self.state();
            self.measure(&state);
        }
        self.weight.bytes + bytes
    }

    /// Measures the size and the structs of the document in its encoded state.
    pub fn measure(&mut self, state: &[u8]) {
        self.weight = Weight { bytes: state.len(), is_estimate: false };
        // What the library encodes can be read.
        if let Ok(outline) = Outline::read(state, usize::MAX) {
            self.structs = StructMeter::of(&outline);
        }
    }
}
