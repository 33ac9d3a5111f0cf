//! The send queue of one session: what happens to each class of frame when the subscriber is slow.
//!
//! Frames leave in the order in which they were pushed. The queue is full when its bytes reach the bound. A queue that
//! is not full accepts one frame of any size, so that a subscriber that keeps up can receive a document larger than the
//! bound. What a full queue does depends on the class of the frame and is documented at the methods:
//!
//! | frame | in a full queue |
//! |---|---|
//! | reply, lasting, heartbeat, close | queued |
//! | cursor | replaces an older one, or is dropped |
//! | presence | the seat overflows and has to end |
//! | change | the seat falls behind: its queued changes are removed, to be replayed |
//!
//! No I/O and no clock: time is an argument.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    InFlight, OutboxFrame, PushOutcome, Pushed, SeatFrame, SeatId,
    begun_frame::BegunFrame,
    entries::{Entries, FrameClass, Key},
    piece::MAX_PIECE_BYTES,
};
use crate::domain::{PresenceChangeKind, SessionId, Version};

/// The socket takes small frames in chunks of up to this many bytes.
const MAX_CHUNK_BYTES: usize = 16 * 1024;

/// A frame of at least this many bytes is a chunk of its own: copying it would cost more than one more call.
const MIN_LARGE_FRAME_BYTES: usize = 4 * 1024;

/// A heartbeat frame. Only the newest of each kind matters, so at most one of each is queued.
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
    /// After everything that is queued, so that the client still receives its replies.
    AfterWaiting,
    /// Instead of everything that is queued, because the client does not read it or may not.
    AtOnce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutboxPhase {
    Open,
    /// The close frame is queued, and no frame is accepted after it.
    Closing,
    /// Nothing is queued, and no frame is accepted.
    Ended,
}

/// Where a frame fits that can replace an older one.
enum Capacity {
    InPlace,
    AtTheEnd,
    None,
}

/// The frames that are queued for one session.
#[derive(Debug)]
pub struct Queue {
    entries: Entries,
    /// The large frame of which the socket has taken a part. The rest must follow, whatever else happens.
    begun: Option<Box<BegunFrame>>,
    bound: usize,
    phase: OutboxPhase,
    /// Whether reaching the bound has been reported since the queue last drained.
    is_limit_reported: bool,
    /// Since when frames have waited without the socket taking any.
    stalled_since: Option<Instant>,
}

