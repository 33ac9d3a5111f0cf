//! Frames in line, some of which can be found again by what they are about.
//!
//! A line with holes: what is replaced keeps its place, what is taken back leaves a hole, and holes are swept
//! before they outnumber the frames, so that every operation but [`Entries::remove_seat`] takes constant time on
//! average. An empty line holds no memory worth speaking of: most sessions are idle most of the time.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use bytes::Bytes;

use super::{InFlight, SeatId, queue::Beat};
use crate::domain::{SessionId, Version};

/// Room for so many frames is kept when the line has drained.
const KEPT: usize = 16;

/// So many holes are never worth sweeping.
const FEW_HOLES: usize = 16;

/// By what a waiting frame can be found; there is one frame at most for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Cursor(SeatId, SessionId),
    Joined(SeatId, SessionId),
    Beat(Beat),
}

/// What a waiting frame is.
pub(super) enum FrameClass {
    /// Stays, and so does its operation for as long.
    Reply(#[expect(dead_code, reason = "held to be dropped with the frame")] Option<InFlight>),
    /// Goes with its seat.
    Of(SeatId),
    /// A change, which can be sent again later.
    Change(SeatId, Version),
    /// Can be found again.
    Keyed(Key),
}

impl FrameClass {
    fn seat(&self) -> Option<SeatId> {
        match self {
            Self::Of(seat)
            | Self::Change(seat, _)
            | Self::Keyed(Key::Cursor(seat, _) | Key::Joined(seat, _)) => Some(*seat),
            Self::Reply(_) | Self::Keyed(Key::Beat(_)) => None,
        }
    }
}

struct Entry {
    frame: Bytes,
    kind: FrameClass,
}

#[derive(Default)]
pub(super) struct Entries {
    line: VecDeque<Option<Entry>>,
    /// The number of the first place in line; places are numbered on and on, modulo 2^64.
    first: u64,
    holes: usize,
    places: HashMap<Key, u64>,
    bytes: usize,
}

impl Entries {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.line.len() - self.holes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a frame at the end. A key must not be in line already.
    pub(super) fn push(&mut self, frame: Bytes, kind: FrameClass) {
        if let FrameClass::Keyed(key) = kind {
            let place = self.first.wrapping_add(self.line.len() as u64);
            self.places.insert(key, place);
        }
        self.bytes += frame.len();
        self.line.push_back(Some(Entry { frame, kind }));
    }

    /// How long the frame with this key is, if one waits.
    pub(super) fn length_of(&self, key: &Key) -> Option<usize> {
        let slot = self.line.get(self.index(*self.places.get(key)?))?.as_ref()?;
        Some(slot.frame.len())
    }

    /// Puts `frame` in the place of the one with this key, or at the end when none waits.
    pub(super) fn replace(&mut self, key: Key, frame: Bytes) {
        let index = self.places.get(&key).map(|place| self.index(*place));
        match index.and_then(|index| self.line.get_mut(index)) {
            Some(Some(slot)) => {
                self.bytes = self.bytes - slot.frame.len() + frame.len();
                slot.frame = frame;
            }
            _ => self.push(frame, FrameClass::Keyed(key)),
        }
    }

    /// Takes back the frame with this key; false when none waits.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(place) = self.places.remove(key) else { return false };
        let index = self.index(place);
        let Some(slot) = self.line.get_mut(index).and_then(Option::take) else { return false };
        self.bytes -= slot.frame.len();
        self.holes += 1;
        if self.is_empty() || (self.holes > FEW_HOLES && self.holes > self.len()) {
            self.sweep();
        }
        true
    }

    /// Takes back every frame of a seat.
    pub(super) fn remove_seat(&mut self, seat: SeatId) {
        for slot in &mut self.line {
            let is_of_seat = |slot: &mut Entry| slot.kind.seat() == Some(seat);
            if let Some(gone) = slot.take_if(is_of_seat) {
                self.bytes -= gone.frame.len();
                self.holes += 1;
            }
        }
        self.sweep();
    }

    /// Takes back every waiting change of a seat, and gives the version of the first.
    pub(super) fn remove_changes(&mut self, seat: SeatId) -> Option<Version> {
        let mut first = None;
        for slot in &mut self.line {
            let is_change =
                |slot: &mut Entry| matches!(slot.kind, FrameClass::Change(of, _) if of == seat);
            if let Some(gone) = slot.take_if(is_change) {
                self.bytes -= gone.frame.len();
                self.holes += 1;
                if let FrameClass::Change(_, version) = gone.kind {
                    first.get_or_insert(version);
                }
            }
        }
        self.sweep();
        first
    }

    /// The lengths of the frames, in order.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.line.iter().flatten().map(|slot| slot.frame.len())
    }

    /// Takes the first frame out; it has left, whatever was about it.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        while let Some(slot) = self.line.pop_front() {
            self.first = self.first.wrapping_add(1);
            let Some(slot) = slot else {
                self.holes -= 1;
                continue;
            };
            if let FrameClass::Keyed(key) = slot.kind {
                self.places.remove(&key);
            }
            self.bytes -= slot.frame.len();
            if self.is_empty() {
                self.sweep();
            }
            return Some(slot.frame);
        }
        None
    }

    /// For how many frames and keys memory is held.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> (usize, usize) {
        (self.line.capacity(), self.places.capacity())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn index(&self, place: u64) -> usize {
        // A place in line is at most the line's length away from the first.
        place.wrapping_sub(self.first) as usize
    }

    /// Closes the holes, and gives memory back once nothing waits.
    fn sweep(&mut self) {
        self.line.retain(Option::is_some);
        self.holes = 0;
        self.places.clear();
        for (index, slot) in self.line.iter().enumerate() {
            if let Some(Entry { kind: FrameClass::Keyed(key), .. }) = slot {
                self.places.insert(*key, self.first.wrapping_add(index as u64));
            }
        }
        if self.line.is_empty() {
            self.line.shrink_to(KEPT);
            self.places.shrink_to(KEPT);
        }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the frames: they are what people wrote.
        f.debug_struct("Slots")
            .field("frames", &self.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
