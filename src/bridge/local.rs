//! The relay of a cluster of one: there is nobody to tell.

use super::{Bridge, Envelope};
use crate::domain::DocumentId;

/// A bridge without another side. Rooms tell their own members themselves, so nothing is left to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalBridge;

impl Bridge for LocalBridge {
    fn publish(&self, _envelope: Envelope) {}

    fn attach(&self, _document: DocumentId) {}

    fn detach(&self, _document: DocumentId) {}
}
