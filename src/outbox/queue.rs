//! What waits for a slow reader, and what gives way: rules without I/O and without a clock.
//!
//! Frames leave in the order in which they came. Before a frame is queued the queue is either full (the bound is
//! reached) or not; one that is not full takes one frame of any size, so a document larger than the bound can be
//! sent to a reader who keeps up. What happens at the bound depends on what the frame is, see the methods.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    InFlight, SeatId,
    entries::{Entries, FrameClass, Key},
};
use crate::domain::{PresenceChangeKind, SessionId, Version};

/// Frames are handed to the socket in chunks of up to so many bytes.
const CHUNK: usize = 16 * 1024;

/// A frame of so many bytes is handed over by itself: copying it would cost more than one call saves.
const LARGE: usize = 4 * 1024;

/// A sign of life, of which the newest is enough: at most one of each waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beat {
    /// A WebSocket ping.
    Ping,
    /// A WebSocket pong; only the newest ping needs one (RFC 6455, section 5.5.3).
    Pong,
}

/// When a close frame leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// After everything that waits: the client should still get its replies.
    AfterWaiting,
    /// Instead of everything that waits: nobody reads it anyway, or nobody may.
    AtOnce,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// It waits for the socket.
    Queued,
    /// It waits in the place of an older one.
    Replaced,
    /// It and a waiting frame that it undoes are both gone; the client need not know of either.
    Cancelled,
    /// The queue is full; a cursor may be lost.
    Dropped,
    /// The queue is full. All waiting frames of the seat are gone, and the seat must end: `end_seat`.
    Overflow,
    /// The queue is full. No change of the seat waits any more; from this version on they have to be sent again.
    Behind(Version),
    /// The session is closing or its connection is gone.
    Closed,
}

/// The answer to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// What became of the frame.
    pub outcome: PushOutcome,
    /// Whether the queue has just reached its bound for the first time in its life: worth a warning. One large
    /// frame alone does not count: its reader is not slow yet.
    pub reached_bound: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutboxPhase {
    Open,
    /// The close frame waits; nothing comes after it.
    Closing,
    /// Nothing waits, and nothing ever will.
    Ended,
}

/// Where a frame fits that may take the place of an older one.
enum Capacity {
    InPlace,
    AtTheEnd,
    None,
}

/// The frames that wait for one session.
#[derive(Debug)]
pub struct Queue {
    slots: Entries,
    bound: usize,
    phase: OutboxPhase,
    has_reached_bound: bool,
    /// Since when something waits without anything having been taken.
    stalled_since: Option<Instant>,
}

