//! The commands on the entries of sessions: presence, connection slots, and the index of each incarnation.
//!
//! Invariant: an incarnation's index contains every entry that it wrote and that is not known to be
//! removed. So `enter` and `take_slot` write the index first. The writer calls `unindex` when it has
//! confirmed a removal.

use std::{collections::HashMap, sync::Arc};

use redis::Script;

use super::entry_key::EntryKey;
use crate::{
    domain::{DocumentId, NodeId, SessionId, UserId},
    redis::{CommandError, Commands, RedisKeys, RelaySigner},
    wire::envelope::{
        Envelope, Incarnation, OLDEST_VERSION, PresenceEntry, Sequence, SerialSeries,
    },
};

/// How long the numbers of an empty presence are kept, in milliseconds. A session that arrives within
/// this time continues the same epoch.
const KEEP_EMPTY_FOR: u64 = 60_000;

/// The fields of a presence hash that are not sessions.
const EPOCH: &[u8] = b"#epoch";
const NUMBER: &[u8] = b"#number";

/// The entries of all sessions in Redis.
pub(super) struct RosterCommands {
    commands: Commands,
    keys: RedisKeys,
    node: NodeId,
    signer: Arc<RelaySigner>,
    enter: Script,
    exit: Script,
    touch: Script,
    take_slot: Script,
    release_slot: Script,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteKind {
    /// The entry may have changed.
    Change,
    /// The same state was written before. If Redis has another one, it has lost data.
    Confirmation,
}

/// The result of taking a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotReply {
    /// The session holds a slot.
    Taken,
    /// All slots are taken, by these sessions of these incarnations.
    Full(Vec<(SessionId, Incarnation)>),
}

/// A taken slot as Redis stores it: session and incarnation.
type StoredSlot = (Vec<u8>, Vec<u8>);

/// The presence of a document in Redis.
#[derive(Debug, Default)]
pub(super) struct StoredPresence {
    pub(super) sequence: Sequence,
    /// In order of arrival.
    pub(super) entries: Vec<PresenceEntry>,
}

impl RosterCommands {
    pub(super) fn new(
        commands: Commands,
        keys: RedisKeys,
        node: NodeId,
        signer: Arc<RelaySigner>,
    ) -> Self {
        Self {
            commands,
            keys,
            node,
            signer,
            enter: Script::new(include_str!("scripts/enter.lua")),
            exit: Script::new(include_str!("scripts/exit.lua")),
            touch: Script::new(include_str!("scripts/touch.lua")),
            take_slot: Script::new(include_str!("scripts/take_slot.lua")),
            release_slot: Script::new(include_str!("scripts/release_slot.lua")),
        }
    }

