//! Who has the document open on other nodes, as far as those who sit here were told.
//!
//! Arrivals and departures are numbered by the roster. As long as one follows the other they are told as they come; where
//! one is missing the roster is read, and the difference between what was told and how things stand is what has to be
//! told. So everybody is told of an arrival or a departure once, whatever was lost on the way. Pure.
//!
//! When the roster forgot everything it counts under another epoch. Then who is missing in it may only not have been
//! entered again yet: nobody is said to have left before the nodes had the time to do so.

use indexmap::IndexMap;

use crate::{
    domain::{Presence, PresenceChange, PresenceChangeKind, SessionId},
    roster::Standing,
    wire::envelope::Sequence,
};

/// What follows from what was heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// This has to be told here.
    Tell(PresenceChange),
    /// Something before it is missing: the roster has to be read.
    Gap,
}

/// Those on other nodes.
#[derive(Debug, Default)]
pub(super) struct Others {
    present: IndexMap<SessionId, Presence>,
    /// Up to where everything is in `present`; none before the roster was read for the first time.
    seen: Option<Sequence>,
    /// The newest that was heard of but not taken in.
    missed: Option<Sequence>,
}

impl Others {
    /// A session arrived on another node.
    pub(super) fn joined(&mut self, presence: Presence, sequence: Sequence) -> Heard {
        match self.count(sequence) {
            Counted::Next => {
                let session = presence.session;
                let is_new = self.present.insert(session, presence.clone()).is_none();
                // It may have been told already, when the roster began to count anew.
                if is_new { Heard::Tell(joined(presence)) } else { Heard::Nothing }
            }
            Counted::Known => Heard::Nothing,
            Counted::Gap => Heard::Gap,
        }
    }

    /// A session left on another node.
    pub(super) fn left(&mut self, session: SessionId, sequence: Sequence) -> Heard {
        match self.count(sequence) {
            Counted::Next => match self.present.shift_remove(&session) {
                Some(presence) => Heard::Tell(left(presence)),
                None => Heard::Nothing,
            },
            Counted::Known => Heard::Nothing,
            Counted::Gap => Heard::Gap,
        }
    }

    /// One of this node's own sessions arrived or left.
    pub(super) fn counted(&mut self, sequence: Sequence) -> Heard {
        match self.count(sequence) {
            Counted::Next | Counted::Known => Heard::Nothing,
            Counted::Gap => Heard::Gap,
        }
    }

    /// Whether the roster has counted further than is known here.
    pub(super) fn is_behind(&self, sequence: Sequence) -> bool {
        self.seen != Some(sequence)
    }

    /// A cursor moved on another node.
    pub(super) fn moved(&mut self, presence: &crate::domain::CursorMove) {
        if let Some(present) = self.present.get_mut(&presence.session) {
            present.cursor = Some(presence.cursor);
            present.last_seen = presence.at;
        }
    }

    /// Whether a session has the document open on another node.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.present.contains_key(&session)
    }

    /// This is how things stand: what has to be told, and whether it has to be read once more later, because who is missing
    /// may still be entered again.
    pub(super) fn reconcile(&mut self, standing: Standing) -> (Vec<PresenceChange>, bool) {
        let Standing { sequence, elsewhere } = standing;
        let is_older = self
            .seen
            .is_some_and(|seen| seen.epoch == sequence.epoch && seen.number > sequence.number);
        if is_older {
            // Somebody came or went since it was read.
            return (vec![], self.missed.is_some());
        }
        let forgot = self.seen.is_some_and(|seen| seen.epoch != sequence.epoch);
        let mut changes = Vec::new();
        let mut unsure = false;
        let there: IndexMap<SessionId, Presence> =
            elsewhere.into_iter().map(|presence| (presence.session, presence)).collect();
        self.present.retain(|session, presence| {
            let stays = there.contains_key(session);
            if !stays && forgot {
                unsure = true;
                return true;
            }
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
        // What was heard of meanwhile and is not in it yet has to be read, too.
        let lacks =
            |missed: Sequence| missed.epoch != sequence.epoch || missed.number > sequence.number;
        let again = self.missed.take().is_some_and(lacks);
        (changes, unsure || again)
    }

    fn count(&mut self, sequence: Sequence) -> Counted {
        match self.seen {
            Some(seen) if sequence.is_next_after(seen) => {
                self.seen = Some(sequence);
                Counted::Next
            }
            Some(seen) if seen.epoch == sequence.epoch && sequence.number <= seen.number => {
                Counted::Known
            }
            _ => {
                self.missed = Some(sequence);
                Counted::Gap
            }
        }
    }
}

enum Counted {
    Next,
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
#[path = "others_tests.rs"]
mod tests;
