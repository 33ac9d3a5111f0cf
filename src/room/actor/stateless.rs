//! What pages say to each other over Hocuspocus about a document. Nothing of it is stored.

use std::sync::Arc;

use super::{Room, mailbox::Take, yjs_messages::SendStateless};
use crate::{
    domain::{SessionId, Topic},
    wire::envelope::Envelope,
};

impl Room {
    /// Sends a message to everyone on this node who has the document open over Hocuspocus, except for its author.
    pub(super) fn broadcast_stateless(&self, from: SessionId, payload: &str) {
        let deliveries = self.editors.send_stateless(from, payload);
        self.metrics().delivered(Topic::Document, deliveries);
    }
}

impl Take<SendStateless> for Room {
    fn take(&mut self, SendStateless { seat, payload }: SendStateless, _ctx: &mut Self::Context) {
        let Some(session) = self.editors.seat(seat).map(|seat| seat.session()) else { return };
        self.broadcast_stateless(session, &payload);
        let envelope = Envelope::Stateless { session, payload: Arc::clone(&payload) };
        self.parts().bridge.publish(self.document, envelope);
        self.metrics().published();
    }
}