impl Queue {
    /// Creates an empty queue that is full at `bound` bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            entries: Entries::default(),
            begun: None,
            bound,
            phase: OutboxPhase::Open,
            is_limit_reported: false,
            stalled_since: None,
        }
    }

    /// Queues the reply to an operation. It is never dropped: while the queue is full, the session does not read its
    /// socket, and `in_flight` counts the operation until the reply has left.
    pub fn reply(
        &mut self,
        frame: impl Into<OutboxFrame>,
        in_flight: Option<InFlight>,
        now: Instant,
    ) -> Pushed {
        self.push(now, |queue| queue.append(frame.into(), FrameClass::Reply(in_flight)))
    }

    /// Queues a frame for a seat: calls [`Queue::change`], [`Queue::lasting`], [`Queue::cursor`] or [`Queue::presence`].
    pub fn send(&mut self, seat: SeatId, frame: SeatFrame, now: Instant) -> Pushed {
        match frame {
            SeatFrame::Change(version, bytes) => self.change(seat, version, bytes, now),
            SeatFrame::Lasting(bytes) => self.lasting(seat, bytes, now),
            SeatFrame::Cursor(about, bytes) => self.cursor(seat, about, bytes, now),
            SeatFrame::Presence(about, kind, bytes) => self.presence(seat, about, kind, bytes, now),
        }
    }

    /// Returns whether [`Queue::send`] would not queue the frame, whatever its bytes are.
    #[must_use]
    pub fn would_refuse(&self, seat: SeatId, frame: &SeatFrame) -> bool {
        let is_queued = |key| self.entries.length_of(&key).is_some();
        self.is_full()
            && match frame {
                SeatFrame::Change(..) => true,
                SeatFrame::Lasting(_) => false,
                SeatFrame::Cursor(about, _) => !is_queued(Key::Cursor(seat, *about)),
                SeatFrame::Presence(about, PresenceChangeKind::Joined, _) => {
                    !is_queued(Key::Joined(seat, *about))
                }
                SeatFrame::Presence(_, PresenceChangeKind::Left, _) => true,
            }
    }

    /// Queues the cursor of the session `about`, in place of its older one. A full queue drops it unless it replaces
    /// one that is at least as long.
    pub fn cursor(&mut self, seat: SeatId, about: SessionId, frame: Bytes, now: Instant) -> Pushed {
        let key = Key::Cursor(seat, about);
        let frame = OutboxFrame::from(frame);
        self.push(now, |queue| match queue.capacity_for(&key, &frame) {
            Capacity::InPlace => queue.put_in_place(key, frame),
            Capacity::AtTheEnd => queue.append(frame, FrameClass::Keyed(key)),
            Capacity::None => PushOutcome::Dropped,
        })
    }

    /// Queues that the session `about` joined or left.
    ///
    /// A leave removes a join that is still queued, and is dropped with it. A join after a leave is kept, because it is
    /// a new stay. Callers must therefore push only joins that are new to the seat. In a full queue the seat
    /// overflows.
    pub fn presence(
        &mut self,
        seat: SeatId,
        about: SessionId,
        kind: PresenceChangeKind,
        frame: Bytes,
        now: Instant,
    ) -> Pushed {
        let (joined, frame) = (Key::Joined(seat, about), OutboxFrame::from(frame));
        self.push(now, |queue| match kind {
            PresenceChangeKind::Left if queue.entries.remove(&joined) => PushOutcome::Cancelled,
            PresenceChangeKind::Left if queue.is_full() => queue.overflow(seat),
            PresenceChangeKind::Left => queue.append(frame, FrameClass::Seat(seat)),
            PresenceChangeKind::Joined => match queue.capacity_for(&joined, &frame) {
                Capacity::InPlace => queue.put_in_place(joined, frame),
                Capacity::AtTheEnd => queue.append(frame, FrameClass::Keyed(joined)),
                Capacity::None => queue.overflow(seat),
            },
        })
    }

    /// Queues the change that made `version`. In a full queue the seat falls behind: this change and those of the seat
    /// that are still queued are removed. Replay them from the returned version on once the queue has drained.
    pub fn change(
        &mut self,
        seat: SeatId,
        version: Version,
        frame: impl Into<OutboxFrame>,
        now: Instant,
    ) -> Pushed {
        self.push(now, |queue| {
            if queue.is_full() {
                let removed = queue.entries.remove_changes(seat).unwrap_or(version);
                return PushOutcome::Behind(removed.min(version));
            }
            queue.append(frame.into(), FrameClass::Change(seat, version))
        })
    }

    /// Removes the queued changes of a seat, because they are void.
    pub fn remove_changes(&mut self, seat: SeatId) {
        self.entries.remove_changes(seat);
    }

    /// Queues a frame that a seat needs and that cannot be replayed. It is never dropped while the seat is open.
    pub fn lasting(&mut self, seat: SeatId, frame: impl Into<OutboxFrame>, now: Instant) -> Pushed {
        self.push(now, |queue| queue.append(frame.into(), FrameClass::Seat(seat)))
    }

    /// Removes every queued frame of a seat, then queues `last` (an `error` or `complete`) as a reply.
    ///
    /// Without a `last` the outcome is `Cancelled`.
    pub fn end_seat(&mut self, seat: SeatId, last: Option<Bytes>, now: Instant) -> Pushed {
        self.push(now, |queue| {
            queue.entries.remove_seat(seat);
            match last {
                Some(frame) => queue.append(frame.into(), FrameClass::Reply(None)),
                None => PushOutcome::Cancelled,
            }
        })
    }

    /// Queues a heartbeat frame, in place of an older one of its kind. It is never dropped.
    pub fn beat(&mut self, beat: Beat, frame: Bytes, now: Instant) -> Pushed {
        let (key, frame) = (Key::Beat(beat), OutboxFrame::from(frame));
        self.push(now, |queue| match queue.entries.length_of(&key) {
            Some(_) => queue.put_in_place(key, frame),
            None => queue.append(frame, FrameClass::Keyed(key)),
        })
    }

    /// Queues the close frame. No frame is accepted after it.
    ///
    /// The first close frame wins, except that [`Closing::AtOnce`] overrides one that is still queued behind others.
    pub fn close(&mut self, frame: Bytes, closing: Closing, now: Instant) -> Pushed {
        let is_possible = match self.phase {
            OutboxPhase::Open => true,
            OutboxPhase::Closing => closing == Closing::AtOnce,
            OutboxPhase::Ended => false,
        };
        if !is_possible {
            return Pushed::closed();
        }
        if closing == Closing::AtOnce {
            self.entries.clear();
        }
        self.phase = OutboxPhase::Closing;
        self.entries.push(frame.into(), FrameClass::Reply(None));
        self.stalled_since.get_or_insert(now);
        Pushed { outcome: PushOutcome::Queued, reached_limit: false }
    }

    /// Frees all frames and accepts no more, because the connection is gone.
    pub fn abandon(&mut self) {
        self.entries.clear();
        self.begun = None;
        self.phase = OutboxPhase::Ended;
        self.stalled_since = None;
    }

    /// Takes the next chunk for the socket: a large frame or a piece of one, or several small frames joined.
    pub fn take(&mut self, now: Instant) -> Option<Bytes> {
        let chunk = self.take_begun().or_else(|| self.take_next())?;
        self.stalled_since = (!self.is_empty()).then_some(now);
        // Only here: a queue that became low because changes were removed has not recovered.
        self.is_limit_reported &= !self.is_low();
        if self.phase == OutboxPhase::Closing && self.is_empty() {
            self.phase = OutboxPhase::Ended;
        }
        Some(chunk)
    }

    /// Takes the next piece of the frame that has begun to leave.
    fn take_begun(&mut self) -> Option<Bytes> {
        let begun = self.begun.as_mut()?;
        let piece = begun.take_piece();
        if begun.len() == 0 {
            self.begun = None;
        }
        Some(piece)
    }

    fn take_next(&mut self) -> Option<Bytes> {
        let (count, length) = self.next_chunk();
        let (mut first, class) = self.entries.pop()?;
        if count <= 1 {
            let piece = first.take_piece(MAX_PIECE_BYTES);
            if !first.is_empty() {
                self.begun = Some(Box::new(BegunFrame::new(first, class)));
            }
            return Some(piece);
        }
        let mut chunk = Vec::with_capacity(length);
        first.append_to(&mut chunk);
        for (frame, _class) in std::iter::from_fn(|| self.entries.pop()).take(count - 1) {
            frame.append_to(&mut chunk);
        }
        Some(Bytes::from(chunk))
    }

    /// Returns the number of queued bytes, with those of a frame that has begun to leave.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.bytes() + self.begun.as_ref().map_or(0, |begun| begun.len())
    }

    /// Returns whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.begun.is_none()
    }

    /// Returns whether the queue has reached its bound. A frame that has begun to leave does not count: a subscriber that
    /// keeps up may be receiving a document larger than the bound.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.entries.is_empty() && self.entries.bytes() >= self.bound
    }

    /// Returns whether at most half of the bound is queued, so that a replay may continue.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.entries.bytes() <= self.bound / 2
    }

    /// Returns whether frames are accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == OutboxPhase::Open
    }

    /// Returns whether the close frame has left or the connection is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == OutboxPhase::Ended
    }

    /// Returns for how long frames have waited without the socket taking any.
    #[must_use]
    pub fn stalled_for(&self, now: Instant) -> Duration {
        self.stalled_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Pushes with `work`, and does what every push has in common.
    fn push(&mut self, now: Instant, work: impl FnOnce(&mut Self) -> PushOutcome) -> Pushed {
        if self.phase != OutboxPhase::Open {
            return Pushed::closed();
        }
        let outcome = work(self);
        if self.is_empty() {
            self.stalled_since = None;
        } else {
            self.stalled_since.get_or_insert(now);
        }
        let reached_limit =
            !self.is_limit_reported && (outcome.is_refusal() || self.is_reader_behind());
        self.is_limit_reported |= reached_limit;
        Pushed { outcome, reached_limit }
    }

    /// Whether the queue is full, and not only because of one large frame: a reader that keeps up receives it among
    /// others.
    fn is_reader_behind(&self) -> bool {
        // While the queue is full, few frames are queued before the first report. So the scan is rare.
        let largest = || self.entries.lengths().max().unwrap_or(0);
        self.is_full() && 2 * (self.entries.bytes() - largest()) >= self.bound
    }

    fn capacity_for(&self, key: &Key, frame: &OutboxFrame) -> Capacity {
        match self.entries.length_of(key) {
            // A longer frame must not take a full queue further past its bound.
            Some(old) if frame.len() > old && self.entries.bytes() - old >= self.bound => {
                Capacity::None
            }
            Some(_) => Capacity::InPlace,
            None if self.is_full() => Capacity::None,
            None => Capacity::AtTheEnd,
        }
    }

    fn append(&mut self, frame: OutboxFrame, class: FrameClass) -> PushOutcome {
        self.entries.push(frame, class);
        PushOutcome::Queued
    }

    fn put_in_place(&mut self, key: Key, frame: OutboxFrame) -> PushOutcome {
        self.entries.replace(key, frame);
        PushOutcome::Replaced
    }

    fn overflow(&mut self, seat: SeatId) -> PushOutcome {
        self.entries.remove_seat(seat);
        PushOutcome::Overflow
    }

    /// Returns how many frames the next chunk has, and its length in bytes.
    fn next_chunk(&self) -> (usize, usize) {
        let mut lengths = self.entries.lengths();
        let first = lengths.next().unwrap_or(0);
        if first >= MIN_LARGE_FRAME_BYTES {
            return (1, first);
        }
        let (mut count, mut bytes) = (1, first);
        for length in lengths {
            if length >= MIN_LARGE_FRAME_BYTES || bytes + length > MAX_CHUNK_BYTES {
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
#[path = "queue_large_frame_tests.rs"]
mod large_frame_tests;

#[cfg(test)]
#[path = "queue_model_tests.rs"]
mod model_tests;
