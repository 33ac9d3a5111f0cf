//! The seats of editors: what each has been sent, and what it is owed.

use bytes::Bytes;
use indexmap::IndexMap;

use super::audience::BroadcastReport;
use crate::{
    domain::{Change, SessionId, Topic, Version},
    metrics::{Counted, Metrics},
    outbox::{PushOutcome, SeatId},
    room::{Place, SeatEnd},
    wire::yjs,
};

/// What an editor is owed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::room) struct Owed {
    /// An answer: everything after so much of each client.
    pub(in crate::room) answer: Option<Vec<(u64, u32)>>,
    /// Everything from its next version on: its outbox was full.
    pub(in crate::room) rest: bool,
    /// A question: what it has and the document does not.
    pub(in crate::room) question: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has not said yet what it has.
    New,
    /// It is told of each change.
    Live,
    /// What it misses is sent when its outbox has room.
    Behind,
}

struct Sitting {
    place: Place,
    progress: Progress,
    /// The change that it must get next.
    next: Version,
    /// What it had of each client when it was last answered, as a state vector: an answer never gives way.
    synced: Bytes,
    _counted: Counted,
}

/// All editors of a room.
pub(in crate::room) struct Editors {
    seats: IndexMap<SeatId, Sitting>,
    owed: IndexMap<SeatId, Owed>,
    metrics: Metrics,
}

impl Editors {
    /// Nobody edits yet.
    pub(in crate::room) fn new(metrics: Metrics) -> Self {
        Self { seats: IndexMap::new(), owed: IndexMap::new(), metrics }
    }

    /// Seats an editor; until it has said what it has, it is told of no change.
    pub(in crate::room) fn seat(&mut self, place: Place) {
        let counted = self.metrics.subscription_opened(Topic::Document);
        let (seat, synced) = (place.seat.id, Bytes::from_static(&[0]));
        let next = Version::FIRST;
        let sitting = Sitting { place, progress: Progress::New, next, synced, _counted: counted };
        self.seats.insert(seat, sitting);
    }

    /// Takes a seat away. If it is the room that does so, the editor's session is told why.
    pub(in crate::room) fn end(&mut self, seat: SeatId, why: Option<SeatEnd>) {
        self.owed.shift_remove(&seat);
        let Some(Sitting { place, progress, .. }) = self.seats.shift_remove(&seat) else { return };
        if progress == Progress::Behind {
            self.metrics.seat_behind(false);
        }
        place.seat.end();
        place.outbox.end_seat(seat, None);
        if let (Some(why), Some(ended)) = (why, &place.ended) {
            ended.seat_ended(why);
        }
    }

    /// Ends every seat.
    pub(in crate::room) fn end_all(&mut self, why: SeatEnd) {
        for seat in self.seats.keys().copied().collect::<Vec<_>>() {
            self.end(seat, Some(why));
        }
    }

    /// Whether nobody edits.
    pub(in crate::room) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Whether this session is an editor's.
    pub(in crate::room) fn has(&self, session: SessionId) -> bool {
        self.seats.values().any(|sitting| sitting.place.seat.session == session)
    }

    /// The sessions of all editors here.
    pub(in crate::room) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.seats.values().map(|sitting| sitting.place.seat.session)
    }

    /// A seat's place.
    pub(in crate::room) fn place(&self, seat: SeatId) -> Option<&Place> {
        self.seats.get(&seat).map(|sitting| &sitting.place)
    }

    /// Every seat's place.
    pub(in crate::room) fn places(&self) -> impl Iterator<Item = &Place> {
        self.seats.values().map(|sitting| &sitting.place)
    }

    /// Tells a change to every editor but the one that wrote it, which has it. What was done in its session's name in
    /// another way it has not.
    pub(in crate::room) fn tell(
        &mut self,
        author: Option<SessionId>,
        change: &Change,
        told: &mut BroadcastReport,
    ) {
        let mut frame: Option<Bytes> = None;
        for (seat, sitting) in &mut self.seats {
            if sitting.progress != Progress::Live || change.version < sitting.next {
                continue;
            }
            sitting.next = change.version.next();
            let Some(update) = &change.update else { continue };
            if author == Some(sitting.place.seat.session) {
                continue;
            }
            let frame = frame.get_or_insert_with(|| yjs::update(update));
            let pushed = sitting.place.outbox.change(*seat, change.version, frame.clone());
            match pushed.outcome {
                PushOutcome::Behind(version) => {
                    (sitting.progress, sitting.next) = (Progress::Behind, version);
                    self.metrics.seat_behind(true);
                    told.behind_editors.push(*seat);
                }
                PushOutcome::Closed => {}
                _ => told.deliveries += 1,
            }
        }
    }

    /// Everybody who was told of every change up to `told` is behind now.
    pub(in crate::room) fn all_behind(&mut self, told: Version) -> Vec<SeatId> {
        let live = self.seats.iter_mut().filter(|(_, sitting)| sitting.progress == Progress::Live);
        live.map(|(seat, sitting)| {
            (sitting.progress, sitting.next) = (Progress::Behind, sitting.next.max(told.next()));
            self.metrics.seat_behind(true);
            *seat
        })
        .collect()
    }

    /// An editor is to be sent something.
    pub(in crate::room) fn owe(&mut self, seat: SeatId, add: impl FnOnce(&mut Owed)) {
        if self.seats.contains_key(&seat) {
            add(self.owed.entry(seat).or_default());
        }
    }

    /// Whether anybody is owed something.
    pub(in crate::room) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// What is owed to whom; it is owed no longer.
    pub(in crate::room) fn take_owed(&mut self) -> Vec<(SeatId, Owed)> {
        std::mem::take(&mut self.owed).into_iter().collect()
    }

    /// From which version on a seat that is behind misses everything, and what it had when it had everything.
    pub(in crate::room) fn missing(&self, seat: SeatId) -> Option<(Version, Bytes)> {
        let sitting = self.seats.get(&seat)?;
        Some((sitting.next, sitting.synced.clone()))
    }

    /// Answers an editor with everything that it misses up to `head`, where so much is known of each client.
    pub(in crate::room) fn answer(
        &mut self,
        seat: SeatId,
        frame: Bytes,
        head: Version,
        state_vector: &Bytes,
    ) {
        let Some(sitting) = self.seats.get_mut(&seat) else { return };
        // What is dropped because the session closes, nobody waits for.
        let _closing = sitting.place.outbox.lasting(seat, frame);
        sitting.synced = state_vector.clone();
        sitting.caught_up(head, &self.metrics);
    }

    /// Sends an editor that is behind the rest. False if its outbox is full again.
    pub(in crate::room) fn send_rest(&mut self, seat: SeatId, frame: Bytes, head: Version) -> bool {
        let Some(sitting) = self.seats.get_mut(&seat) else { return true };
        if sitting.progress != Progress::Behind {
            return true;
        }
        // It stands for everything from there on: if it has to give way, all of that is missing again.
        let first = sitting.next;
        if let PushOutcome::Behind(_) = sitting.place.outbox.change(seat, first, frame).outcome {
            return false;
        }
        sitting.caught_up(head, &self.metrics);
        true
    }
}

impl Sitting {
    fn caught_up(&mut self, head: Version, metrics: &Metrics) {
        if self.progress == Progress::Behind {
            metrics.seat_behind(false);
        }
        (self.progress, self.next) = (Progress::Live, head.next());
    }
}
