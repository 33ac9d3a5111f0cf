//! Who has the document open on other nodes.
//!
//! The roster numbers arrivals and departures. While the numbers follow each other, changes are broadcast as they come; when
//! one is missing, the roster is read and the difference is broadcast. So every subscriber receives each arrival and
//! departure once, whatever was lost on the way. Pure.
//!
//! A roster that was restarted, or whose replica took over, may have forgotten entries. It then counts under another epoch or
//! from an earlier number, and everything is in doubt: a missing session may only not have been entered again yet. No
//! departure is broadcast until the nodes had time to enter their sessions and the roster was read once more.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use indexmap::{IndexMap, map::Entry};

use crate::{
    domain::{Cursor, CursorMove, Presence, PresenceChange, PresenceChangeKind, SessionId},
    roster::RosterSnapshot,
    wire::envelope::Sequence,
};

/// The most cursors that wait for the arrival of their session.
const MAX_EARLY_CURSORS: usize = 256;

/// What follows from a numbered arrival or departure.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::room) enum PresenceOutcome {
    /// Nothing follows.
    Unchanged,
    /// The change must be broadcast here.
    Changed(PresenceChange),
    /// An earlier number is missing: the roster must be read.
    Gap,
}

/// Why the roster is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) enum RosterRead {
    /// To find what was missed.
    Usual,
    /// To settle a doubt: the nodes had time to enter their sessions again.
    Settling,
}

/// What has to follow a read of the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) enum RosterFollowUp {
    /// Nothing.
    Nothing,
    /// Read it again: it lacks a number received meanwhile.
    Read,
    /// There is a doubt that no read will settle yet: read it later to settle the doubt.
    Settle,
}

/// A session on another node.
#[derive(Debug)]
struct RemoteMember {
    presence: Presence,
    /// The last move that was broadcast here. Its node may publish it again.
    moved: Option<(Cursor, DateTime<Utc>)>,
}

/// The presence on other nodes.
#[derive(Debug, Default)]
pub(in crate::room) struct RemotePresence {
    present: IndexMap<SessionId, RemoteMember>,
    /// The number up to which `present` is complete. None before the roster was read for the first time.
    seen: Option<Sequence>,
    /// The value of `seen` when the last read of the roster began.
    seen_when_asked: Option<Sequence>,
    /// The newest number that was received and not applied.
    missed: Option<Sequence>,
    /// Whether the roster may have forgotten sessions.
    in_doubt: bool,
    /// Cursors of sessions whose arrival was not received yet.
    early: HashMap<SessionId, Arc<CursorMove>>,
}

impl RemotePresence {
    /// Applies an arrival on another node.
    pub(in crate::room) fn join(
        &mut self,
        presence: Presence,
        sequence: Sequence,
    ) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::Next => {
                // Broadcast already if the roster forgot the session in between.
                if self.put(presence.clone()) {
                    PresenceOutcome::Changed(joined(presence))
                } else {
                    PresenceOutcome::Unchanged
                }
            }
            SequenceOrder::Old => PresenceOutcome::Unchanged,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// Applies a departure on another node.
    pub(in crate::room) fn leave(
        &mut self,
        session: SessionId,
        sequence: Sequence,
    ) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::Next => match self.present.shift_remove(&session) {
                Some(member) => PresenceOutcome::Changed(left(member.presence)),
                None => PresenceOutcome::Unchanged,
            },
            SequenceOrder::Old => PresenceOutcome::Unchanged,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// Counts the arrival of a session on this node.
    pub(in crate::room) fn count_own(&mut self, sequence: Sequence) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::Next | SequenceOrder::Old => PresenceOutcome::Unchanged,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// Whether the roster is at another number than this room.
    pub(in crate::room) fn differs(&self, sequence: Sequence) -> bool {
        self.seen != Some(sequence)
    }

    /// Returns every presence on another node.
    pub(in crate::room) fn presences(&self) -> impl Iterator<Item = &Presence> {
        self.present.values().map(|member| &member.presence)
    }

    /// Applies a cursor move on another node. Returns whether to broadcast it: not if it was already. The cursor of a session that
    /// has left would stay as a ghost; one whose arrival was not received yet waits for it.
    pub(in crate::room) fn move_cursor(&mut self, moved: &Arc<CursorMove>) -> bool {
        if let Some(member) = self.present.get_mut(&moved.session) {
            member.presence.cursor = Some(moved.cursor);
            member.presence.last_seen = moved.at;
            let last = Some((moved.cursor, moved.at));
            return std::mem::replace(&mut member.moved, last) != last;
        }
        if self.early.len() >= MAX_EARLY_CURSORS {
            self.early.clear();
        }
        self.early.insert(moved.session, Arc::clone(moved));
        false
    }

