//! What can be asked of Redis and written there, each script and command once.

use std::collections::HashMap;

use redis::Script;

use super::entry_key::Affair;
use crate::{
    domain::{DocumentId, NodeId, SessionId, UserId},
    redis::{Away, Commands, RedisKeys},
    wire::envelope::{Envelope, Incarnation, OLDEST_VERSION, PresenceEntry, Sequence},
};

/// For so long it is remembered how many came and went after the last one left, in milliseconds: whoever comes back within
/// it goes on counting.
const EMPTY_FOR: u64 = 60_000;

/// The fields of a presence that are no sessions.
const EPOCH: &[u8] = b"#epoch";
const NUMBER: &[u8] = b"#number";

/// The entries in Redis.
pub(super) struct Ledger {
    commands: Commands,
    keys: RedisKeys,
    node: NodeId,
    enter: Script,
    exit: Script,
    touch: Script,
    take_slot: Script,
    release_slot: Script,
    renew: Script,
    claim: Script,
}

/// A node as it stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeMember {
    pub(super) incarnation: Incarnation,
    /// The newest version of envelopes that it reads.
    pub(super) version: u8,
}

impl NodeMember {
    fn name(self) -> String {
        format!("{}:{}", self.incarnation, self.version)
    }

    fn named(name: &str) -> Option<Self> {
        let (incarnation, version) = name.split_once(':')?;
        Some(Self { incarnation: incarnation.parse().ok()?, version: version.parse().ok()? })
    }
}

/// The nodes of a cluster.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) alive: Vec<NodeMember>,
    /// Those whose entries have to be removed.
    pub(super) dead: Vec<NodeMember>,
}

/// The presence of a document as it stands in Redis.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) sequence: Sequence,
    pub(super) entries: Vec<PresenceEntry>,
}

