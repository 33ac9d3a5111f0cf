//! Where something stands among all arrivals and departures in a document.

/// Its number, counted from 1 by the roster; where the roster forgot and began anew, under another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequence {
    /// Since when is counted: a number by chance.
    pub epoch: u64,
    /// How many there have been.
    pub number: u64,
}

impl Sequence {
    /// So many bytes it takes.
    pub const BYTES: usize = 16;

    /// Read from exactly [`Sequence::BYTES`] bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (epoch, number) = bytes.split_first_chunk::<8>()?;
        let number = <[u8; 8]>::try_from(number).ok()?;
        Some(Self { epoch: u64::from_be_bytes(*epoch), number: u64::from_be_bytes(number) })
    }

    /// Whether nothing lies between the two.
    #[must_use]
    pub fn is_next_after(self, before: Self) -> bool {
        self.epoch == before.epoch && before.number.checked_add(1) == Some(self.number)
    }
}