    /// Writes a session's entry into the presence of its document. If it is new, the script numbers and
    /// publishes the arrival.
    pub(super) async fn enter(
        &self,
        entry: &PresenceEntry,
        kind: WriteKind,
    ) -> Result<(), CommandError> {
        let presence = &entry.presence;
        let (document, session) = (presence.document, presence.session);
        self.index(entry.incarnation, EntryKey::Presence(document, session)).await?;
        let envelope =
            Envelope::Joined { presence: presence.clone(), sequence: Sequence::default() };
        let (channel, published) = self.sign(document, &envelope);
        self.commands
            .run(async |mut connection| {
                let publish = connection.publish_command();
                self.enter
                    .key(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .arg(entry.encode())
                    .arg(&new_epoch()[..])
                    .arg(publish)
                    .arg(&channel)
                    .arg(&published)
                    .arg(u8::from(kind == WriteKind::Confirmation))
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Removes a session's entry from the presence of a document, if this incarnation wrote it. The script
    /// numbers and publishes the departure. Returns whether an entry was removed.
    pub(super) async fn exit(
        &self,
        document: DocumentId,
        session: SessionId,
        incarnation: Incarnation,
        kind: WriteKind,
    ) -> Result<bool, CommandError> {
        let envelope = Envelope::Left { session, sequence: Sequence::default() };
        let (channel, published) = self.sign(document, &envelope);
        self.commands
            .run(async |mut connection| {
                let publish = connection.publish_command();
                self.exit
                    .key(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .arg(KEEP_EMPTY_FOR)
                    .arg(publish)
                    .arg(&channel)
                    .arg(&published)
                    .arg(&new_epoch()[..])
                    .arg(u8::from(kind == WriteKind::Confirmation))
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Signs an arrival or departure. Returns the channel and the bytes that a script publishes with the sequence appended.
    fn sign(&self, document: DocumentId, envelope: &Envelope) -> (String, Vec<u8>) {
        let channel = self.keys.document(document);
        let envelope = envelope.encode(self.node, OLDEST_VERSION);
        let signed = self.signer.sign(SerialSeries::Roster, &channel, &envelope);
        (channel, signed)
    }

    /// Replaces those entries that exist and belong to the same incarnation.
    pub(super) async fn touch(&self, entries: &[PresenceEntry]) -> Result<(), CommandError> {
        let keys: Vec<_> =
            entries.iter().map(|entry| self.keys.presence(entry.presence.document)).collect();
        self.commands
            .run(async |mut connection| {
                // Unlike `Script::invoke_async`, a pipeline does not load a missing script.
                self.touch.load_async(&mut connection).await?;
                let commands = entries.iter().zip(&keys).map(|(entry, key)| {
                    let mut touch = redis::cmd("EVALSHA");
                    touch.arg(self.touch.get_hash()).arg(1).arg(key);
                    touch.arg(entry.presence.session.uuid().as_bytes()).arg(entry.encode());
                    (key.as_str(), touch)
                });
                connection.run_all::<u64>(commands.collect()).await.map(drop)
            })
            .await
    }

    /// Takes a slot, if one is free.
    pub(super) async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        incarnation: Incarnation,
        limit: usize,
    ) -> Result<SlotReply, CommandError> {
        self.index(incarnation, EntryKey::Slot(user, session)).await?;
        let (is_taken, holders): (bool, Vec<StoredSlot>) = self
            .commands
            .run(async |mut connection| {
                self.take_slot
                    .key(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .arg(limit)
                    .invoke_async(&mut connection)
                    .await
            })
            .await?;
        if is_taken {
            return Ok(SlotReply::Taken);
        }
        let holders = holders.iter().filter_map(|(session, incarnation)| {
            Some((decode_uuid(session)?.into(), decode_uuid(incarnation)?))
        });
        Ok(SlotReply::Full(holders.collect()))
    }

    /// Releases a slot, if this incarnation took it. Returns whether it did.
    pub(super) async fn release_slot(
        &self,
        user: UserId,
        session: SessionId,
        incarnation: Incarnation,
    ) -> Result<bool, CommandError> {
        self.commands
            .run(async |mut connection| {
                self.release_slot
                    .key(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .arg(incarnation.as_bytes())
                    .invoke_async(&mut connection)
                    .await
            })
            .await
    }

    /// Returns the incarnation that took a slot of a user for a session.
    pub(super) async fn find_slot(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Incarnation>, CommandError> {
        let incarnation: Option<Vec<u8>> = self
            .commands
            .run(async |mut connection| {
                redis::cmd("HGET")
                    .arg(self.keys.slots(user))
                    .arg(session.uuid().as_bytes())
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(incarnation.and_then(|bytes| decode_uuid(&bytes)))
    }

    /// Returns the keys of all entries that an incarnation may have written.
    pub(super) async fn list_entries(
        &self,
        incarnation: Incarnation,
    ) -> Result<Vec<EntryKey>, CommandError> {
        let keys: Vec<Vec<u8>> = self
            .commands
            .run(async |mut connection| {
                redis::cmd("SMEMBERS")
                    .arg(self.keys.entered(incarnation))
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(keys.iter().filter_map(|bytes| EntryKey::decode(bytes)).collect())
    }

    /// Returns the presence of a document, without entries of unknown versions.
    pub(super) async fn load_presence(
        &self,
        document: DocumentId,
    ) -> Result<StoredPresence, CommandError> {
        let mut fields: HashMap<Vec<u8>, Vec<u8>> = self
            .commands
            .run(async |mut connection| {
                redis::cmd("HGETALL")
                    .arg(self.keys.presence(document))
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        let sequence =
            decode_sequence(fields.remove(EPOCH), fields.remove(NUMBER)).unwrap_or_default();
        let mut entries: Vec<_> = fields
            .values()
            .filter_map(|bytes| PresenceEntry::decode(bytes, document).ok())
            .collect();
        entries.sort_by_key(|entry| (entry.presence.joined_at, entry.presence.session));
        Ok(StoredPresence { sequence, entries })
    }

    /// Returns one session's entry in the presence of a document.
    pub(super) async fn find_entry(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<PresenceEntry>, CommandError> {
        let bytes: Option<Vec<u8>> = self
            .commands
            .run(async |mut connection| {
                redis::cmd("HGET")
                    .arg(self.keys.presence(document))
                    .arg(session.uuid().as_bytes())
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(bytes.and_then(|bytes| PresenceEntry::decode(&bytes, document).ok()))
    }

    /// Returns the last arrival or departure of a document, or `None` if there has been none lately.
    pub(super) async fn find_sequence(
        &self,
        document: DocumentId,
    ) -> Result<Option<Sequence>, CommandError> {
        let (epoch, number): (Option<Vec<u8>>, Option<Vec<u8>>) = self
            .commands
            .run(async |mut connection| {
                redis::cmd("HMGET")
                    .arg(self.keys.presence(document))
                    .arg(EPOCH)
                    .arg(NUMBER)
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        Ok(decode_sequence(epoch, number))
    }

    async fn index(&self, incarnation: Incarnation, key: EntryKey) -> Result<(), CommandError> {
        self.change_index("SADD", incarnation, key).await
    }

    /// Removes the key of an entry from the index of an incarnation.
    pub(super) async fn unindex(
        &self,
        incarnation: Incarnation,
        key: EntryKey,
    ) -> Result<(), CommandError> {
        self.change_index("SREM", incarnation, key).await
    }

    async fn change_index(
        &self,
        command: &str,
        incarnation: Incarnation,
        key: EntryKey,
    ) -> Result<(), CommandError> {
        self.commands
            .run(async |mut connection| {
                redis::cmd(command)
                    .arg(self.keys.entered(incarnation))
                    .arg(key.encode())
                    .query_async(&mut connection)
                    .await
            })
            .await
    }
}

/// Returns a random epoch.
fn new_epoch() -> [u8; 8] {
    let mut epoch = [0; 8];
    epoch.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..8]);
    epoch
}

fn decode_uuid(bytes: &[u8]) -> Option<uuid::Uuid> {
    uuid::Uuid::from_slice(bytes).ok()
}

/// Decodes a sequence: an epoch of 8 bytes, and a number in decimal digits, as Redis counts.
fn decode_sequence(epoch: Option<Vec<u8>>, number: Option<Vec<u8>>) -> Option<Sequence> {
    let epoch = u64::from_be_bytes(epoch?.try_into().ok()?);
    let number = std::str::from_utf8(&number?).ok()?.parse().ok()?;
    Some(Sequence { epoch, number })
}
