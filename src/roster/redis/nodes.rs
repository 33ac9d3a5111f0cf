//! The commands on the set of nodes: leases, dead nodes, and the end of a node.

use std::time::Duration;

use redis::Script;

use crate::{
    redis::{CommandError, Commands, RedisKeys},
    wire::envelope::Incarnation,
};

/// A node as the cluster knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeMember {
    pub(super) incarnation: Incarnation,
    /// The newest envelope version that the node reads.
    pub(super) version: u8,
}

impl NodeMember {
    /// Returns the member of the sorted set.
    fn encode(self) -> String {
        format!("{}:{}", self.incarnation, self.version)
    }

    fn decode(member: &str) -> Option<Self> {
        let (incarnation, version) = member.split_once(':')?;
        Some(Self { incarnation: incarnation.parse().ok()?, version: version.parse().ok()? })
    }
}

/// The nodes of a cluster.
#[derive(Debug, Default)]
pub(super) struct NodeList {
    pub(super) alive: Vec<NodeMember>,
    /// The dead nodes whose entries have not been removed yet.
    pub(super) dead: Vec<NodeMember>,
}

/// The set of nodes in Redis.
pub(super) struct NodeCommands {
    commands: Commands,
    keys: RedisKeys,
    renew: Script,
    claim: Script,
}

impl NodeCommands {
    pub(super) fn new(commands: Commands, keys: RedisKeys) -> Self {
        Self {
            commands,
            keys,
            renew: Script::new(include_str!("scripts/renew.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
        }
    }

    /// Renews a node's lease, or with `is_new` creates it. Returns false if the other nodes count the
    /// node as dead.
    pub(super) async fn renew(
        &self,
        node: NodeMember,
        lease: Duration,
        is_new: bool,
    ) -> Result<bool, CommandError> {
        let milliseconds = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        self.commands
            .run(async |mut connection| {
                self.renew
                    .key(self.keys.nodes())
                    .arg(node.encode())
                    .arg(milliseconds)
                    .arg(u8::from(is_new))
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Returns all nodes. With `may_declare_dead` it first declares nodes with an expired lease dead.
    pub(super) async fn claim(&self, may_declare_dead: bool) -> Result<NodeList, CommandError> {
        let (alive, dead): (Vec<String>, Vec<String>) = self
            .commands
            .run(async |mut connection| {
                self.claim
                    .key(self.keys.nodes())
                    .arg(u8::from(may_declare_dead))
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        let decode = |members: Vec<String>| {
            members.iter().filter_map(|member| NodeMember::decode(member)).collect::<Vec<_>>()
        };
        Ok(NodeList { alive: decode(alive), dead: decode(dead) })
    }

    /// Removes a node and its index, after all of its entries have been removed.
    pub(super) async fn remove(&self, node: NodeMember) -> Result<(), CommandError> {
        self.commands
            .run(async |mut connection| {
                redis::cmd("DEL")
                    .arg(self.keys.entered(node.incarnation))
                    .query_async::<()>(&mut connection)
                    .await?;
                redis::cmd("ZREM")
                    .arg(self.keys.nodes())
                    .arg(node.encode())
                    .query_async(&mut connection)
                    .await
            })
            .await
    }
}
