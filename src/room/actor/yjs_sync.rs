//! The part of the room's actor that sends editors what they miss.
//!
//! An editor that says what it has is answered with everything else, and one that fell behind gets the rest in one
//! piece, whenever the replica is here and holds nothing that is not stored. What is large is put together on a thread
//! of its own; the replica is with it as long as that takes, and changes gather.

use std::{collections::HashMap, sync::Arc};

use actix::prelude::*;
use bytes::Bytes;
use chrono::Utc;
use tokio::time::Instant;

use super::{
    mailbox::Take,
    room::Room,
    yjs_messages::{Ask, Question, Synchronise, Welcome},
};
use crate::{
    domain::{AccessLevel, Version},
    editing::{
        LoadError, Replica,
        loader::{MAX_INLINE_BYTES, off_thread},
        recent::RecentChanges,
    },
    outbox::SeatId,
    room::{RoomError, SeatEnd, delivery::yjs_seats::Owed},
    wire::yjs::{self, Outline},
};

/// A beginning of more bytes than this is put together again for each who begins.
const MAX_CACHED_BYTES: usize = 4 * 1024 * 1024;

/// What a clock of a client weighs, in bytes of other work.
const CLOCK_BYTES: usize = 16;

/// What is to be put together for an editor.
struct Job {
    seat: SeatId,
    /// What it is to be sent, if anything.
    work: Option<Work>,
    /// Whether it is to be asked for what it has and the document does not.
    question: bool,
}

enum Work {
    /// Everything after so much of each client, for one who asked.
    Answer(Vec<(u64, u32)>),
    /// Everything from a version on, for one who fell behind: by the last changes if they go back so far, or after what it
    /// had of each client when it was last answered.
    Rest { next: Version, synced: Bytes },
}

/// What was put together.
struct Made {
    job: Job,
    frame: Frame,
}

enum Frame {
    Nothing,
    Answer(Bytes),
    Rest(Bytes),
    /// The editor has another history.
    Unrelated,
}

/// An answer to an editor that has nothing: many begin so, and all get the same.
#[derive(Default, Clone)]
pub(in crate::room) struct Beginning(Option<(Version, Bytes)>);

/// Everything that the replica was asked for at once.
struct Served {
    made: Vec<Made>,
    state_vector: Bytes,
    beginning: Beginning,
}

impl Room {
    /// Gives editors what they are owed, unless something is being stored: then it follows.
    pub(in crate::room) fn serve_editors(&mut self, ctx: &mut Context<Self>) {
        if self.edits.is_storing() {
            return;
        }
        if !self.editors.owes() && (!self.has_to_point() || self.editing.replica.is_some()) {
            return self.point(ctx);
        }
        let Some(head) = self.editing.head.as_ref().map(|head| head.version) else {
            // Its deletion has been told, or is on its way, and ends every seat.
            self.editors.take_owed();
            return;
        };
        let Some(replica) = self.editing.replica.take() else {
            return self.load_replica(head, ctx);
        };
        let owed = self.editors.take_owed();
        let seats: Vec<SeatId> = owed.iter().map(|(seat, _)| *seat).collect();
        let asked = owed.iter().map(|(_, owed)| owed.answer.as_ref().map_or(0, Vec::len));
        let weight = replica.weight() + CLOCK_BYTES * asked.sum::<usize>();
        let (jobs, beginning) = (self.jobs(owed), self.beginning.clone());
        let recent = Arc::clone(&self.editing.recent);
        if weight <= MAX_INLINE_BYTES || jobs.is_empty() {
            let served = serve(&replica, jobs, &recent, beginning, head);
            self.editing.replica = Some(replica);
            return self.served(served, head, ctx);
        }
        self.edits.hold();
        let serving = off_thread(weight, move || {
            let served = serve(&replica, jobs, &recent, beginning, head);
            (replica, served)
        });
        ctx.spawn(serving.into_actor(self).map(move |served, room, ctx| {
            match served {
                Ok((replica, served)) => {
                    room.editing.replica = Some(replica);
                    room.served(served, head, ctx);
                }
                Err(error) => room.lose_editors(seats, &error, ctx),
            }
            room.edits.stored();
            // Changes and answers take turns.
            room.store_next(ctx);
            room.after_storing(ctx);
        }));
    }

