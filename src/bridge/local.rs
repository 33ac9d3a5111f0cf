//! The bridge of a cluster of one node.

use async_trait::async_trait;

use super::{Bridge, Health};
use crate::{
    domain::{AccessChange, DocumentId, UserId},
    wire::envelope::{Envelope, SessionCall},
};

/// A bridge without other nodes. It discards all envelopes, because rooms broadcast to their own
/// members themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalBridge;

#[async_trait]
impl Bridge for LocalBridge {
    fn publish(&self, _document: DocumentId, _envelope: Envelope) {}

    async fn publish_access_change(
        &self,
        _document: DocumentId,
        _user: UserId,
        _access: AccessChange,
    ) {
    }

    async fn attach(&self, _document: DocumentId) {}

    fn detach(&self, _document: DocumentId) {}

    fn call_sessions(&self, _call: SessionCall) -> bool {
        false
    }

    fn health(&self) -> Health {
        Health::Healthy
    }
}
