//! What other nodes relay so often that only the newest of each session counts: cursors and awareness.
//!
//! They wait in front of the mailbox, the newest of each session, and one message says that something waits. So a flood
//! from another node costs the memory of one entry per session. The room takes them in slices and lets others work in
//! between.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::domain::{AwarenessUpdate, CursorMove, SessionId};

/// The most sessions of which something waits. What comes from further ones is dropped; sessions repeat it.
const MAX_SESSIONS: usize = 16_384;

/// A relayed event of which only the newest counts.
#[derive(Debug, Clone)]
pub(in crate::room) enum RelayedMove {
    Cursor(Arc<CursorMove>),
    Awareness(Arc<AwarenessUpdate>),
}

impl RelayedMove {
    fn key(&self) -> (SessionId, bool) {
        match self {
            Self::Cursor(moved) => (moved.session, false),
            Self::Awareness(update) => (update.session, true),
        }
    }
}

/// The relayed moves of a room that wait. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(in crate::room) struct RelayedMoves(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    moves: HashMap<(SessionId, bool), RelayedMove>,
    /// Whether the room knows that something waits.
    is_announced: bool,
}

impl RelayedMoves {
    /// Adds a move, in place of an older one of the same session. Returns whether the room must be told.
    pub(in crate::room) fn add(&self, relayed: RelayedMove) -> bool {
        let mut waiting = self.0.lock();
        let is_full = waiting.moves.len() >= MAX_SESSIONS;
        match waiting.moves.entry(relayed.key()) {
            Entry::Occupied(mut entry) => {
                entry.insert(relayed);
            }
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(entry) => {
                entry.insert(relayed);
            }
        }
        !std::mem::replace(&mut waiting.is_announced, true)
    }

    /// Notes that the room could not be told. The next move announces all of them.
    pub(in crate::room) fn announcement_failed(&self) {
        self.0.lock().is_announced = false;
    }

    /// Puts moves back that the room has not applied, unless newer ones wait. Returns whether anything waits. The room
    /// must then take them later.
    pub(super) fn put_back(&self, moves: impl IntoIterator<Item = RelayedMove>) -> bool {
        let mut waiting = self.0.lock();
        for relayed in moves {
            waiting.moves.entry(relayed.key()).or_insert(relayed);
        }
        let anything_waits = !waiting.moves.is_empty();
        waiting.is_announced |= anything_waits;
        anything_waits
    }

    /// Removes all of them.
    pub(super) fn take(&self) -> Vec<RelayedMove> {
        let mut waiting = self.0.lock();
        waiting.is_announced = false;
        std::mem::take(&mut waiting.moves).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{Color, Cursor, DocumentId, Position, User, UserId};

    fn cursor(session: SessionId, line: u32) -> RelayedMove {
        let (document, user) = (DocumentId::new(), User { id: UserId::new(), name: "Ana".into() });
        RelayedMove::Cursor(Arc::new(CursorMove {
            document,
            session,
            color: Color::of(document, user.id),
            user,
            cursor: Cursor {
                head: Position::new(line.try_into().unwrap(), 0).unwrap(),
                anchor: None,
            },
            at: DateTime::UNIX_EPOCH,
        }))
    }

    #[test]
    fn the_newest_move_of_each_session_waits_and_is_announced_once() {
        let (moves, ana, bo) = (RelayedMoves::default(), SessionId::new(), SessionId::new());
        assert!(moves.add(cursor(ana, 1)));
        for line in 2..1_000 {
            assert!(!moves.add(cursor(ana, line)));
        }
        assert!(!moves.add(cursor(bo, 7)));

        let mut lines: Vec<_> = moves
            .take()
            .into_iter()
            .map(|relayed| match relayed {
                RelayedMove::Cursor(moved) => moved.cursor.head.line(),
                RelayedMove::Awareness(_) => panic!("there is none"),
            })
            .collect();
        lines.sort_unstable();
        assert_eq!(lines, [7, 999]);
        assert!(moves.take().is_empty());
        assert!(moves.add(cursor(ana, 1_000)), "it is announced again");

        // What was taken and not applied gives way to what came meanwhile.
        assert!(moves.put_back([cursor(ana, 999), cursor(bo, 8)]));
        assert_eq!(moves.take().len(), 2);
        assert!(!moves.put_back([]));
    }

    #[test]
    fn the_sessions_are_bounded() {
        let moves = RelayedMoves::default();
        for _ in 0..MAX_SESSIONS + 10 {
            moves.add(cursor(SessionId::new(), 0));
        }
        assert_eq!(moves.take().len(), MAX_SESSIONS);
    }
}