    fn load_replica(&mut self, head: Version, ctx: &mut Context<Self>) {
        self.edits.hold();
        let (texts, document) = (self.shared.texts.clone(), self.document);
        let loading = async move { texts.replica(document, head).await };
        ctx.spawn(loading.into_actor(self).map(|loaded, room, ctx| {
            room.edits.stored();
            match loaded {
                Ok(loaded) => {
                    room.editing.snapshot = Some(loaded.snapshot);
                    room.editing.replica = Some(loaded.replica);
                }
                Err(error) => {
                    let owed = room.editors.take_owed().into_iter();
                    room.lose_editors(owed.map(|(seat, _)| seat).collect(), &error, ctx);
                }
            }
            room.after_storing(ctx);
        }));
    }

    /// Nobody can be answered now: their clients come back, and ask again.
    fn lose_editors(&mut self, seats: Vec<SeatId>, error: &LoadError, ctx: &mut Context<Self>) {
        let cause: &dyn std::error::Error = error;
        tracing::warn!(error = cause, document.id = %self.document, "editors could not be answered");
        self.forget_pointing();
        for seat in seats {
            self.end_editor(seat, SeatEnd::Broken, ctx);
        }
    }

    fn end_editor(&mut self, seat: SeatId, why: SeatEnd, ctx: &mut Context<Self>) {
        self.editors.end(seat, Some(why));
        let effects = self.state.leave(seat);
        self.carry_out(effects, why, Instant::now(), ctx);
        self.linger_if_idle(ctx);
    }

    fn jobs(&mut self, owed: Vec<(SeatId, Owed)>) -> Vec<Job> {
        let mut jobs = Vec::with_capacity(owed.len());
        for (seat, Owed { answer, rest, question }) in owed {
            let work = match answer {
                // With an answer comes everything.
                Some(clocks) => Some(Work::Answer(clocks)),
                None if rest => {
                    self.editors.missing(seat).map(|(next, synced)| Work::Rest { next, synced })
                }
                None => None,
            };
            jobs.push(Job { seat, work, question });
        }
        jobs
    }

    fn served(&mut self, served: Served, head: Version, ctx: &mut Context<Self>) {
        let Served { made, state_vector, beginning } = served;
        self.beginning = beginning;
        for Made { job: Job { seat, question, .. }, frame } in made {
            let mut asks = question;
            match frame {
                Frame::Nothing => {}
                Frame::Unrelated => {
                    self.end_editor(seat, SeatEnd::Unrelated, ctx);
                    continue;
                }
                Frame::Answer(frame) => {
                    self.editors.answer(seat, frame, head, &state_vector);
                    asks = true;
                }
                Frame::Rest(frame) => {
                    self.shared.parts.metrics.replayed();
                    if !self.editors.send_rest(seat, frame, head) {
                        self.catch_up_editor(seat, ctx);
                    }
                }
            }
            if asks {
                self.ask_editor(seat, &state_vector);
            }
        }
        self.point(ctx);
    }

    /// Asks an editor for what it has and the document does not. Of one who may not write nothing is wanted.
    fn ask_editor(&self, seat: SeatId, state_vector: &Bytes) {
        let Some(place) = self.editors.place(seat) else { return };
        if place.seat.level().is_some_and(|level| level.allows(AccessLevel::Edit)) {
            // What is dropped because the session closes, nobody waits for.
            let _closing = place.outbox.lasting(seat, yjs::sync_step_1(state_vector));
        }
    }

    /// Sends an editor that is behind the rest, as soon as its outbox has room.
    pub(in crate::room) fn catch_up_editor(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some(outbox) = self.editors.place(seat).map(|place| place.outbox.clone()) else {
            return;
        };
        // All of it goes in one piece, so it is not put together again before that has been taken.
        let drained = async move { outbox.moved_on(seat).await };
        ctx.spawn(drained.into_actor(self).map(move |(), room, ctx| {
            room.editors.owe(seat, |owed| owed.rest = true);
            room.serve_editors(ctx);
        }));
    }
}

