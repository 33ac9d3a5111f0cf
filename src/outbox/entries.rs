//! The queued frames in order. Frames with a [`Key`] can be found, replaced and removed.
//!
//! A replaced frame keeps its position. A removed frame leaves a hole, and holes are compacted before they outnumber
//! the frames. So every operation except the removal by seat takes amortized constant time. An empty queue holds almost
//! no memory, because most sessions are idle most of the time.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use super::{InFlight, OutboxFrame, SeatId, queue::Beat};
use crate::domain::{SessionId, Version};

/// Capacity that an empty queue keeps, in frames.
const IDLE_CAPACITY: usize = 16;

/// Holes up to this number are never compacted while frames wait.
const MIN_HOLES: usize = 16;

/// Identifies a queued frame; at most one frame waits for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Cursor(SeatId, SessionId),
    Joined(SeatId, SessionId),
    Beat(Beat),
}

/// The class of a queued frame. It decides what may happen to the frame while it waits.
pub(super) enum FrameClass {
    /// Always sent. Its operation stays in flight until then.
    Reply(#[expect(dead_code, reason = "held to be dropped with the frame")] Option<InFlight>),
    /// Removed with its seat.
    Seat(SeatId),
    /// Removed with its seat, or when its seat falls behind, since it can be replayed.
    Change(SeatId, Version),
    /// Can be replaced or removed by its key; removed with its seat.
    Keyed(Key),
}

impl FrameClass {
    fn seat(&self) -> Option<SeatId> {
        match self {
            Self::Seat(seat)
            | Self::Change(seat, _)
            | Self::Keyed(Key::Cursor(seat, _) | Key::Joined(seat, _)) => Some(*seat),
            Self::Reply(_) | Self::Keyed(Key::Beat(_)) => None,
        }
    }
}

struct Entry {
    frame: OutboxFrame,
    class: FrameClass,
}

#[derive(Default)]
pub(super) struct Entries {
    /// The entries and holes in order.
    queue: VecDeque<Option<Entry>>,
    /// The number of the first position. Positions are numbered without end, modulo 2^64.
    first: u64,
    holes: usize,
    /// The position of the entry with each key.
    positions: HashMap<Key, u64>,
    bytes: usize,
}

impl Entries {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() - self.holes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a frame. If it has a key, no frame with that key may be queued.
    pub(super) fn push(&mut self, frame: OutboxFrame, class: FrameClass) {
        if let FrameClass::Keyed(key) = class {
            let position = self.first.wrapping_add(self.queue.len() as u64);
            self.positions.insert(key, position);
        }
        self.bytes += frame.len();
        self.queue.push_back(Some(Entry { frame, class }));
    }

    /// Returns the length of the frame with this key, if one is queued.
    pub(super) fn length_of(&self, key: &Key) -> Option<usize> {
        let entry = self.queue.get(self.index(*self.positions.get(key)?))?.as_ref()?;
        Some(entry.frame.len())
    }

    /// Replaces the frame with this key, or appends `frame` if none is queued.
    pub(super) fn replace(&mut self, key: Key, frame: OutboxFrame) {
        let index = self.positions.get(&key).map(|position| self.index(*position));
        match index.and_then(|index| self.queue.get_mut(index)) {
            Some(Some(entry)) => {
                self.bytes = self.bytes - entry.frame.len() + frame.len();
                entry.frame = frame;
            }
            _ => self.push(frame, FrameClass::Keyed(key)),
        }
    }

    /// Removes the frame with this key. Returns false if none is queued.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(position) = self.positions.remove(key) else { return false };
        let index = self.index(position);
        let Some(entry) = self.queue.get_mut(index).and_then(Option::take) else { return false };
        self.bytes -= entry.frame.len();
        self.holes += 1;
        if self.is_empty() || (self.holes > MIN_HOLES && self.holes > self.len()) {
            self.compact();
        }
        true
    }

    /// Removes every frame of a seat.
    pub(super) fn remove_seat(&mut self, seat: SeatId) {
        for entry in &mut self.queue {
            let is_of_seat = |entry: &mut Entry| entry.class.seat() == Some(seat);
            if let Some(removed) = entry.take_if(is_of_seat) {
                self.bytes -= removed.frame.len();
                self.holes += 1;
            }
        }
        self.compact();
    }

    /// Removes every queued change of a seat, and returns the lowest version of them.
    pub(super) fn remove_changes(&mut self, seat: SeatId) -> Option<Version> {
        let mut lowest: Option<Version> = None;
        for entry in &mut self.queue {
            let is_change =
                |entry: &mut Entry| matches!(entry.class, FrameClass::Change(of, _) if of == seat);
            if let Some(removed) = entry.take_if(is_change) {
                self.bytes -= removed.frame.len();
                self.holes += 1;
                if let FrameClass::Change(_, version) = removed.class {
                    lowest = Some(lowest.map_or(version, |lowest| lowest.min(version)));
                }
            }
        }
        self.compact();
        lowest
    }

    /// Returns the lengths of the frames, in order.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.queue.iter().flatten().map(|entry| entry.frame.len())
    }

    /// Takes the first frame out. It counts as sent: it cannot be replaced or removed any more.
    pub(super) fn pop(&mut self) -> Option<(OutboxFrame, FrameClass)> {
        while let Some(entry) = self.queue.pop_front() {
            self.first = self.first.wrapping_add(1);
            let Some(entry) = entry else {
                self.holes -= 1;
                continue;
            };
            if let FrameClass::Keyed(key) = entry.class {
                self.positions.remove(&key);
            }
            self.bytes -= entry.frame.len();
            if self.is_empty() {
                self.compact();
            }
            return Some((entry.frame, entry.class));
        }
        None
    }

    /// Returns for how many frames and keys memory is allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> (usize, usize) {
        (self.queue.capacity(), self.positions.capacity())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn index(&self, position: u64) -> usize {
        // A queued position is less than the queue's length away from the first one.
        position.wrapping_sub(self.first) as usize
    }

    /// Closes the holes, and frees memory once the queue is empty.
    fn compact(&mut self) {
        self.queue.retain(Option::is_some);
        self.holes = 0;
        self.positions.clear();
        for (index, entry) in self.queue.iter().enumerate() {
            if let Some(Entry { class: FrameClass::Keyed(key), .. }) = entry {
                self.positions.insert(*key, self.first.wrapping_add(index as u64));
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(IDLE_CAPACITY);
            self.positions.shrink_to(IDLE_CAPACITY);
        }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The frames themselves are not shown: they contain document text.
        f.debug_struct("Entries")
            .field("frames", &self.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
