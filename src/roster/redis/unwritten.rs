//! What has to be written: each affair once, however often it changed. Pure.

use indexmap::IndexSet;

use super::entry_key::Affair;

/// Affairs whose entry in Redis may not be how things stand here.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changed: IndexSet<Affair>,
    /// Entries of which only the cursor changed: they can wait.
    moved: IndexSet<Affair>,
}

impl Pending {
    /// Something came or went.
    pub(super) fn changed(&mut self, affair: Affair) {
        self.changed.insert(affair);
    }

    /// A cursor moved.
    pub(super) fn moved(&mut self, affair: Affair) {
        self.moved.insert(affair);
    }

    /// The oldest that have to be written, at most so many.
    pub(super) fn take(&mut self, most: usize) -> Vec<Affair> {
        self.changed.drain(..self.changed.len().min(most)).collect()
    }

    /// Whether nothing has to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// All whose cursor moved.
    pub(super) fn take_moved(&mut self) -> Vec<Affair> {
        self.moved.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, SessionId};

    #[test]
    fn an_affair_waits_once_and_in_its_turn() {
        let mut pending = Pending::default();
        let document = DocumentId::new();
        let affairs: Vec<_> =
            (0..3).map(|_| Affair::Presence(document, SessionId::new())).collect();
        for affair in affairs.iter().chain(&affairs) {
            pending.changed(*affair);
        }
        assert_eq!(pending.take(2), affairs[..2]);
        assert_eq!(pending.take(2), affairs[2..]);
        assert!(pending.take(2).is_empty());
    }
}
