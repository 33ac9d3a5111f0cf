//! What a room knows of other nodes: the newest version and access version, changes to apply, and who is there.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    domain::{Change, Origin, Version},
    editing::turn_exchange::MissedChanges,
    room::members::{remote_presence::RemotePresence, seat::Seat},
};

/// The most bytes of changes that are kept. What does not fit is read from the log.
const MAX_REMOTE_BYTES: usize = 4 * 1024 * 1024;

/// How long an author is doubtful. A commit that is still under way ends long before, when its transaction times out.
const DOUBTFUL_FOR: Duration = Duration::from_secs(300);

/// What other nodes did, as far as this room knows.
#[derive(Default)]
pub(super) struct RemoteState {
    /// The newest version that another node has announced. Reset when the room begins to follow it.
    announced: Version,
    /// The access version at which the levels of the users here were read.
    access_version: i64,
    /// Whether something shows that the database may have lost the head of this room.
    is_head_doubtful: bool,
    changes: RemoteChanges,
    presence: RemotePresence,
    is_reading_roster: bool,
    /// Authors here that do not know whether their edits are stored, with the time of the answer.
    doubtful: HashMap<Origin, Instant>,
}

impl RemoteState {
    /// Notes a version that another node has stored.
    pub(super) fn announce(&mut self, version: Version) {
        self.announced = self.announced.max(version);
    }

    /// Notes that the database may have lost the head of this room.
    pub(super) fn doubt_head(&mut self) {
        self.is_head_doubtful = true;
    }

    /// Forgets the kept changes and the announced version, which may be lost.
    pub(super) fn forget_changes(&mut self) {
        self.changes = RemoteChanges::default();
        self.announced = Version::default();
    }

    /// Keeps a change that another node has published, if it follows `head`.
    pub(super) fn add_change(&mut self, change: Arc<Change>, head: Option<Version>) {
        self.announce(change.version);
        if head.is_some_and(|head| change.version > head) {
            self.changes.add(change);
        }
    }

    /// Forgets the kept changes up to `head`. Those after it are announced again, if reading the log failed before.
    pub(super) fn forget_changes_up_to(&mut self, head: Version) {
        if let Some(last) = self.changes.forget_up_to(head) {
            self.announce(last);
        }
    }

    /// Returns the changes to apply after `head` and the version to reach. None if the room is not behind, and its head is
    /// not doubtful.
    ///
    /// Clears the announced version and the doubt. If reading the log fails, the next comparison finds both again.
    pub(super) fn take_missed(&mut self, head: Version) -> Option<MissedChanges> {
        if self.announced <= head && !self.is_head_doubtful {
            return None;
        }
        let up_to = std::mem::take(&mut self.announced);
        let must_verify = std::mem::take(&mut self.is_head_doubtful);
        Some(MissedChanges { published: self.changes.take_after(head), up_to, must_verify })
    }

    /// Notes authors who were answered that it is not known whether their edits are stored.
    pub(super) fn note_doubtful(&mut self, origins: Vec<Origin>, now: Instant) {
        if origins.is_empty() {
            return;
        }
        self.doubtful.retain(|_, since| now.duration_since(*since) < DOUBTFUL_FOR);
        self.doubtful.extend(origins.into_iter().map(|origin| (origin, now)));
    }

    /// Whether an author must be sent a change of their own that was found in the log: they may not know that it is stored.
    pub(super) fn is_doubtful(&self, origin: Origin, now: Instant) -> bool {
        self.doubtful.get(&origin).is_some_and(|since| now.duration_since(*since) < DOUBTFUL_FOR)
    }

    /// Whether a session, or a request of its user without a session, may have made a change that its author does not know to
    /// be stored.
    pub(super) fn is_author_doubtful(&self, seat: &Seat, now: Instant) -> bool {
        let user = seat.user().id;
        [Some(seat.session()), None]
            .into_iter()
            .any(|session| self.is_doubtful(Origin { user, session }, now))
    }

    /// Whether the levels were read at another access version. A smaller one means that the database has lost changes of
    /// access.
    pub(super) fn is_access_changed(&self, version: i64) -> bool {
        version != self.access_version
    }

    /// Notes that the levels of the users here were read at an access version.
    pub(super) fn note_access(&mut self, version: i64) {
        self.access_version = version;
    }

    /// Returns who is on other nodes.
    pub(super) fn presence(&self) -> &RemotePresence {
        &self.presence
    }

    /// Returns who is on other nodes, to change it.
    pub(super) fn presence_mut(&mut self) -> &mut RemotePresence {
        &mut self.presence
    }

    /// Notes that the roster is being read. Returns false if it was already.
    pub(super) fn begin_roster_read(&mut self) -> bool {
        let begins = !std::mem::replace(&mut self.is_reading_roster, true);
        if begins {
            self.presence.begin_read();
        }
        begins
    }

    /// Notes that the roster was read.
    pub(super) fn end_roster_read(&mut self) {
        self.is_reading_roster = false;
    }
}

/// Published changes by version.
#[derive(Debug, Default)]
struct RemoteChanges {
    changes: BTreeMap<Version, Arc<Change>>,
    bytes: usize,
}

impl RemoteChanges {
    /// Keeps a change if there is capacity.
    fn add(&mut self, change: Arc<Change>) {
        let bytes = change.weight();
        if self.bytes + bytes <= MAX_REMOTE_BYTES
            && let Entry::Vacant(entry) = self.changes.entry(change.version)
        {
            entry.insert(change);
            self.bytes += bytes;
        }
    }

    /// Removes the changes up to `head`. Returns the version of the last one that is left.
    fn forget_up_to(&mut self, head: Version) -> Option<Version> {
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= head) {
            self.bytes -= first.remove().weight();
        }
        self.changes.last_key_value().map(|(version, _)| *version)
    }

    /// Removes and returns the changes that follow `head` without a hole. Older ones are forgotten; later ones stay.
    fn take_after(&mut self, head: Version) -> Vec<Change> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::title_change;

    fn take(changes: &mut RemoteChanges, head: i64) -> Vec<i64> {
        let taken = changes.take_after(Version::new(head));
        taken.iter().map(|change| change.version.number()).collect()
    }

    #[test]
    fn changes_are_taken_without_a_hole_and_later_ones_wait() {
        let mut changes = RemoteChanges::default();
        for version in [9, 4, 5, 2, 4, 7] {
            changes.add(Arc::new(title_change(version)));
        }
        assert_eq!(take(&mut changes, 3), [4, 5]);
        assert_eq!(take(&mut changes, 6), [7]);
        assert_eq!(take(&mut changes, 9), [] as [i64; 0]);
        assert!(changes.changes.is_empty() && changes.bytes == 0);
    }

    #[test]
    fn changes_that_were_kept_for_nothing_are_forgotten() {
        let mut state = RemoteState::default();
        let add = |state: &mut RemoteState, version: i64| {
            state.add_change(Arc::new(title_change(version)), Some(Version::new(3)));
        };
        for version in [4, 5, 7] {
            add(&mut state, version);
        }
        // Reading the log failed after the changes were taken; then 7 arrived again.
        state.take_missed(Version::new(3)).unwrap();
        add(&mut state, 7);
        state.announced = Version::default();

        state.forget_changes_up_to(Version::new(6));
        assert_eq!(state.announced.number(), 7, "it is followed now");
        state.announced = Version::default();
        state.forget_changes_up_to(Version::new(7));
        assert!(state.changes.changes.is_empty() && state.changes.bytes == 0);
        assert!(state.take_missed(Version::new(7)).is_none());
    }
}
