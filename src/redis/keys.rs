//! What keys and channels are called.
//!
//! What belongs to one document has its id in braces: a hash tag (Redis Cluster specification, "Hash tags"), so that a
//! script may touch the presence and publish on the channel of the document.

use uuid::Uuid;

use crate::domain::{DocumentId, NodeId, UserId};

/// The names of keys and channels, all with the same beginning.
#[derive(Debug, Clone)]
pub struct RedisKeys {
    prefix: String,
}

impl RedisKeys {
    /// Names that begin with `prefix`, which has no braces.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The channel on which nodes tell what happens in a document.
    #[must_use]
    pub fn document(&self, document: DocumentId) -> String {
        format!("{}:doc:{{{document}}}", self.prefix)
    }

    /// The document whose channel this is, if it is one.
    #[must_use]
    pub fn document_of(&self, channel: &str) -> Option<DocumentId> {
        let id = channel.strip_prefix(&self.prefix)?.strip_prefix(":doc:{")?.strip_suffix('}')?;
        id.parse().ok()
    }

    /// The channels on which a node is spoken to: it tells itself there that it hears. Each `place` is another one, so
    /// that in a cluster there is one for each primary.
    #[must_use]
    pub fn node(&self, node: NodeId, place: u32) -> String {
        format!("{}:node:{{{node}:{place}}}", self.prefix)
    }

    /// The hash of the sessions that have a document open.
    #[must_use]
    pub fn presence(&self, document: DocumentId) -> String {
        format!("{}:presence:{{{document}}}", self.prefix)
    }

    /// The hash of a user's connection slots.
    #[must_use]
    pub fn slots(&self, user: UserId) -> String {
        format!("{}:slots:{{{user}}}", self.prefix)
    }

    /// The sorted set of the nodes, by the end of their lease.
    #[must_use]
    pub fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// The set of what a node entered during one incarnation.
    #[must_use]
    pub fn entered(&self, incarnation: Uuid) -> String {
        format!("{}:entered:{{{incarnation}}}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_of_a_document_leads_back_to_it_and_no_other_does() {
        let (keys, document) = (RedisKeys::new("co"), DocumentId::new());
        assert_eq!(keys.document_of(&keys.document(document)), Some(document));
        for other in [keys.presence(document), keys.nodes(), RedisKeys::new("c").document(document)]
        {
            assert_eq!(keys.document_of(&other), None);
        }
    }
}
