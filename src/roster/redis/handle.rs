//! The handle through which rooms and sessions use the shared roster.
//!
//! Changes take effect in the [`LocalRoster`](crate::roster::LocalRoster) at once, and are left to the
//! keeper to write. Reads combine the sessions of this node with those that Redis holds for other nodes.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};

use super::{
    Keeper,
    entry_key::EntryKey,
    orphans,
    shared::{MAX_CONCURRENT, RosterShared},
};
use crate::{
    domain::{Cursor, DocumentId, NodeId, Presence, SessionId, UserId},
    metrics::Metrics,
    redis::{CommandError, RedisKeys, RelaySigner, Server},
    roster::{Roster, RosterOptions, RosterSnapshot, RosterUnavailable, SlotError},
    wire::envelope::{PresenceEntry, Sequence},
};

/// The roster that nodes share.
pub struct RedisRoster {
    shared: Arc<RosterShared>,
}

impl RedisRoster {
    /// Creates the roster of a node, and the keeper that must run for it.
    #[must_use]
    pub fn new(
        server: Server,
        keys: RedisKeys,
        node: NodeId,
        signer: Arc<RelaySigner>,
        options: RosterOptions,
        metrics: Metrics,
    ) -> (Self, Keeper) {
        let shared = RosterShared::new(server, keys, node, signer, options, metrics);
        let keeper = Keeper::new(Arc::clone(&shared), options);
        (Self { shared }, keeper)
    }

    /// Has the keeper write all unwritten entries, remove this node, and stop.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.stop.notify_one();
    }

    /// Returns the presence of a document on other nodes. This node knows its own sessions better than
    /// Redis.
    async fn load_snapshot(&self, document: DocumentId) -> Result<RosterSnapshot, CommandError> {
        self.shared.ensure_responding()?;
        let stored = self.shared.commands.load_presence(document).await?;
        let own = self.shared.incarnations();
        let mut elsewhere = Vec::with_capacity(stored.entries.len());
        for PresenceEntry { incarnation, presence } in stored.entries {
            let key = EntryKey::Presence(document, presence.session);
            if self.shared.local.find_entry(document, presence.session).is_some() {
                continue;
            }
            if own.contains(&incarnation) {
                // The session left this node a moment ago, or the removal of its entry was lost.
                self.shared.mark_changed(key);
            } else if self.shared.is_gone(incarnation) {
                self.shared.mark_orphaned(key, incarnation);
            } else {
                elsewhere.push(presence);
            }
        }
        Ok(RosterSnapshot { sequence: stored.sequence, elsewhere })
    }
}

#[async_trait]
impl Roster for RedisRoster {
    async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError> {
        let shared = &self.shared;
        shared.slot_limit.store(limit, Ordering::Relaxed);
        shared.local.try_take_slot(user, session, limit)?;
        let incarnation = shared.member.read().incarnation;
        let taken = if shared.is_writable() {
            orphans::take_slot(shared, user, session, incarnation, limit).await
        } else {
            Err(CommandError::BackingOff)
        };
        match taken {
            Ok(true) => {
                shared.mark_written(EntryKey::Slot(user, session), true);
                // Meanwhile the node may have been declared dead, and the slot been removed.
                if shared.member.read().incarnation != incarnation {
                    shared.mark_changed(EntryKey::Slot(user, session));
                }
                Ok(())
            }
            Ok(false) => {
                shared.local.try_release_slot(user, session);
                // `take_slot` has written the index, which the keeper must clean up.
                shared.mark_changed(EntryKey::Slot(user, session));
                Err(SlotError::LimitReached { limit })
            }
            Err(error) => {
                shared.log_failure(&error);
                shared.mark_changed(EntryKey::Slot(user, session));
                Ok(())
            }
        }
    }

    fn release_slot(&self, user: UserId, session: SessionId) {
        if self.shared.local.try_release_slot(user, session) {
            self.shared.mark_changed(EntryKey::Slot(user, session));
        }
    }

