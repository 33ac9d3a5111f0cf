//! The part of the room's actor that takes in what other nodes tell.
//!
//! What comes from another node is told here and never published again. Changes are told in the order of versions: those
//! that follow the head are taken as they came, what is missing is read from the log. Who is on other nodes is told from
//! the roster's numbers; where one is missing, from the roster itself.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::time::Instant;

use super::{
    mailbox::Take,
    messages::{DeliverEnvelope, LookForOthers},
    room::Room,
};
use crate::{
    domain::{Change, CursorMove, Event, Origin, PresenceChange, Version},
    room::{
        SeatEnd,
        members::remote_presence::{PresenceOutcome, RosterFollowUp, RosterRead},
    },
    roster::RosterSnapshot,
    wire::envelope::Envelope,
};

/// At most so many bytes of changes wait until they can be told; the rest is read from the log.
const MAX_REMOTE_BYTES: usize = 4 * 1024 * 1024;

/// When a doubt could not be settled it is tried again so much later.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Changes that other nodes told and that are not taken in yet, by version.
#[derive(Debug, Default)]
pub(in crate::room) struct RemoteChanges {
    changes: BTreeMap<Version, Arc<Change>>,
    bytes: usize,
}

impl RemoteChanges {
    /// Keeps a change, if there is room.
    fn add(&mut self, change: Arc<Change>) {
        let bytes = change.weight();
        if self.bytes + bytes <= MAX_REMOTE_BYTES
            && let Entry::Vacant(place) = self.changes.entry(change.version)
        {
            place.insert(change);
            self.bytes += bytes;
        }
    }

    /// Those that follow `head` without a hole. What is not newer is forgotten, what comes later stays.
    pub(in crate::room) fn take_after(&mut self, head: Version) -> Vec<Change> {
        let mut next = head.next();
        let mut taken = Vec::new();
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= next) {
            let change = first.remove();
            self.bytes -= change.weight();
            if change.version == next {
                next = next.next();
                taken.push(Arc::unwrap_or_clone(change));
            }
        }
        taken
    }
}

impl Room {
    fn changed_elsewhere(&mut self, change: Arc<Change>, ctx: &mut Context<Self>) {
        self.known = self.known.max(change.version);
        if self.editing.head.as_ref().is_some_and(|head| change.version > head.version) {
            self.offered.add(change);
        }
        self.follow_if_behind(ctx);
    }

    fn moved_elsewhere(&mut self, moved: Arc<CursorMove>, ctx: &mut Context<Self>) {
        if self.others.moved(&moved) {
            self.tell_of_cursor(moved, ctx);
        }
    }

    fn tell_of_cursor(&mut self, moved: Arc<CursorMove>, ctx: &mut Context<Self>) {
        let origin = Origin { user: moved.user.id, session: Some(moved.session) };
        self.tell_here(origin, Event::CursorMoved(moved), Instant::now(), ctx);
    }

    fn heard_of_others(&mut self, heard: PresenceOutcome, ctx: &mut Context<Self>) {
        match heard {
            PresenceOutcome::Nothing => {}
            PresenceOutcome::Tell(change) => self.tell_of_other(change, ctx),
            PresenceOutcome::Gap => self.look_for_others(ctx),
        }
    }

    fn tell_of_other(&mut self, change: PresenceChange, ctx: &mut Context<Self>) {
        let presence = &change.presence;
        let session = presence.session;
        let origin = Origin { user: presence.user.id, session: Some(presence.session) };
        let event = Event::PresenceChanged(Arc::new(change));
        self.tell_here(origin, event, Instant::now(), ctx);
        if let Some(moved) = self.others.take_early(session) {
            self.tell_of_cursor(moved, ctx);
        }
    }

    /// Reads from the roster who is on other nodes, unless that is being done.
    pub(in crate::room) fn look_for_others(&mut self, ctx: &mut Context<Self>) {
        self.read_others(RosterRead::Usual, ctx);
    }

