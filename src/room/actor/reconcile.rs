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
                    self.read_levels(head.access_version, ctx);
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

impl Room {
    /// Reads the access level of every user with a seat.
    fn read_levels(&mut self, access_version: i64, ctx: &mut Context<Self>) {
        let (store, document) = (self.parts().store.clone(), self.document);
        let users = self.members.users();
        let levels = async move {
            // The end of a document is broadcast as a change and ends every seat.
            let Some(levels) = store.find_access_levels(document, &users).await? else {
                return Ok(vec![]);
            };
            let level = |user| (user, levels.get(&user).copied());
            Ok::<Vec<(UserId, Option<AccessLevel>)>, StoreError>(
                users.into_iter().map(level).collect(),
            )
        };
        self.spawn(ctx, levels, move |room, levels, ctx| match levels {
            Ok(levels) => {
                room.remote.note_access(access_version);
                for (user, level) in levels {
                    // It was read at this version or later.
                    let access = AccessChange { level, access_version: None };
                    room.change_access(user, access, ctx);
                }
            }
            // The next comparison finds the same difference.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not load access levels");
            }
        });
    }
}
