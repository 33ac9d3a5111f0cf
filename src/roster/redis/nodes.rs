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

/// A node as the set in Redis lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeRecord {
    pub(super) member: NodeMember,
    /// The end of the lease by Redis's clock, in milliseconds, or a negative number for a dead node. It changes with
    /// every renewal, and with every round of the sweep of a dead node.
    pub(super) score: i64,
}

impl NodeRecord {
    /// Returns whether no node has counted this one as dead yet.
    pub(super) fn is_alive(&self) -> bool {
        self.score >= 0
    }
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

    /// Returns all nodes: the live ones, and the dead ones whose entries have not been removed yet.
    pub(super) async fn list(&self) -> Result<Vec<NodeRecord>, CommandError> {
        let listed: Vec<(String, i64)> = self
            .commands
            .run(async |mut connection| {
                redis::cmd("ZRANGE")
                    .arg(self.keys.nodes())
                    .arg(&["0", "-1", "WITHSCORES"])
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        let records = listed.iter().filter_map(|(member, score)| {
            Some(NodeRecord { member: NodeMember::decode(member)?, score: *score })
        });
        Ok(records.collect())
    }

    /// Claims the sweep of a node, which is dead from then on. Claiming it again states that the sweep goes on. Returns
    /// the new record, or `None` if the node has changed since `record` was read.
    pub(super) async fn claim(
        &self,
        record: NodeRecord,
    ) -> Result<Option<NodeRecord>, CommandError> {
        let score: Option<i64> = self
            .commands
            .run(async |mut connection| {
                self.claim
                    .key(self.keys.nodes())
                    .arg(record.member.encode())
                    .arg(record.score)
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        Ok(score.map(|score| NodeRecord { score, ..record }))
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
