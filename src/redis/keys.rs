//! The names of all keys and channels.
//!
//! An id in a name is in braces. Redis Cluster hashes only this part ("Hash tags" in its specification),
//! so the presence and the channel of a document are on one server, and one script may use both.

use uuid::Uuid;

use crate::domain::{DocumentId, NodeId, UserId};

/// Builds the names of keys and channels, which share a prefix.
#[derive(Debug, Clone)]
pub struct RedisKeys {
    prefix: String,
}

impl RedisKeys {
    /// Creates names that begin with `prefix`, which must not contain braces.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Returns the channel for the envelopes of a document.
    #[must_use]
    pub fn document(&self, document: DocumentId) -> String {
        format!("{}:doc:{{{document}}}", self.prefix)
    }

    /// Returns the document of a channel, or `None` if it is not the channel of a document.
    #[must_use]
    pub fn document_of(&self, channel: &str) -> Option<DocumentId> {
        let id = channel.strip_prefix(&self.prefix)?.strip_prefix(":doc:{")?.strip_suffix('}')?;
        id.parse().ok()
    }

    /// Returns a channel for signals to one node: its own canaries, and on index 0 the acknowledgements of
    /// other nodes. A cluster needs several indices to have one canary channel on each primary.
    #[must_use]
    pub fn node(&self, node: NodeId, index: u32) -> String {
        format!("{}:node:{{{node}:{index}}}", self.prefix)
    }

    /// Returns the channel for requests to the sessions of all nodes.
    #[must_use]
    pub fn sessions(&self) -> String {
        format!("{}:sessions", self.prefix)
    }

    /// Returns the hash of the sessions that have a document open.
    #[must_use]
    pub fn presence(&self, document: DocumentId) -> String {
        format!("{}:presence:{{{document}}}", self.prefix)
    }

    /// Returns the hash of a user's connection slots.
    #[must_use]
    pub fn slots(&self, user: UserId) -> String {
        format!("{}:slots:{{{user}}}", self.prefix)
    }

    /// Returns the sorted set of all nodes, by the end of their lease.
    #[must_use]
    pub fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// Returns the set of the entries that a node wrote during one incarnation.
    #[must_use]
    pub fn entered(&self, incarnation: Uuid) -> String {
        format!("{}:entered:{{{incarnation}}}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_document_channel_yields_its_document() {
        let (keys, document) = (RedisKeys::new("co"), DocumentId::new());
        assert_eq!(keys.document_of(&keys.document(document)), Some(document));
        let foreign = RedisKeys::new("c").document(document);
        for other in [keys.presence(document), keys.nodes(), keys.sessions(), foreign] {
            assert_eq!(keys.document_of(&other), None);
        }
    }
}
