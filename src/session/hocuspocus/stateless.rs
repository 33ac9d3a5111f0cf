//! Messages that the page of a document sends to the others who have it open.
//!
//! What a page sends before its document has a seat waits for it.

use std::mem;

use super::{
    protocol::{Effects, HocuspocusProtocol},
    replies::notice,
};
use crate::{
    session::SessionLink,
    wire::hocuspocus::{SERVER_PAYLOAD, SocketName},
};

impl HocuspocusProtocol {
    /// Receives a stateless message, and tells its page if it is not sent.
    pub(super) fn receive_stateless(
        &mut self,
        name: &SocketName,
        payload: String,
        link: &SessionLink,
    ) -> Effects {
        let refused = self.pass_on(name, payload, link).err();
        refused.map(|why| notice(name, why)).into_iter().collect()
    }

    /// Sends what has waited for the seat of a document.
    pub(super) fn send_early(&mut self, name: &SocketName, link: &SessionLink) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        let early = mem::take(&mut open.early);
        early.into_iter().flat_map(|payload| self.receive_stateless(name, payload, link)).collect()
    }

    /// Sends a message to the others who have the document open, or keeps it until the document has its seat.
    ///
    /// # Errors
    /// Why it is not sent.
    fn pass_on(
        &mut self,
        name: &SocketName,
        payload: String,
        link: &SessionLink,
    ) -> Result<(), &'static str> {
        let limit = self.parts.limits.awareness;
        let Some(open) = self.documents.get_mut(name) else { return Ok(()) };
        if payload.len() > limit {
            return Err("The stateless message was not sent: it is too long. Send a shorter one.");
        }
        if payload.starts_with(SERVER_PAYLOAD) {
            return Err(
                "The stateless message was not sent: only the server sends messages that begin with `coscribe:`.",
            );
        }
        let Some(subscription) = &open.subscription else {
            open.early.push(payload);
            return Ok(());
        };
        if link.take_cursor().is_err() {
            return Err(
                "The stateless message was not sent: you send too many. Wait for a second.",
            );
        }
        subscription.editor().send_stateless(payload.into());
        Ok(())
    }
}
