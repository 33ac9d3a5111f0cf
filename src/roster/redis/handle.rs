//! The roster as rooms and sessions hold it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::{
    Keeper,
    commands::{Ledger, NodeMember},
    entry_key::Affair,
    unwritten::Pending,
};
use crate::{
    domain::{Cursor, DocumentId, NodeId, Presence, SessionId, UserId},
    metrics::Metrics,
    redis::{Away, Commands, RedisKeys, Server},
    roster::{LocalRoster, Roster, RosterAway, RosterOptions, RosterSnapshot, SlotError},
    wire::envelope::{Incarnation, PresenceEntry, Sequence},
};

/// So many questions of one kind are under way at the same time.
pub(super) const MAX_BATCH: usize = 64;

/// The roster that nodes share.
pub struct RedisRoster {
    shared: Arc<RosterShared>,
}

/// What handle and keeper both look at.
pub(super) struct RosterShared {
    /// How things stand on this node.
    pub(super) local: LocalRoster,
    pub(super) ledger: Ledger,
    pub(super) pending: Mutex<Pending>,
    /// Something is pending.
    pub(super) wake: Notify,
    /// The keeper is to end.
    pub(super) stop: Notify,
    /// As what this node enters its sessions.
    pub(super) member: RwLock<NodeMember>,
    /// As what it did so lately: something of that may still be there.
    pub(super) former: RwLock<Vec<NodeMember>>,
    /// Whether Redis answered the keeper last time.
    pub(super) answers: AtomicBool,
    /// Whether this node may enter anything: it holds a lease, and Redis answered last time.
    pub(super) is_open: AtomicBool,
    /// How many slots a user has; the last that was asked for.
    pub(super) limit: std::sync::atomic::AtomicUsize,
    pub(super) metrics: Metrics,
}

impl RosterShared {
    fn changed(&self, affair: Affair) {
        self.pending.lock().changed(affair);
        self.wake.notify_one();
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Release);
        self.metrics.roster_is(is_open);
    }

    /// Nobody waits for a Redis that is known to be away.
    fn ensure_answers(&self) -> Result<(), Away> {
        if self.answers.load(Ordering::Acquire) { Ok(()) } else { Err(Away::Resting) }
    }

    /// As what this node wrote, lately or now.
    pub(super) fn incarnations(&self) -> Vec<Incarnation> {
        let mut incarnations: Vec<_> =
            self.former.read().iter().map(|former| former.incarnation).collect();
        incarnations.push(self.member.read().incarnation);
        incarnations
    }

    /// What was asked is not known; whoever asked goes on without.
    fn note_away(&self, error: &Away) {
        match error {
            Away::Resting | Away::Failed(_) => {
                tracing::debug!(
                    error = error as &dyn std::error::Error,
                    "the roster was not asked"
                );
            }
            Away::Refused(_) => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the roster is out of order"
                );
            }
        }
    }
}

impl RedisRoster {
    /// The roster of a node that reads envelopes up to `version`, and the keeper that has to be run for it.
    #[must_use]
    pub fn new(
        server: Server,
        keys: RedisKeys,
        node: NodeId,
        version: u8,
        options: RosterOptions,
        metrics: Metrics,
    ) -> (Self, Keeper) {
        let shared = Arc::new(RosterShared {
            local: LocalRoster::default(),
            ledger: Ledger::new(Commands::new(server), keys, node),
            pending: Mutex::default(),
            wake: Notify::new(),
            stop: Notify::new(),
            former: RwLock::default(),
            answers: AtomicBool::new(true),
            member: RwLock::new(NodeMember { incarnation: uuid::Uuid::new_v4(), version }),
            is_open: AtomicBool::new(false),
            limit: std::sync::atomic::AtomicUsize::new(usize::MAX),
            metrics,
        });
        let keeper = Keeper::new(Arc::clone(&shared), options);
        (Self { shared }, keeper)
    }

    /// Has the keeper write what is pending, give the lease back, and end.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }

    /// Who has the document open, as Redis has it, but those on this node as they are.
    async fn page(&self, document: DocumentId) -> Result<(Sequence, Vec<Presence>), Away> {
        self.shared.ensure_answers()?;
        let page = self.shared.ledger.read(document).await?;
        let own = self.shared.incarnations();
        let mut elsewhere = Vec::with_capacity(page.entries.len());
        for PresenceEntry { incarnation, presence } in page.entries {
            let is_here = self.shared.local.entry(document, presence.session).is_some();
            if !is_here && own.contains(&incarnation) {
                // It has gone: a moment ago, or its departure was lost on the way.
                self.shared.changed(Affair::Presence(document, presence.session));
            } else if !is_here {
                elsewhere.push(presence);
            }
        }
        Ok((page.sequence, elsewhere))
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
        shared.limit.store(limit, Ordering::Relaxed);
        shared.local.take(user, session, limit)?;
        let incarnation = shared.member.read().incarnation;
        let taken = if shared.is_open() {
            shared.ledger.take_slot(user, session, incarnation, limit).await
        } else {
            Err(Away::Resting)
        };
        match taken {
            Ok(true) => {
                // The node may have been declared dead meanwhile, and the slot been swept.
                if shared.member.read().incarnation != incarnation {
                    shared.changed(Affair::Slot(user, session));
                }
                Ok(())
            }
            Ok(false) => {
                shared.local.release(user, session);
                // The index was written first.
                shared.changed(Affair::Slot(user, session));
                Err(SlotError::LimitReached { limit })
            }
            Err(away) => {
                shared.note_away(&away);
                shared.changed(Affair::Slot(user, session));
                Ok(())
            }
        }
    }

    fn release_slot(&self, user: UserId, session: SessionId) {
        if self.shared.local.release(user, session) {
            self.shared.changed(Affair::Slot(user, session));
        }
    }

    async fn find_session(
        &self,
        session: SessionId,
        user: UserId,
    ) -> Result<Option<UserId>, RosterAway> {
        if let Some(owner) = self.shared.local.owner(session) {
            return Ok(Some(owner));
        }
        let asked = async {
            self.shared.ensure_answers()?;
            self.shared.ledger.has_slot(user, session).await
        };
        match asked.await {
            Ok(has_slot) => Ok(has_slot.then_some(user)),
            Err(away) => {
                self.shared.note_away(&away);
                Err(RosterAway)
            }
        }
    }

    fn enter(&self, presence: Presence) {
        let affair = Affair::Presence(presence.document, presence.session);
        self.shared.local.enter(presence);
        self.shared.changed(affair);
    }

    fn exit(&self, document: DocumentId, session: SessionId) {
        self.shared.local.exit(document, session);
        self.shared.changed(Affair::Presence(document, session));
    }

    fn touch(
        &self,
        document: DocumentId,
        session: SessionId,
        cursor: Option<Cursor>,
        at: DateTime<Utc>,
    ) {
        self.shared.local.touch(document, session, cursor, at);
        // Written with the next ones, within a second: nobody is woken for it.
        self.shared.pending.lock().moved(Affair::Presence(document, session));
    }

    async fn list(&self, document: DocumentId) -> Vec<Presence> {
        let elsewhere = match self.page(document).await {
            Ok((_, elsewhere)) => elsewhere,
            Err(away) => {
                self.shared.note_away(&away);
                vec![]
            }
        };
        let mut all = self.shared.local.present_in(document);
        all.extend(elsewhere);
        all.sort_by_key(|presence| (presence.joined_at, presence.session));
        all
    }

    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterAway> {
        if let Some(presence) = self.shared.local.entry(document, session) {
            return Ok(Some(presence));
        }
        let asked = async {
            self.shared.ensure_answers()?;
            self.shared.ledger.find(document, session).await
        };
        match asked.await {
            Ok(entry) => Ok(entry.map(|entry| entry.presence)),
            Err(away) => {
                self.shared.note_away(&away);
                Err(RosterAway)
            }
        }
    }

    async fn find_standing(&self, document: DocumentId) -> Option<RosterSnapshot> {
        match self.page(document).await {
            Ok((sequence, elsewhere)) => Some(RosterSnapshot { sequence, elsewhere }),
            Err(away) => {
                self.shared.note_away(&away);
                None
            }
        }
    }

    async fn find_sequences(
        &self,
        documents: &[DocumentId],
    ) -> Option<Vec<(DocumentId, Sequence)>> {
        self.shared.ensure_answers().ok()?;
        let questions = documents.iter().copied().map(|document| {
            let shared = Arc::clone(&self.shared);
            async move { (document, shared.ledger.find_sequence(document).await) }
        });
        let answers: Vec<_> = stream::iter(questions).buffer_unordered(MAX_BATCH).collect().await;
        let mut found = HashMap::with_capacity(answers.len());
        for (document, answer) in answers {
            match answer {
                Ok(Some(sequence)) => drop(found.insert(document, sequence)),
                Ok(None) => {}
                Err(away) => {
                    self.shared.note_away(&away);
                    return None;
                }
            }
        }
        Some(found.into_iter().collect())
    }

    fn is_up(&self) -> bool {
        self.shared.is_open()
    }
}