impl Queue {
    /// An empty queue that is full at `bound` bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            slots: Entries::default(),
            bound,
            phase: OutboxPhase::Open,
            has_reached_bound: false,
            stalled_since: None,
        }
    }

    /// Queues an answer to an operation. Never dropped: at the bound the session stops reading instead, and
    /// `in_flight` keeps the operation counted until the answer has left.
    pub fn reply(&mut self, frame: Bytes, in_flight: Option<InFlight>, now: Instant) -> Pushed {
        self.push(now, |queue| queue.append(frame, FrameClass::Reply(in_flight)))
    }

    /// Queues where the cursor of the session `about` is now, in place of where it was. At the bound it is dropped
    /// unless it can take an older one's place.
    pub fn cursor(&mut self, seat: SeatId, about: SessionId, frame: Bytes, now: Instant) -> Pushed {
        let key = Key::Cursor(seat, about);
        self.push(now, |queue| match queue.room_for(&key, &frame) {
            Capacity::InPlace => queue.put_in_place(key, frame),
            Capacity::AtTheEnd => queue.append(frame, FrameClass::Keyed(key)),
            Capacity::None => PushOutcome::Dropped,
        })
    }

    /// Queues that the session `about` arrived or left.
    ///
    /// A departure takes back an arrival that still waits, and goes with it. (An arrival after a departure is kept
    /// apart: it is a new stay.) For that to be right a seat must hear only of arrivals that are new to it. At the
    /// bound the seat overflows.
    pub fn presence(
        &mut self,
        seat: SeatId,
        about: SessionId,
        kind: PresenceChangeKind,
        frame: Bytes,
        now: Instant,
    ) -> Pushed {
        let joined = Key::Joined(seat, about);
        self.push(now, |queue| match kind {
            PresenceChangeKind::Left if queue.slots.remove(&joined) => PushOutcome::Cancelled,
            PresenceChangeKind::Left if queue.is_full() => queue.overflow(seat),
            PresenceChangeKind::Left => queue.append(frame, FrameClass::Of(seat)),
            PresenceChangeKind::Joined => match queue.room_for(&joined, &frame) {
                Capacity::InPlace => queue.put_in_place(joined, frame),
                Capacity::AtTheEnd => queue.append(frame, FrameClass::Keyed(joined)),
                Capacity::None => queue.overflow(seat),
            },
        })
    }

    /// Queues the change that made `version`. At the bound it gives way, together with those of its seat that still
    /// wait: the seat is behind, and everything from the first of them on has to be sent again when there is room.
    pub fn change(&mut self, seat: SeatId, version: Version, frame: Bytes, now: Instant) -> Pushed {
        self.push(now, |queue| {
            if queue.is_full() {
                return PushOutcome::Behind(queue.slots.remove_changes(seat).unwrap_or(version));
            }
            queue.append(frame, FrameClass::Change(seat, version))
        })
    }

    /// Queues what a seat must be told and what cannot be sent again: never dropped while the seat lives.
    pub fn lasting(&mut self, seat: SeatId, frame: Bytes, now: Instant) -> Pushed {
        self.push(now, |queue| queue.append(frame, FrameClass::Of(seat)))
    }

    /// Takes back every waiting frame of a seat, then queues `last` (an `error` or `complete`), which stays.
    ///
    /// Without a `last` the outcome is `Cancelled`.
    pub fn end_seat(&mut self, seat: SeatId, last: Option<Bytes>, now: Instant) -> Pushed {
        self.push(now, |queue| {
            queue.slots.remove_seat(seat);
            match last {
                Some(frame) => queue.append(frame, FrameClass::Reply(None)),
                None => PushOutcome::Cancelled,
            }
        })
    }

    /// Queues a sign of life, in place of one that still waits. Never dropped.
    pub fn beat(&mut self, beat: Beat, frame: Bytes, now: Instant) -> Pushed {
        let key = Key::Beat(beat);
        self.push(now, |queue| match queue.slots.length_of(&key) {
            Some(_) => queue.put_in_place(key, frame),
            None => queue.append(frame, FrameClass::Keyed(key)),
        })
    }

    /// Queues the close frame, after which nothing is accepted any more.
    ///
    /// The first close frame counts, but one that leaves at once overrides one that still waits for the rest.
    pub fn close(&mut self, frame: Bytes, closing: Closing, now: Instant) -> Pushed {
        let is_possible = match self.phase {
            OutboxPhase::Open => true,
            OutboxPhase::Closing => closing == Closing::AtOnce,
            OutboxPhase::Ended => false,
        };
        if !is_possible {
            return Pushed { outcome: PushOutcome::Closed, reached_bound: false };
        }
        if closing == Closing::AtOnce {
            self.slots.clear();
        }
        self.phase = OutboxPhase::Closing;
        self.slots.push(frame, FrameClass::Reply(None));
        self.stalled_since.get_or_insert(now);
        Pushed { outcome: PushOutcome::Queued, reached_bound: false }
    }

    /// The connection is gone: frees everything, and accepts nothing any more.
    pub fn abandon(&mut self) {
        self.slots.clear();
        self.phase = OutboxPhase::Ended;
        self.stalled_since = None;
    }

    /// Takes out what the socket should get next: one large frame, or small ones put together.
    pub fn take(&mut self, now: Instant) -> Option<Bytes> {
        let (count, length) = self.next_chunk();
        let first = self.slots.pop()?;
        let chunk = if count <= 1 {
            first
        } else {
            let mut chunk = Vec::with_capacity(length);
            chunk.extend_from_slice(&first);
            for frame in std::iter::from_fn(|| self.slots.pop()).take(count - 1) {
                chunk.extend_from_slice(&frame);
            }
            Bytes::from(chunk)
        };
        self.stalled_since = (!self.slots.is_empty()).then_some(now);
        if self.phase == OutboxPhase::Closing && self.slots.is_empty() {
            self.phase = OutboxPhase::Ended;
        }
        Some(chunk)
    }

    /// How many bytes wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.bytes()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the bound is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.slots.is_empty() && self.slots.bytes() >= self.bound
    }

    /// Whether so little waits that more may be fetched: at most half of the bound.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.slots.bytes() <= self.bound / 2
    }

    /// Whether frames are still accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == OutboxPhase::Open
    }

    /// Whether the close frame has left, or the connection is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == OutboxPhase::Ended
    }

    /// For how long something has been waiting without the socket taking anything.
    #[must_use]
    pub fn stalled_for(&self, now: Instant) -> Duration {
        self.stalled_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// What every push has in common.
    fn push(&mut self, now: Instant, work: impl FnOnce(&mut Self) -> PushOutcome) -> Pushed {
        if self.phase != OutboxPhase::Open {
            return Pushed { outcome: PushOutcome::Closed, reached_bound: false };
        }
        let outcome = work(self);
        if self.slots.is_empty() {
            self.stalled_since = None;
        } else {
            self.stalled_since.get_or_insert(now);
        }
        let gave_way = matches!(
            outcome,
            PushOutcome::Dropped | PushOutcome::Overflow | PushOutcome::Behind(_)
        );
        let is_at_bound = gave_way || (self.is_full() && self.slots.len() > 1);
        let reached_bound = is_at_bound && !self.has_reached_bound;
        self.has_reached_bound |= is_at_bound;
        Pushed { outcome, reached_bound }
    }

    fn room_for(&self, key: &Key, frame: &Bytes) -> Capacity {
        match self.slots.length_of(key) {
            // A longer frame may not take a full queue further past its bound.
            Some(old) if frame.len() > old && self.slots.bytes() - old >= self.bound => {
                Capacity::None
            }
            Some(_) => Capacity::InPlace,
            None if self.is_full() => Capacity::None,
            None => Capacity::AtTheEnd,
        }
    }

    fn append(&mut self, frame: Bytes, kind: FrameClass) -> PushOutcome {
        self.slots.push(frame, kind);
        PushOutcome::Queued
    }

    fn put_in_place(&mut self, key: Key, frame: Bytes) -> PushOutcome {
        self.slots.replace(key, frame);
        PushOutcome::Replaced
    }

    fn overflow(&mut self, seat: SeatId) -> PushOutcome {
        self.slots.remove_seat(seat);
        PushOutcome::Overflow
    }

    /// How many frames the next chunk has, and how many bytes they are.
    fn next_chunk(&self) -> (usize, usize) {
        let mut lengths = self.slots.lengths();
        let first = lengths.next().unwrap_or(0);
        if first >= LARGE {
            return (1, first);
        }
        let (mut count, mut bytes) = (1, first);
        for length in lengths {
            if length >= LARGE || bytes + length > CHUNK {
                break;
            }
            count += 1;
            bytes += length;
        }
        (count, bytes)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "queue_model_tests.rs"]
mod model_tests;
