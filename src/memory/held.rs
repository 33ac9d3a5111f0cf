//! Bytes that wait for a socket, with the reservation of their memory.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::Reservation;

/// Bytes, and the memory that is reserved until the last of them has left.
#[derive(Debug)]
pub struct HeldBytes {
    bytes: Bytes,
    reservation: Option<Reservation>,
}

/// Bytes for several receivers. Their memory is reserved once for the node, until the last of them and of their copies is dropped,
/// and claimed by each receiver.
#[derive(Debug, Clone)]
pub struct SharedBytes(Arc<HeldBytes>);

/// [`SharedBytes`] that others may still have.
#[derive(Debug, Clone)]
pub struct WeakBytes(Weak<HeldBytes>);

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

impl SharedBytes {
    /// Returns bytes, and those of their first receiver, who may have reserved more than they need.
    #[must_use]
    pub fn new(bytes: Bytes, reservation: Option<Reservation>) -> (Self, Bytes) {
        let (claim, of_node) = reservation.map(Reservation::divide).unzip();
        let of_node = of_node.map(|mut of_node| {
            of_node.shrink_to(bytes.len());
            of_node
        });
        let shared = Self(Arc::new(HeldBytes::new(bytes, of_node)));
        let first = shared.bytes(claim);
        (shared, first)
    }

    /// Returns the bytes for one more receiver, who may have claimed more than they need.
    #[must_use]
    pub fn bytes(&self, claim: Option<Reservation>) -> Bytes {
        let bytes = self.clone();
        match claim {
            Some(mut claim) => {
                claim.shrink_to(self.as_ref().len());
                Bytes::from_owner(Receiver { bytes, _claim: claim })
            }
            None => Bytes::from_owner(bytes),
        }
    }

    /// Returns a reference that does not keep them.
    #[must_use]
    pub fn downgrade(&self) -> WeakBytes {
        WeakBytes(Arc::downgrade(&self.0))
    }
}

/// The bytes of one receiver.
struct Receiver {
    bytes: SharedBytes,
    _claim: Reservation,
}

impl AsRef<[u8]> for Receiver {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl WeakBytes {
    /// Returns the bytes if a receiver still has them.
    #[must_use]
    pub fn upgrade(&self) -> Option<SharedBytes> {
        self.0.upgrade().map(SharedBytes)
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
        domain::{Party, UserId},
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
        metrics::Metrics,
    };

    #[test]
    fn shared_bytes_count_once_for_the_node_and_for_each_receiver() {
        let bounds = MemoryBounds { of_user: 10, of_node: 30 };
        let account = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
        let [ana, bo] = [(); 2].map(|()| Party::User(UserId::new()));
        let (mut reservation, mut claim) = (account.open(ana), account.open(bo));
        reservation.grow(10).unwrap();
        claim.claim(10).unwrap();
        let (shared, mut first) =
            SharedBytes::new(Bytes::from_static(b"01234567"), Some(reservation));
        let (weak, second) = (shared.downgrade(), shared.bytes(Some(claim)));
        drop(shared);
        let can_grow = |payer, bytes| account.open(payer).grow(bytes).is_ok();
        assert!(!can_grow(ana, 3) && !can_grow(bo, 3));

        // Ana has received them, and Bo has not.
        let rest = first.split_off(4);
        drop(first);
        assert!(!can_grow(ana, 3));
        drop(rest);
        assert!(can_grow(ana, 10) && !can_grow(bo, 3));
        assert_eq!(&*weak.upgrade().unwrap().bytes(None), b"01234567");
        drop(second);
        assert!(weak.upgrade().is_none() && can_grow(bo, 10));
    }

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
