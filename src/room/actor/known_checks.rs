//! Checks whether the document has everything that a reader has sent.
//!
//! A page that keeps an offline copy sends that copy when it opens. A check is made with the answers to editors, because it needs the
//! replica as well, and it counts for the pace of the user like an answer.

use bytes::Bytes;

use super::{Room, mailbox::Take, yjs_messages::CheckKnown};
use crate::{
    domain::Version,
    editing::Replica,
    outbox::SeatId,
    room::delivery::editors::{KnownCheck, KnownContent},
};

/// Cost model: a byte of an update that is compared with the document costs as much as sending this many bytes.
const CHECKED_BYTE_COST: usize = 8;

impl KnownCheck {
    /// The size of the updates, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.updates.iter().map(Bytes::len).sum()
    }

    /// Compares the updates with the replica of the document, whose head is `head`, and sends the answer.
    pub(super) fn answer(self, replica: &Replica, head: Version) {
        let known = replica
            .has_all_of(&self.updates)
            .then(|| KnownContent { head, state_vector: replica.state_vector().into() });
        // Nobody waits for it any longer if the session has ended.
        let _ended = self.reply.send(known);
    }
}

impl Room {
    /// Counts a check for the pace of its user. The state of the document has about `weight` bytes.
    pub(super) fn count_check(&self, seat: SeatId, check: &KnownCheck, weight: usize) {
        self.count_walk(seat, check.bytes().saturating_mul(CHECKED_BYTE_COST), weight);
    }
}

impl Take<CheckKnown> for Room {
    fn take(&mut self, CheckKnown { seat, check }: CheckKnown, ctx: &mut Self::Context) {
        self.editors.request(seat, |pending| pending.check = Some(check));
        self.sync_editors(ctx);
    }
}
