//! The order of joins and leaves in a document.

/// The position of an event among all joins and leaves in a document, counted by the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequence {
    /// Identifies the count. Random, and different after the roster lost its data.
    pub epoch: u64,
    /// The number of the event in this epoch, from 1.
    pub number: u64,
}

impl Sequence {
    /// The encoded size.
    pub const BYTES: usize = 16;

    /// Decodes a sequence. `None` unless there are exactly [`Sequence::BYTES`] bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (epoch, number) = bytes.split_first_chunk::<8>()?;
        let number = <[u8; 8]>::try_from(number).ok()?;
        Some(Self { epoch: u64::from_be_bytes(*epoch), number: u64::from_be_bytes(number) })
    }

    /// Returns whether no event lies between `before` and this one.
    #[must_use]
    pub fn is_next_after(self, before: Self) -> bool {
        self.epoch == before.epoch && before.number.checked_add(1) == Some(self.number)
    }
}
