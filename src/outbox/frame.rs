//! A frame as it waits for the socket.

use bytes::Bytes;

/// An encoded frame. Its parts leave one after the other.
///
/// Most frames are one part. The frame of a large event has its payload as a part of its own, which the frames of other
/// subscribers share, so that it is in memory once.
#[derive(Debug, Clone, Default)]
pub struct OutboxFrame {
    first: Bytes,
    /// In a box, because few frames have it.
    rest: Option<Box<SharedPart>>,
}

#[derive(Debug, Clone)]
struct SharedPart {
    payload: Bytes,
    last: Bytes,
}

impl OutboxFrame {
    /// Returns a frame whose second part is shared with others. The second and the third may be empty.
    #[must_use]
    pub fn around_shared([first, payload, last]: [Bytes; 3]) -> Self {
        if payload.is_empty() && last.is_empty() {
            return first.into();
        }
        Self { first, rest: Some(Box::new(SharedPart { payload, last })) }
    }

    /// Returns the number of bytes of all parts.
    #[must_use]
    pub fn len(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.payload.len() + rest.last.len());
        self.first.len() + rest
    }

    /// Returns whether no bytes are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a piece of at most `max` bytes from the beginning. It is empty only if the frame is.
    pub(super) fn take_piece(&mut self, max: usize) -> Bytes {
        while self.first.is_empty()
            && let Some(rest) = &mut self.rest
        {
            if rest.payload.is_empty() {
                self.first = std::mem::take(&mut rest.last);
                self.rest = None;
            } else {
                self.first = std::mem::take(&mut rest.payload);
            }
        }
        self.first.split_to(self.first.len().min(max))
    }

    /// Appends all parts to a chunk.
    pub(super) fn append_to(&self, chunk: &mut Vec<u8>) {
        chunk.extend_from_slice(&self.first);
        if let Some(rest) = &self.rest {
            chunk.extend_from_slice(&rest.payload);
            chunk.extend_from_slice(&rest.last);
        }
    }
}

impl From<Bytes> for OutboxFrame {
    fn from(first: Bytes) -> Self {
        Self { first, rest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_leave_in_order_and_in_pieces() {
        let parts =
            |parts: [&'static str; 3]| parts.map(|part| Bytes::from_static(part.as_bytes()));
        for (shared, expected) in [
            (["ab", "cdefg", "h"], vec!["ab", "cde", "fg", "h"]),
            (["ab", "", "h"], vec!["ab", "h"]),
            (["", "cd", ""], vec!["cd"]),
            (["", "", ""], vec![]),
        ] {
            let mut frame = OutboxFrame::around_shared(parts(shared));
            let whole = shared.concat();
            let mut joined = Vec::new();
            frame.append_to(&mut joined);
            assert_eq!((frame.len(), joined), (whole.len(), whole.into_bytes()));
            let mut taken = Vec::new();
            while !frame.is_empty() {
                taken.push(frame.take_piece(3));
            }
            assert_eq!(taken, expected);
            assert!(frame.take_piece(3).is_empty());
        }
    }
}