    fn read_others(&mut self, reading: RosterRead, ctx: &mut Context<Self>) {
        if self.looking_for_others {
            if reading == RosterRead::Settling {
                ctx.run_later(RETRY_AFTER, |room, ctx| room.read_others(RosterRead::Settling, ctx));
            }
            return;
        }
        self.looking_for_others = true;
        self.others.asked();
        let (roster, document) = (Arc::clone(&self.shared.parts.roster), self.document);
        let standing = async move { roster.find_standing(document).await };
        ctx.spawn(standing.into_actor(self).map(move |standing, room, ctx| {
            room.looking_for_others = false;
            match standing {
                Some(standing) => room.others_stand(standing, reading, ctx),
                // If it could not be read, the next comparison tries again; a doubt has to be settled.
                None if reading == RosterRead::Settling => {
                    ctx.run_later(RETRY_AFTER, |room, ctx| {
                        room.read_others(RosterRead::Settling, ctx);
                    });
                }
                None => {}
            }
        }));
    }

    pub(in crate::room) fn others_stand(
        &mut self,
        standing: RosterSnapshot,
        reading: RosterRead,
        ctx: &mut Context<Self>,
    ) {
        let (changes, next) = self.others.reconcile(standing, reading);
        for change in changes {
            self.tell_of_other(change, ctx);
        }
        match next {
            RosterFollowUp::Nothing => {}
            RosterFollowUp::Read => self.look_for_others(ctx),
            RosterFollowUp::Settle => {
                ctx.run_later(self.shared.options.settle, |room, ctx| {
                    room.read_others(RosterRead::Settling, ctx);
                });
            }
        }
    }
}

impl Take<DeliverEnvelope> for Room {
    fn take(&mut self, DeliverEnvelope(envelope): DeliverEnvelope, ctx: &mut Self::Context) {
        match envelope {
            Envelope::Changed(change) => self.changed_elsewhere(change, ctx),
            Envelope::Stored { version } => {
                self.known = self.known.max(version);
                self.follow_if_behind(ctx);
            }
            Envelope::CursorMoved(moved) => self.moved_elsewhere(moved, ctx),
            Envelope::MoveCursor { session, cursor } => {
                let effects = self.state.move_cursor(session, cursor, chrono::Utc::now());
                self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
            }
            Envelope::Joined { presence, sequence } => {
                let heard = self.others.joined(presence, sequence);
                self.heard_of_others(heard, ctx);
            }
            Envelope::Left { session, sequence } => {
                let heard = self.others.left(session, sequence);
                self.heard_of_others(heard, ctx);
            }
            Envelope::AwarenessUpdated(saying) => self.said_elsewhere(&saying),
            Envelope::QueryAwareness => self.answer_who_is_here(ctx),
            Envelope::AccessChanged { user, level, .. } => self.change_access(user, level, ctx),
            // The store is asked for all rooms of the node at once; each is then told to compare.
            Envelope::Compare => {}
        }
    }
}

/// One of this node's own sessions was counted, or the roster stands there.
impl Take<LookForOthers> for Room {
    fn take(&mut self, order: LookForOthers, ctx: &mut Self::Context) {
        match order {
            LookForOthers::Counted(sequence) => {
                let heard = self.others.counted(sequence);
                self.heard_of_others(heard, ctx);
            }
            LookForOthers::IfElsewhere(sequence) => {
                if self.others.differs(sequence) {
                    self.look_for_others(ctx);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::title_change;

    fn taken(offered: &mut RemoteChanges, head: i64) -> Vec<i64> {
        let taken = offered.take_after(Version::new(head));
        taken.iter().map(|change| change.version.number()).collect()
    }

    #[test]
    fn what_follows_is_handed_out_without_a_hole_and_the_rest_waits() {
        let mut offered = RemoteChanges::default();
        for version in [9, 4, 5, 2, 4, 7] {
            offered.add(Arc::new(title_change(version)));
        }
        assert_eq!(taken(&mut offered, 3), [4, 5]);
        assert_eq!(taken(&mut offered, 6), [7]);
        assert_eq!(taken(&mut offered, 9), [] as [i64; 0]);
        assert!(offered.changes.is_empty() && offered.bytes == 0);
    }
}
