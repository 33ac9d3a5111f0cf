//! The sync step 2 for editors that have nothing, which is encoded once for all of them.

use bytes::Bytes;

use crate::{
    domain::Version,
    memory::{HeldBytes, Reservation, SharedBytes, WeakBytes},
};

/// The largest initial sync that is kept, in bytes. A larger one is shared while an editor receives it.
pub(in crate::room) const MAX_CACHED_BYTES: usize = 4 * 1024 * 1024;

/// The sync step 2 for an editor that has nothing. Many editors begin so, and all receive the same frame.
#[derive(Debug, Clone, Default)]
pub(in crate::room) struct InitialSync(Option<(Version, InitialFrame)>);

#[derive(Debug, Clone)]
enum InitialFrame {
    /// A frame of at most [`MAX_CACHED_BYTES`].
    Kept(Bytes),
    /// A larger one. The editors that receive it keep it.
    Lent(WeakBytes),
}

impl InitialSync {
    /// Returns the frame at `head` for one more editor. Encodes it unless it is there. `memory` is what the editor's user has
    /// reserved for a large one, or claimed if it is there.
    pub(in crate::room) fn frame(
        &mut self,
        head: Version,
        memory: Option<Reservation>,
        encode: impl FnOnce() -> Bytes,
    ) -> Bytes {
        if let Some(InitialFrame::Kept(frame)) = self.at(head) {
            return frame.clone();
        }
        if let Some(shared) = self.pin(head) {
            return shared.bytes(memory);
        }
        let frame = encode();
        if frame.len() <= MAX_CACHED_BYTES {
            self.0 = Some((head, InitialFrame::Kept(frame.clone())));
            return HeldBytes::hold(frame, memory);
        }
        let (shared, first) = SharedBytes::new(frame, memory);
        self.0 = Some((head, InitialFrame::Lent(shared.downgrade())));
        first
    }

    /// Returns a large frame at `head` if an editor still receives it.
    pub(in crate::room) fn pin(&self, head: Version) -> Option<SharedBytes> {
        match self.at(head) {
            Some(InitialFrame::Lent(frame)) => frame.upgrade(),
            Some(InitialFrame::Kept(_)) | None => None,
        }
    }

    fn at(&self, head: Version) -> Option<&InitialFrame> {
        self.0.as_ref().filter(|(version, _)| *version == head).map(|(_, frame)| frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Bytes {
        vec![7; MAX_CACHED_BYTES + 1].into()
    }

    fn unexpected() -> Bytes {
        panic!("it is encoded twice")
    }

    #[test]
    fn a_large_initial_sync_is_shared_while_an_editor_receives_it() {
        let (mut initial, head) = (InitialSync::default(), Version::FIRST);
        let first = initial.frame(head, None, large);
        let second = initial.frame(head, None, unexpected);
        assert_eq!((first.len(), first.as_ptr()), (second.len(), second.as_ptr()));
        drop((first, second));
        assert!(initial.pin(head).is_none());
        assert_eq!(initial.frame(head, None, large).len(), MAX_CACHED_BYTES + 1);
    }

    #[test]
    fn a_small_initial_sync_is_kept_until_the_document_changes() {
        let (mut initial, head) = (InitialSync::default(), Version::FIRST);
        drop(initial.frame(head, None, || Bytes::from_static(b"small")));
        assert_eq!(initial.frame(head, None, unexpected), "small");
        let changed = initial.frame(head.next(), None, || Bytes::from_static(b"other"));
        assert_eq!(changed, "other");
    }
}
