//! Which updates of a document are acknowledged to its provider. Pure; time is an argument.
//!
//! The provider counts the updates that it has sent, and each acknowledgement reduces its count by one. It shows the document as
//! saved at zero. With sync step 1 it sets the count to one, for the sync step 2 that it will send: that one has everything from
//! before. So an update is acknowledged if the provider has counted it after its last sync step 1, and if all updates up to it are
//! stored. One acknowledgement too many would show the document as saved while it is not; one too few would never show it.
//!
//! What the provider has queued while it was not connected arrives after sync step 1, and is not counted. It ends with the answer to
//! a ping ([`hocuspocus::ping`](crate::wire::hocuspocus::ping)). Until then the clocks tell what is queued: they are older than sync
//! step 1. Deletions have no clock. Those that could be either are acknowledged when the document has been quiet for
//! [`QUIET_FOR`], when one acknowledgement too many has no effect: the count does not become negative.
//!
//! With its option `flushDelay`, the provider counts a batch when it begins, and sends it later. So the first updates after sync step 1
//! may be older than it as well, also without a queue.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::wire::yjs::{ClientClocks, Outline};

/// How long nothing arrives before updates are acknowledged of which it is not known whether they were counted.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// The most structs, and the most bytes, of an update that is read to find out whether it was counted.
const MAX_STRUCTS: usize = 1_000;
const MAX_READ_BYTES: usize = 64 * 1_024;

/// The most clocks that are kept to find that out.
const MAX_CLOCKS: usize = 10_000;

/// The most updates that may wait to be stored, or to be acknowledged.
const MAX_WAITING: u64 = 10_000;

/// The most acknowledgements that are held back.
const MAX_HELD: u64 = 1_000;

/// The most runs of updates that are told apart.
const MAX_RUNS: usize = 1_000;

/// Whether the provider counts an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Yes,
    No,
    Unknown,
}

/// What the clocks of an update tell, compared with those of sync step 1.
enum UpdateAge {
    Older,
    Newer,
    /// It inserts nothing, and deletions have no clock.
    Deletion,
}

/// The updates of one document, and which of them its provider counts.
#[derive(Debug, Default)]
pub(super) struct CountedUpdates {
    /// The updates that are not stored, in order: how many in a row the provider counts, or not.
    unstored: VecDeque<(Counted, u64)>,
    /// How many updates were stored before them.
    stored: u64,
    /// What the provider had when it sent its last sync step 1, while updates from before may arrive. None if that is too much to keep.
    clocks: Option<HashMap<u64, u32>>,
    /// Whether it has not answered ours since then.
    expects_step_2: bool,
    /// Whether an update from before sync step 1 has arrived after it, so that all of them follow until the answer to the ping.
    has_queued: bool,
    /// The number of acknowledgements that are held back, because later updates have arrived and are not stored.
    held: u64,
    /// The number of stored updates of which it is not known whether they were counted.
    withheld: u64,
    last_update_at: Option<Instant>,
}

impl CountedUpdates {
    /// Notes sync step 1. The provider has forgotten all updates that are not acknowledged.
    pub(super) fn step_1(&mut self, clocks: &ClientClocks) {
        let unstored = self.unstored();
        let is_kept = clocks.len() <= MAX_CLOCKS;
        self.clocks = is_kept.then(|| clocks.iter().collect());
        self.unstored = VecDeque::from_iter((unstored > 0).then_some((Counted::No, unstored)));
        self.expects_step_2 = true;
        (self.has_queued, self.withheld, self.held) = (false, 0, 0);
    }

    /// Notes sync step 2. The provider counts only the first one after its sync step 1.
    pub(super) fn step_2(&mut self, now: Instant) {
        let is_counted = std::mem::take(&mut self.expects_step_2);
        self.add(if is_counted { Counted::Yes } else { Counted::No }, now);
    }

    /// Notes an update. `is_flushing` is whether updates arrive that the provider has queued.
    pub(super) fn update(&mut self, update: &Bytes, is_flushing: bool, now: Instant) {
        let counted = match is_flushing {
            true => self.find_counted(update),
            false => self.find_counted_in_batches(update),
        };
        self.has_queued |= counted == Counted::No;
        self.add(counted, now);
    }

