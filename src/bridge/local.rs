//! The relay of a cluster of one: there is nobody to tell.

use async_trait::async_trait;

use super::{Bridge, Health};
use crate::{
    domain::{AccessLevel, DocumentId, UserId},
    wire::envelope::Envelope,
};

/// A bridge without another side. Rooms tell their own members themselves, so nothing is left to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalBridge;

#[async_trait]
impl Bridge for LocalBridge {
    fn publish(&self, _document: DocumentId, _envelope: Envelope) {}

    async fn change_access(
        &self,
        _document: DocumentId,
        _user: UserId,
        _level: Option<AccessLevel>,
    ) {
    }

    async fn attach(&self, _document: DocumentId) {}

    fn detach(&self, _document: DocumentId) {}

    fn health(&self) -> Health {
        Health::Well
    }
}