impl Ledger {
    pub(super) fn new(commands: Commands, keys: RedisKeys, node: NodeId) -> Self {
        Self {
            commands,
            keys,
            node,
            enter: Script::new(include_str!("scripts/enter.lua")),
            exit: Script::new(include_str!("scripts/exit.lua")),
            touch: Script::new(include_str!("scripts/touch.lua")),
            take_slot: Script::new(include_str!("scripts/take_slot.lua")),
            release_slot: Script::new(include_str!("scripts/release_slot.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
        }
    }

    /// Enters a session in the presence of its document; one that is there already is written anew.
    pub(super) async fn enter(&self, entry: &PresenceEntry) -> Result<(), Away> {
        let presence = &entry.presence;
        let (document, session) = (presence.document, presence.session);
        // The index first: what stands in the presence must be found again if this node dies.
        self.index(entry.incarnation, Affair::Presence(document, session)).await?;
        let envelope =
            Envelope::Joined { presence: presence.clone(), sequence: Sequence::default() };
        self.commands
            .ask(async |mut connection| {
                let publish = connection.publish_command();
                self.enter
                    .key(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .arg(entry.encode())
                    .arg(&uuid::Uuid::new_v4().as_bytes()[..8])
                    .arg(publish)
                    .arg(self.keys.document(document))
                    .arg(envelope.encode(self.node, OLDEST_VERSION))
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Takes a session out of the presence of a document, if this incarnation entered it. Whether it did.
    pub(super) async fn exit(
        &self,
        document: DocumentId,
        session: SessionId,
        incarnation: Incarnation,
    ) -> Result<bool, Away> {
        let envelope = Envelope::Left { session, sequence: Sequence::default() };
        let was_there = self
            .commands
            .ask(async |mut connection| {
                let publish = connection.publish_command();
                self.exit
                    .key(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .arg(EMPTY_FOR)
                    .arg(publish)
                    .arg(self.keys.document(document))
                    .arg(envelope.encode(self.node, OLDEST_VERSION))
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        self.unindex(incarnation, Affair::Presence(document, session)).await?;
        Ok(was_there)
    }

    /// Writes entries anew, those of them that are there.
    pub(super) async fn touch(&self, entries: &[PresenceEntry]) -> Result<(), Away> {
        let keys: Vec<_> =
            entries.iter().map(|entry| self.keys.presence(entry.presence.document)).collect();
        self.commands
            .ask(async |mut connection| {
                // Many at once, so that it is not known which of them found no script; it costs nothing to load it again.
                self.touch.load_async(&mut connection).await?;
                let commands = entries.iter().zip(&keys).map(|(entry, key)| {
                    let mut touch = redis::cmd("EVALSHA");
                    touch.arg(self.touch.get_hash()).arg(1).arg(key);
                    touch.arg(entry.presence.session.uuid().as_bytes()).arg(entry.encode());
                    (key.as_str(), touch)
                });
                connection.ask_all::<u64>(commands.collect()).await.map(drop)
            })
            .await
    }

    /// Takes a slot. Whether there was one.
    pub(super) async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        incarnation: Incarnation,
        limit: usize,
    ) -> Result<bool, Away> {
        self.index(incarnation, Affair::Slot(user, session)).await?;
        self.commands
            .ask(async |mut connection| {
                self.take_slot
                    .key(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .arg(limit)
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Gives a slot back, if this incarnation took it. Whether it did.
    pub(super) async fn release_slot(
        &self,
        user: UserId,
        session: SessionId,
        incarnation: Incarnation,
    ) -> Result<bool, Away> {
        let was_there = self
            .commands
            .ask(async |mut connection| {
                self.release_slot
                    .key(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        self.unindex(incarnation, Affair::Slot(user, session)).await?;
        Ok(was_there)
    }

    /// Whether a session holds one of a user's slots.
    pub(super) async fn has_slot(&self, user: UserId, session: SessionId) -> Result<bool, Away> {
        self.commands
            .ask(async |mut connection| {
                redis::cmd("HEXISTS")
                    .arg(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .query_async(&mut connection)
                    .await
            })
            .await
    }

    /// Renews a node's lease, or with `is_new` gives it one. False when the others count it as dead.
    pub(super) async fn renew(
        &self,
        member: NodeMember,
        lease: std::time::Duration,
        is_new: bool,
    ) -> Result<bool, Away> {
        let milliseconds = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        self.commands
            .ask(async |mut connection| {
                self.renew
                    .key(self.keys.nodes())
                    .arg(member.name())
                    .arg(milliseconds)
                    .arg(u8::from(is_new))
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Who is alive and who is dead. With `may_declare`, those whose lease ran out are dead from now on.
    pub(super) async fn claim(&self, may_declare: bool) -> Result<Nodes, Away> {
        let (alive, dead): (Vec<String>, Vec<String>) = self
            .commands
            .ask(async |mut connection| {
                self.claim
                    .key(self.keys.nodes())
                    .arg(u8::from(may_declare))
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        let members = |names: Vec<String>| {
            names.iter().filter_map(|name| NodeMember::named(name)).collect::<Vec<_>>()
        };
        Ok(Nodes { alive: members(alive), dead: members(dead) })
    }

    /// What a node may have entered.
    pub(super) async fn list_entered(&self, incarnation: Incarnation) -> Result<Vec<Affair>, Away> {
        let entered: Vec<Vec<u8>> = self
            .commands
            .ask(async |mut connection| {
                redis::cmd("SMEMBERS")
                    .arg(self.keys.entered(incarnation))
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(entered.iter().filter_map(|bytes| Affair::decode(bytes)).collect())
    }

    /// Nothing of this node is left.
    pub(super) async fn forget(&self, member: NodeMember) -> Result<(), Away> {
        self.commands
            .ask(async |mut connection| {
                redis::cmd("DEL")
                    .arg(self.keys.entered(member.incarnation))
                    .query_async::<()>(&mut connection)
                    .await?;
                redis::cmd("ZREM")
                    .arg(self.keys.nodes())
                    .arg(member.name())
                    .query_async(&mut connection)
                    .await
            })
            .await
    }

    /// Everybody who has a document open. What is no entry of a version that this program reads is left out.
    pub(super) async fn read(&self, document: DocumentId) -> Result<Page, Away> {
        let mut fields: HashMap<Vec<u8>, Vec<u8>> = self
            .commands
            .ask(async |mut connection| {
                redis::cmd("HGETALL")
                    .arg(self.keys.presence(document))
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        let sequence = sequence(fields.remove(EPOCH), fields.remove(NUMBER)).unwrap_or_default();
        let mut entries: Vec<_> = fields
            .values()
            .filter_map(|bytes| PresenceEntry::decode(bytes, document).ok())
            .collect();
        entries.sort_by_key(|entry| (entry.presence.joined_at, entry.presence.session));
        Ok(Page { sequence, entries })
    }

    /// One session's entry in a document.
    pub(super) async fn find(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<PresenceEntry>, Away> {
        let bytes: Option<Vec<u8>> = self
            .commands
            .ask(async |mut connection| {
                redis::cmd("HGET")
                    .arg(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(bytes.and_then(|bytes| PresenceEntry::decode(&bytes, document).ok()))
    }

    /// The last arrival or departure in a document; none if there has been none lately.
    pub(super) async fn find_sequence(
        &self,
        document: DocumentId,
    ) -> Result<Option<Sequence>, Away> {
        let (epoch, number): (Option<Vec<u8>>, Option<Vec<u8>>) = self
            .commands
            .ask(async |mut connection| {
                redis::cmd("HMGET")
                    .arg(self.keys.presence(document))
                    .arg(EPOCH)
                    .arg(NUMBER)
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(sequence(epoch, number))
    }

    async fn index(&self, incarnation: Incarnation, affair: Affair) -> Result<(), Away> {
        self.change_index("SADD", incarnation, affair).await
    }

    async fn unindex(&self, incarnation: Incarnation, affair: Affair) -> Result<(), Away> {
        self.change_index("SREM", incarnation, affair).await
    }

    async fn change_index(
        &self,
        how: &str,
        incarnation: Incarnation,
        affair: Affair,
    ) -> Result<(), Away> {
        self.commands
            .ask(async |mut connection| {
                redis::cmd(how)
                    .arg(self.keys.entered(incarnation))
                    .arg(affair.encode())
                    .query_async(&mut connection)
                    .await
            })
            .await
    }
}

/// The epoch is 8 bytes, the number is written in digits, as Redis counts.
fn sequence(epoch: Option<Vec<u8>>, number: Option<Vec<u8>>) -> Option<Sequence> {
    let epoch = u64::from_be_bytes(epoch?.try_into().ok()?);
    let number = std::str::from_utf8(&number?).ok()?.parse().ok()?;
    Some(Sequence { epoch, number })
}
