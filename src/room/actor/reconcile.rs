//! Compares the room with the store: reads changes and access levels that no message from another node announced.
//!
//! Messages may be lost; a comparison is not. Missed changes are read from the log in order. For a changed access version,
//! the present level of every user here is read. A head that is lower than the one here shows that the database has lost
//! changes; the turn that follows makes sure of it.

use super::{Room, mailbox::Take, messages::CompareHead};
use crate::{
    domain::{AccessChange, AccessLevel, UserId},
    store::StoreError,
};
use actix::prelude::*;

impl Take<CompareHead> for Room {
    fn take(&mut self, CompareHead { head, read_at }: CompareHead, ctx: &mut Self::Context) {
        // The mailbox may have been too full to tell that something waits.
        self.take_relayed(ctx);
        match head {
            Some(head) => {
                if self.remote.is_access_changed(head.access_version) {
                    self.read_levels(LevelRead::First, ctx);
                }
                self.remote.announce(head.version);
            }
            None => tracing::debug!("the database does not have the document"),
        }
        if self.editing.is_ahead_of(head, read_at) {
            self.remote.doubt_head();
        }
        self.follow_if_behind(ctx);
    }
}

/// Which read of levels it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelRead {
    First,
    /// The first was older than the level of a seat. If this one is as well, the database has lost changes of access.
    Second,
}

impl Room {
    /// Reads the access level of every user with a seat.
    pub(super) fn read_levels(&mut self, read: LevelRead, ctx: &mut Context<Self>) {
        let (store, document) = (self.parts().store.clone(), self.document);
        let users = self.members.users();
        let levels = async move {
            // The end of a document is broadcast as a change and ends every seat.
            let Some((access_version, levels)) = store.find_access_levels(document, &users).await?
            else {
                return Ok(None);
            };
            let level = |user| (user, levels.get(&user).copied());
            let levels: Vec<(UserId, Option<AccessLevel>)> = users.into_iter().map(level).collect();
            Ok::<_, StoreError>(Some((access_version, levels)))
        };
        self.spawn(ctx, levels, move |room, levels, ctx| match levels {
            Ok(Some((access_version, _)))
                if read == LevelRead::First && room.members.is_newer_than(access_version) =>
            {
                room.read_levels(LevelRead::Second, ctx);
            }
            Ok(Some((access_version, levels))) => {
                if room.members.is_newer_than(access_version) {
                    room.members.forget_access_versions();
                }
                room.remote.note_access(access_version);
                for (user, level) in levels {
                    let access = AccessChange { level, access_version: None };
                    room.change_access(user, access, ctx);
                }
            }
            Ok(None) => {}
            // The next comparison finds the same difference.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not load access levels");
            }
        });
    }
}
