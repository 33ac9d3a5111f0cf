//! Pieces of large frames and bodies.

use bytes::Bytes;

/// The most bytes that a connection takes at once.
pub(super) const MAX_PIECE_BYTES: usize = 64 * 1024;

/// Takes the next piece of a body. The framework copies what it takes, so a large body would be in memory twice.
pub fn take_piece(rest: &mut Bytes) -> Bytes {
    rest.split_to(rest.len().min(MAX_PIECE_BYTES))
}