    async fn find_session_owner(
        &self,
        session: SessionId,
        user: UserId,
    ) -> Result<Option<UserId>, RosterUnavailable> {
        if let Some(owner) = self.shared.local.find_owner(session) {
            return Ok(Some(owner));
        }
        let slot = async {
            self.shared.ensure_responding()?;
            self.shared.commands.find_slot(user, session).await
        };
        match slot.await {
            // Of its own sessions the node knows more than Redis, which it writes to afterwards.
            Ok(Some(own)) if self.shared.incarnations().contains(&own) => {
                Ok(self.shared.local.find_owner(session))
            }
            Ok(slot) => {
                Ok(slot.filter(|incarnation| !self.shared.is_gone(*incarnation)).map(|_| user))
            }
            Err(error) => {
                self.shared.log_failure(&error);
                Err(RosterUnavailable)
            }
        }
    }

    fn enter(&self, presence: Presence) {
        let key = EntryKey::Presence(presence.document, presence.session);
        self.shared.local.enter(presence);
        self.shared.mark_changed(key);
    }

    fn exit(&self, document: DocumentId, session: SessionId) {
        self.shared.local.exit(document, session);
        self.shared.mark_changed(EntryKey::Presence(document, session));
    }

    fn touch(
        &self,
        document: DocumentId,
        session: SessionId,
        cursor: Option<Cursor>,
        at: DateTime<Utc>,
    ) {
        self.shared.local.touch(document, session, cursor, at);
        // Written at the keeper's next tick, within a second. It is not woken for a cursor.
        self.shared.unwritten.lock().mark_moved(EntryKey::Presence(document, session));
    }

    async fn list(&self, document: DocumentId) -> Vec<Presence> {
        let elsewhere = match self.load_snapshot(document).await {
            Ok(snapshot) => snapshot.elsewhere,
            Err(error) => {
                self.shared.log_failure(&error);
                vec![]
            }
        };
        let mut presence = self.shared.local.list_in(document);
        presence.extend(elsewhere);
        presence.sort_by_key(|entry| (entry.joined_at, entry.session));
        presence
    }

    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterUnavailable> {
        if let Some(presence) = self.shared.local.find_entry(document, session) {
            return Ok(Some(presence));
        }
        let entry = async {
            self.shared.ensure_responding()?;
            self.shared.commands.find_entry(document, session).await
        };
        match entry.await {
            Ok(Some(own)) if self.shared.incarnations().contains(&own.incarnation) => {
                Ok(self.shared.local.find_entry(document, session))
            }
            Ok(entry) => {
                let entry = entry.filter(|entry| !self.shared.is_gone(entry.incarnation));
                Ok(entry.map(|entry| entry.presence))
            }
            Err(error) => {
                self.shared.log_failure(&error);
                Err(RosterUnavailable)
            }
        }
    }

    async fn find_snapshot(&self, document: DocumentId) -> Option<RosterSnapshot> {
        match self.load_snapshot(document).await {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                self.shared.log_failure(&error);
                None
            }
        }
    }

    async fn find_sequences(
        &self,
        documents: &[DocumentId],
    ) -> Option<Vec<(DocumentId, Sequence)>> {
        self.shared.ensure_responding().ok()?;
        let requests = documents.iter().copied().map(|document| {
            let shared = Arc::clone(&self.shared);
            async move { (document, shared.commands.find_sequence(document).await) }
        });
        let replies: Vec<_> =
            stream::iter(requests).buffer_unordered(MAX_CONCURRENT).collect().await;
        let mut sequences = HashMap::with_capacity(replies.len());
        for (document, reply) in replies {
            match reply {
                Ok(Some(sequence)) => drop(sequences.insert(document, sequence)),
                Ok(None) => {}
                Err(error) => {
                    self.shared.log_failure(&error);
                    return None;
                }
            }
        }
        Some(sequences.into_iter().collect())
    }

    fn is_up(&self) -> bool {
        self.shared.is_writable()
    }
}