    /// Notes that no more updates arrive that the provider has queued.
    pub(super) fn end_flush(&mut self) {
        self.has_queued = false;
    }

    /// Returns whether too many updates wait to be stored or to be acknowledged. The provider has to begin again.
    pub(super) fn are_too_many(&self) -> bool {
        self.unstored() + self.withheld > MAX_WAITING
    }

    fn unstored(&self) -> u64 {
        self.unstored.iter().map(|(_counted, updates)| updates).sum()
    }

    fn find_counted(&self, update: &Bytes) -> Counted {
        match self.age_of(update) {
            Some(UpdateAge::Older) => Counted::No,
            Some(UpdateAge::Newer) => Counted::Yes,
            Some(UpdateAge::Deletion) if self.has_queued => Counted::No,
            Some(UpdateAge::Deletion) | None => Counted::Unknown,
        }
    }

    /// As [`find_counted`](Self::find_counted), when nothing arrives any more that was queued. After the first newer update nothing older
    /// follows.
    fn find_counted_in_batches(&mut self, update: &Bytes) -> Counted {
        match self.age_of(update) {
            Some(UpdateAge::Older) => return Counted::No,
            Some(UpdateAge::Newer) => self.clocks = None,
            Some(UpdateAge::Deletion) | None => {}
        }
        Counted::Yes
    }

    /// Returns whether an update, or the batch that it is, began before the last sync step 1. `None` if that is not known.
    fn age_of(&self, update: &Bytes) -> Option<UpdateAge> {
        let clocks = self.clocks.as_ref().filter(|_| update.len() <= MAX_READ_BYTES)?;
        let outline = Outline::read(update, MAX_STRUCTS).ok()?;
        let end_of = |client| clocks.get(&client).copied().unwrap_or(0);
        let mut age = UpdateAge::Deletion;
        for (client, start, _end) in outline.ranges() {
            if start < end_of(client) {
                return Some(UpdateAge::Older);
            }
            age = UpdateAge::Newer;
        }
        Some(age)
    }

    fn add(&mut self, counted: Counted, now: Instant) {
        self.last_update_at = Some(now);
        let is_full = self.unstored.len() >= MAX_RUNS;
        match self.unstored.back_mut() {
            Some((last, updates)) if *last == counted || is_full => *updates += 1,
            _ => self.unstored.push_back((counted, 1)),
        }
    }

    /// Notes that the first `updates` of all updates are stored. Returns how many acknowledgements to send. As long as another
    /// update is not stored there are none: the provider may set its count to one meanwhile, and would take them for that one.
    pub(super) fn note_stored(&mut self, updates: u64) -> u64 {
        while self.stored < updates
            && let Some((counted, run)) = self.unstored.front_mut()
        {
            let taken = (*run).min(updates - self.stored);
            match counted {
                Counted::Yes => self.held += taken,
                Counted::Unknown => self.withheld += taken,
                Counted::No => {}
            }
            (*run, self.stored) = (*run - taken, self.stored + taken);
            if *run == 0 {
                self.unstored.pop_front();
            }
        }
        match self.unstored.is_empty() || self.held >= MAX_HELD {
            true => std::mem::take(&mut self.held),
            false => 0,
        }
    }

    /// Returns when [`take_withheld`](Self::take_withheld) may have something.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let is_settled = self.unstored.is_empty() && !self.expects_step_2;
        self.last_update_at.filter(|_| self.withheld > 0 && is_settled).map(|at| at + QUIET_FOR)
    }

    /// Returns how many acknowledgements to send because nothing has arrived for a while.
    pub(super) fn take_withheld(&mut self, now: Instant) -> u64 {
        match self.due_at() {
            Some(at) if at <= now => std::mem::take(&mut self.withheld),
            Some(_) | None => 0,
        }
    }
}

#[cfg(test)]
#[path = "counted_updates_tests.rs"]
mod tests;
