//! Bytes that wait for a socket, with the reservation of their memory.

use bytes::Bytes;

use super::Reservation;

/// Bytes, and the memory that is reserved until the last of them has left.
#[derive(Debug)]
pub struct HeldBytes {
    bytes: Bytes,
    reservation: Option<Reservation>,
}

struct Owner {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HeldBytes {
    /// Returns bytes for which `reservation` was made.
    #[must_use]
    pub fn new(bytes: Bytes, reservation: Option<Reservation>) -> Self {
        Self { bytes, reservation }
    }

    /// Returns bytes for which more than they need may have been reserved. The reservation ends when every copy and slice of them
    /// is dropped.
    #[must_use]
    pub fn hold(bytes: Bytes, reservation: Option<Reservation>) -> Bytes {
        let Some(mut reservation) = reservation else { return bytes };
        reservation.shrink_to(bytes.len());
        Self::new(bytes, Some(reservation)).encode(|bytes| bytes)
    }

    /// Returns what `encode` makes of the bytes. The reservation ends when every copy and slice of it is dropped.
    #[must_use]
    pub fn encode(self, encode: impl FnOnce(Bytes) -> Bytes) -> Bytes {
        let bytes = encode(self.bytes);
        match self.reservation {
            Some(reservation) => Bytes::from_owner(Owner { bytes, _reservation: reservation }),
            None => bytes,
        }
    }
}

impl From<Bytes> for HeldBytes {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, reservation: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Party,
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
        metrics::Metrics,
    };

    #[test]
    fn memory_is_reserved_until_the_last_slice_is_dropped() {
        let bounds = MemoryBounds { of_user: 10, of_node: 20 };
        let account = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
        let mut reservation = account.open(Party::Node);
        reservation.grow(10).unwrap();
        let held = HeldBytes::new(Bytes::from_static(b"0123456789"), Some(reservation));
        let mut frame = held.encode(|bytes| [b"<", &*bytes].concat().into());
        let first = frame.split_to(4);
        assert_eq!((&*first, &*frame), (&b"<012"[..], &b"3456789"[..]));
        drop(frame);
        assert!(account.open(Party::Node).grow(1).is_err());
        drop(first);
        assert!(account.open(Party::Node).grow(10).is_ok());
    }
}