    /// Removes the cursor that came before its session's arrival.
    pub(in crate::room) fn take_early_cursor(
        &mut self,
        session: SessionId,
    ) -> Option<Arc<CursorMove>> {
        let moved = self.early.remove(&session)?;
        self.move_cursor(&moved).then_some(moved)
    }

    /// Whether a session has the document open on another node.
    pub(in crate::room) fn has(&self, session: SessionId) -> bool {
        self.present.contains_key(&session)
    }

    /// Notes that a read of the roster begins.
    pub(in crate::room) fn begin_read(&mut self) {
        self.seen_when_asked = self.seen;
        self.missed = None;
    }

    /// Applies a snapshot of the roster. Returns the changes to broadcast and what has to follow.
    pub(in crate::room) fn reconcile(
        &mut self,
        snapshot: RosterSnapshot,
        read: RosterRead,
    ) -> (Vec<PresenceChange>, RosterFollowUp) {
        let RosterSnapshot { sequence, elsewhere } = snapshot;
        let is_before =
            |seen: Sequence| seen.epoch == sequence.epoch && sequence.number < seen.number;
        let forgot = self
            .seen_when_asked
            .is_some_and(|seen| seen.epoch != sequence.epoch || is_before(seen));
        if !forgot && self.seen.is_some_and(is_before) {
            // The snapshot is older than arrivals or departures that were applied meanwhile. It settles no doubt.
            let is_unsettled = read == RosterRead::Settling && self.in_doubt;
            return (vec![], self.after(sequence, is_unsettled));
        }
        let doubt_begins = forgot && !self.in_doubt;
        self.in_doubt = (self.in_doubt || forgot) && read == RosterRead::Usual;
        let mut changes = Vec::new();
        let there: IndexMap<SessionId, Presence> =
            elsewhere.into_iter().map(|presence| (presence.session, presence)).collect();
        let in_doubt = self.in_doubt;
        self.present.retain(|session, member| {
            let stays = in_doubt || there.contains_key(session);
            if !stays {
                changes.push(left(member.presence.clone()));
            }
            stays
        });
        for presence in there.into_values() {
            if self.put(presence.clone()) {
                changes.push(joined(presence));
            }
        }
        self.seen = Some(sequence);
        (changes, self.after(sequence, doubt_begins))
    }

    /// Notes that a session is present. Returns whether it was not before.
    fn put(&mut self, presence: Presence) -> bool {
        match self.present.entry(presence.session) {
            Entry::Occupied(mut known) => {
                known.get_mut().presence = presence;
                false
            }
            Entry::Vacant(free) => {
                free.insert(RemoteMember { presence, moved: None });
                true
            }
        }
    }

    fn after(&mut self, sequence: Sequence, must_settle: bool) -> RosterFollowUp {
        let lacks =
            |missed: Sequence| missed.epoch != sequence.epoch || missed.number > sequence.number;
        let lacks_something = self.missed.is_some_and(lacks);
        if must_settle {
            // Until then, usual reads find new arrivals.
            RosterFollowUp::Settle
        } else if lacks_something {
            RosterFollowUp::Read
        } else {
            RosterFollowUp::Nothing
        }
    }

    fn count(&mut self, sequence: Sequence) -> SequenceOrder {
        match self.seen {
            Some(seen) if sequence.is_next_after(seen) => {
                self.seen = Some(sequence);
                SequenceOrder::Next
            }
            Some(seen) if seen.epoch == sequence.epoch && sequence.number <= seen.number => {
                SequenceOrder::Old
            }
            _ => {
                self.missed = Some(sequence);
                SequenceOrder::Gap
            }
        }
    }
}

/// How a number follows those that are known.
enum SequenceOrder {
    Next,
    Old,
    Gap,
}

fn joined(presence: Presence) -> PresenceChange {
    PresenceChange { kind: PresenceChangeKind::Joined, presence }
}

fn left(presence: Presence) -> PresenceChange {
    PresenceChange { kind: PresenceChangeKind::Left, presence }
}

#[cfg(test)]
#[path = "remote_presence_tests.rs"]
mod tests;
