//! Who has the document open on other nodes, as far as those who sit here were told.
//!
//! Arrivals and departures are numbered by the roster. As long as one follows the other they are told as they come; where
//! one is missing the roster is read, and the difference between what was told and how things stand is what has to be
//! told. So everybody is told of an arrival or a departure once, whatever was lost on the way. Pure.
//!
//! When the roster forgot something, because it was restarted or a replica took over, it counts under another epoch or from
//! an earlier number. Then everything is in doubt: who is missing may only not have been entered again yet. Nobody is said
//! to have left until the nodes had the time to do so, and the roster was read once more after that.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use crate::{
    domain::{CursorMove, Presence, PresenceChange, PresenceChangeKind, SessionId},
    roster::RosterSnapshot,
    wire::envelope::Sequence,
};

/// At most so many cursors wait for an arrival.
const MAX_EARLY_CURSORS: usize = 256;

/// What follows from what was heard.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::room) enum PresenceOutcome {
    /// Nothing.
    Nothing,
    /// This has to be told here.
    Tell(PresenceChange),
    /// Something before it is missing: the roster has to be read.
    Gap,
}

/// Why the roster is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) enum RosterRead {
    /// To find out what was missed.
    Usual,
    /// To settle a doubt: the nodes had the time to enter everybody again.
    Settling,
}

/// What has to be done after the roster was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) enum RosterFollowUp {
    /// Nothing.
    Nothing,
    /// Read it again: what was heard of meanwhile is not in it.
    Read,
    /// A doubt began: read it to settle that, later.
    Settle,
}

/// Those on other nodes.
#[derive(Debug, Default)]
pub(in crate::room) struct RemotePresence {
    present: IndexMap<SessionId, Presence>,
    /// Up to where everything is in `present`; none before the roster was read for the first time.
    seen: Option<Sequence>,
    /// What was seen when the roster was last asked.
    seen_when_asked: Option<Sequence>,
    /// The newest that was heard of but not taken in.
    missed: Option<Sequence>,
    /// The roster forgot something.
    in_doubt: bool,
    /// Cursors of those who have not arrived, as far as is known.
    early: HashMap<SessionId, Arc<CursorMove>>,
}

impl RemotePresence {
    /// A session arrived on another node.
    pub(in crate::room) fn joined(
        &mut self,
        presence: Presence,
        sequence: Sequence,
    ) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::RosterFollowUp => {
                // It may have been told already, if the roster forgot it in between.
                let known = self.present.insert(presence.session, presence.clone());
                if known.is_none() {
                    PresenceOutcome::Tell(joined(presence))
                } else {
                    PresenceOutcome::Nothing
                }
            }
            SequenceOrder::Known => PresenceOutcome::Nothing,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// A session left on another node.
    pub(in crate::room) fn left(
        &mut self,
        session: SessionId,
        sequence: Sequence,
    ) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::RosterFollowUp => match self.present.shift_remove(&session) {
                Some(presence) => PresenceOutcome::Tell(left(presence)),
                None => PresenceOutcome::Nothing,
            },
            SequenceOrder::Known => PresenceOutcome::Nothing,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// One of this node's own sessions arrived.
    pub(in crate::room) fn counted(&mut self, sequence: Sequence) -> PresenceOutcome {
        match self.count(sequence) {
            SequenceOrder::RosterFollowUp | SequenceOrder::Known => PresenceOutcome::Nothing,
            SequenceOrder::Gap => PresenceOutcome::Gap,
        }
    }

    /// Whether the roster stands elsewhere than what is known here.
    pub(in crate::room) fn differs(&self, sequence: Sequence) -> bool {
        self.seen != Some(sequence)
    }

    /// Everybody who is known to have it open elsewhere.
    pub(in crate::room) fn present(&self) -> impl Iterator<Item = &Presence> {
        self.present.values()
    }

    /// A cursor moved on another node. Whether it has to be told: of somebody who has left it would stay behind as a ghost,
    /// and of somebody whose arrival is still on its way it waits for that.
    pub(in crate::room) fn moved(&mut self, moved: &Arc<CursorMove>) -> bool {
        if let Some(present) = self.present.get_mut(&moved.session) {
            present.cursor = Some(moved.cursor);
            present.last_seen = moved.at;
            return true;
        }
        if self.early.len() >= MAX_EARLY_CURSORS {
            self.early.clear();
        }
        self.early.insert(moved.session, Arc::clone(moved));
        false
    }

    /// The cursor of somebody who has just arrived, if it came before him.
    pub(in crate::room) fn take_early(&mut self, session: SessionId) -> Option<Arc<CursorMove>> {
        let moved = self.early.remove(&session)?;
        self.moved(&moved).then_some(moved)
    }

    /// Whether a session has the document open on another node.
    pub(in crate::room) fn has(&self, session: SessionId) -> bool {
        self.present.contains_key(&session)
    }

    /// The roster is asked now.
    pub(in crate::room) fn asked(&mut self) {
        self.seen_when_asked = self.seen;
        self.missed = None;
    }

    /// This is how things stood after it was asked: what has to be told, and what to do then.
    pub(in crate::room) fn reconcile(
        &mut self,
        standing: RosterSnapshot,
        reading: RosterRead,
    ) -> (Vec<PresenceChange>, RosterFollowUp) {
        let RosterSnapshot { sequence, elsewhere } = standing;
        let is_before =
            |seen: Sequence| seen.epoch == sequence.epoch && sequence.number < seen.number;
        let forgot = self
            .seen_when_asked
            .is_some_and(|seen| seen.epoch != sequence.epoch || is_before(seen));
        if !forgot && self.seen.is_some_and(is_before) {
            // Somebody came or went since it was read, and that was told in its turn.
            return (vec![], self.after(sequence, false));
        }
        let doubt_begins = forgot && !self.in_doubt;
        self.in_doubt = (self.in_doubt || forgot) && reading == RosterRead::Usual;
        let mut changes = Vec::new();
        let there: IndexMap<SessionId, Presence> =
            elsewhere.into_iter().map(|presence| (presence.session, presence)).collect();
        let in_doubt = self.in_doubt;
        self.present.retain(|session, presence| {
            let stays = in_doubt || there.contains_key(session);
            if !stays {
                changes.push(left(presence.clone()));
            }
            stays
        });
        for (session, presence) in there {
            if self.present.insert(session, presence.clone()).is_none() {
                changes.push(joined(presence));
            }
        }
        self.seen = Some(sequence);
        (changes, self.after(sequence, doubt_begins))
    }

    fn after(&mut self, sequence: Sequence, doubt_begins: bool) -> RosterFollowUp {
        let lacks =
            |missed: Sequence| missed.epoch != sequence.epoch || missed.number > sequence.number;
        let lacks_something = self.missed.is_some_and(lacks);
        if doubt_begins {
            // Until then the usual readings tell who has come.
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
                SequenceOrder::RosterFollowUp
            }
            Some(seen) if seen.epoch == sequence.epoch && sequence.number <= seen.number => {
                SequenceOrder::Known
            }
            _ => {
                self.missed = Some(sequence);
                SequenceOrder::Gap
            }
        }
    }
}

enum SequenceOrder {
    RosterFollowUp,
    Known,
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