/// The lowest clock of each client in the changes from a version on; none if not all of them are in memory.
fn first_clocks(recent: &RecentChanges, next: Version) -> Option<HashMap<u64, u32>> {
    let mut first: HashMap<u64, u32> = HashMap::new();
    for change in recent.after(next.previous())? {
        let Some(update) = &change.update else { continue };
        let outline = Outline::read(update, usize::MAX).ok()?;
        for (client, start, _end) in outline.ranges() {
            let lowest = first.entry(client).or_insert(start);
            *lowest = start.min(*lowest);
        }
    }
    Some(first)
}

fn serve(
    replica: &Replica,
    jobs: Vec<Job>,
    recent: &RecentChanges,
    mut beginning: Beginning,
    head: Version,
) -> Served {
    // Those who are behind often are so from the same version on.
    let mut rests: HashMap<Version, Option<Bytes>> = HashMap::new();
    let made = jobs.into_iter().map(|job| {
        let frame = match &job.work {
            None => Frame::Nothing,
            Some(Work::Answer(clocks)) if replica.is_foreign_to(clocks) => Frame::Unrelated,
            Some(Work::Answer(clocks)) if clocks.is_empty() => {
                Frame::Answer(beginning.frame(replica, head))
            }
            Some(Work::Answer(clocks)) => Frame::Answer(yjs::sync_step_2(&replica.since(clocks))),
            Some(Work::Rest { next, synced }) => {
                let rest = rests.entry(*next).or_insert_with(|| rest(replica, recent, *next));
                Frame::Rest(rest.clone().unwrap_or_else(|| {
                    let clocks = yjs::state_vector(synced).unwrap_or_default();
                    yjs::update(&replica.since(&clocks))
                }))
            }
        };
        Made { job, frame }
    });
    let made = made.collect();
    Served { made, state_vector: replica.state_vector().into(), beginning }
}

/// Everything from a version on, if that can be told from the last changes.
fn rest(replica: &Replica, recent: &RecentChanges, next: Version) -> Option<Bytes> {
    let mut clocks = replica.clocks();
    clocks.extend(first_clocks(recent, next)?);
    Some(yjs::update(&replica.since(&clocks.into_iter().collect::<Vec<_>>())))
}

impl Beginning {
    fn frame(&mut self, replica: &Replica, head: Version) -> Bytes {
        match &self.0 {
            Some((version, frame)) if *version == head => frame.clone(),
            _ => {
                let frame = yjs::sync_step_2(&replica.state());
                self.0 = (frame.len() <= MAX_CACHED_BYTES).then(|| (head, frame.clone()));
                frame
            }
        }
    }
}

impl Take<Welcome> for Room {
    fn take(&mut self, Welcome(place): Welcome, ctx: &mut Self::Context) -> Result<(), RoomError> {
        self.editing.head.as_ref().ok_or(RoomError::SeatVoided)?;
        let effects = self.admit(&place)?;
        let (seat, is_first) = (place.seat.id, self.editors.is_empty());
        self.editors.seat(place);
        if is_first {
            self.begin_awareness(ctx);
        }
        self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
        self.tell_who_is_here(seat, Utc::now());
        self.serve_editors(ctx);
        Ok(())
    }
}

impl Take<Synchronise> for Room {
    fn take(&mut self, Synchronise { seat, clocks }: Synchronise, ctx: &mut Self::Context) {
        self.editors.owe(seat, |owed| owed.answer = Some(clocks));
        self.serve_editors(ctx);
    }
}

impl Take<Question> for Room {
    fn take(&mut self, Question(seat): Question, ctx: &mut Self::Context) {
        self.editors.owe(seat, |owed| owed.question = true);
        self.serve_editors(ctx);
    }
}

impl Take<Ask> for Room {
    fn take(&mut self, Ask(seat): Ask, _ctx: &mut Self::Context) {
        self.tell_who_is_here(seat, Utc::now());
    }
}
