//! What a room knows of other nodes: the newest version and access version, changes to apply, and who is there.

use std::sync::Arc;

use super::remote_changes::RemoteChanges;
use crate::{
    domain::{Change, Version},
    room::members::remote_presence::RemotePresence,
};

/// What other nodes did, as far as this room knows.
#[derive(Default)]
pub(super) struct RemoteState {
    /// The newest version that another node has announced. Reset when the room begins to follow it.
    announced: Version,
    /// The newest access version up to which the levels of the users here were read.
    access_version: i64,
    changes: RemoteChanges,
    presence: RemotePresence,
    is_reading_roster: bool,
}

impl RemoteState {
    /// Notes a version that another node has stored.
    pub(super) fn announce(&mut self, version: Version) {
        self.announced = self.announced.max(version);
    }

    /// Keeps a change that another node has published, if it follows `head`.
    pub(super) fn add_change(&mut self, change: Arc<Change>, head: Option<Version>) {
        self.announce(change.version);
        if head.is_some_and(|head| change.version > head) {
            self.changes.add(change);
        }
    }

    /// Returns the changes to apply after `head` and the version to reach. None if the room is not behind.
    ///
    /// The announcement counts as followed from now on: if it cannot be followed, the next comparison announces it again.
    pub(super) fn take_missed(&mut self, head: Version) -> Option<(Vec<Change>, Version)> {
        if self.announced <= head {
            return None;
        }
        let up_to = std::mem::take(&mut self.announced);
        Some((self.changes.take_after(head), up_to))
    }

    /// Whether an access version is newer than the levels read.
    pub(super) fn is_access_newer(&self, version: i64) -> bool {
        version > self.access_version
    }

    /// Notes that the levels of the users here were read at an access version.
    pub(super) fn note_access(&mut self, version: i64) {
        self.access_version = self.access_version.max(version);
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
