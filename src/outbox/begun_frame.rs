//! A large frame of which the socket has taken a part.

use std::fmt;

use bytes::Bytes;

use super::{OutboxFrame, entries::FrameClass, piece::MAX_PIECE_BYTES};

/// The rest of a large frame, which must follow whatever else happens. What its class holds is held until all of it has left.
pub(super) struct BegunFrame {
    rest: OutboxFrame,
    _class: FrameClass,
}

impl BegunFrame {
    /// Returns a frame of which nothing has left yet.
    pub(super) fn new(frame: OutboxFrame, class: FrameClass) -> Self {
        Self { rest: frame, _class: class }
    }

    /// Takes the next piece.
    pub(super) fn take_piece(&mut self) -> Bytes {
        self.rest.take_piece(MAX_PIECE_BYTES)
    }

    /// Returns the number of bytes that are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }
}

impl fmt::Debug for BegunFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BegunFrame").field("left", &self.len()).finish()
    }
}
