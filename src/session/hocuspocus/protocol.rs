//! HocuspocusProvider, from the messages of a page to effects.
//!
//! Tokens are in [`authentication`](super::authentication), and how a document begins and ends is in [`lifetimes`](super::lifetimes).
//! What concerns a document that is not open is ignored, because the provider repeats it when it opens the document.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    documents::{SocketDocumentKey, SocketDocuments},
    port::OpenEditors,
    replies::{self, acknowledge, notice, reply, wait},
    tokens::SocketTokens,
};
use crate::{
    domain::DocumentId,
    memory::Reservation,
    room::{SeatEnd, Subscription},
    session::{
        Identified, IdentityError, SavedUpdates, SessionLink, SessionParts, StepOutcome,
        WaitingUpdates,
        error::seat_lost,
        protocol::{ProtocolEffect, SessionView},
        yjs::steps::Advanced,
    },
    wire::{
        CloseReason, Message,
        hocuspocus::{self, DocumentMessage, PageMessage, SocketName},
    },
};

/// The most messages that wait while a token is checked.
const MAX_BACKLOG: usize = 1_024;

/// How many updates of a document may wait before the socket does, as a multiple of those that a socket with one document keeps.
const KEPT_PER_DOCUMENT: usize = 8;

/// The state of a session of HocuspocusProvider.
pub(in crate::session) struct HocuspocusProtocol {
    pub(super) parts: Arc<SessionParts>,
    pub(super) editors: Arc<dyn OpenEditors>,
    /// Whether the page wants to know the version that has its updates.
    wants_versions: bool,
    pub(super) stage: Stage,
    pub(super) tokens: SocketTokens,
    pub(super) documents: SocketDocuments,
    /// The document whose key is being looked up.
    pub(super) looked_up: Option<SocketName>,
    /// The messages behind a token that is being checked, or a key that is being looked up.
    pub(super) backlog: VecDeque<Received>,
    /// Whether updates may arrive that the provider queued while it was not connected.
    pub(super) is_flushing: bool,
    pub(super) refusals: u32,
    /// The earliest time at which the session was asked to wake the protocol.
    wake_at: Option<Instant>,
}

/// How far the client is authenticated.
pub(super) enum Stage {
    /// No token has arrived.
    Unknown,
    /// The first token is being checked.
    Authenticating { name: SocketName, token: String },
    /// The client is admitted.
    Admitted(Arc<SessionLink>),
}

/// A message, and the memory of a large one.
pub(super) struct Received(pub(super) PageMessage, pub(super) Option<Reservation>);

/// The result of work of this protocol.
pub(in crate::session) enum HocuspocusCompletion {
    /// A token was checked.
    Token(Result<Identified, IdentityError>),
    /// A key was looked up.
    Found(Result<DocumentId, IdentityError>),
    /// A document was opened, or could not be.
    Opened(SocketDocumentKey, Result<Subscription, CloseReason>),
    /// The room has ended the seat of a document.
    SeatEnded(SocketDocumentKey, SeatEnd),
    /// A newer session of the same user uses the client id of a document's editor.
    ClientMoved,
    /// The seat of a document was given up, and no message of its room follows.
    SeatReleased,
    /// The last updates of a document that was closed are committed, or cannot be.
    RestEnded(SocketDocumentKey),
    /// A step of a document's conversation has ended.
    Step(SocketDocumentKey, StepOutcome),
}

pub(super) type Effects = Vec<ProtocolEffect>;

impl HocuspocusProtocol {
    /// Creates the state of a session that has just opened. With `wants_versions`, the page is told the version that has its
    /// updates.
    pub(in crate::session) fn new(
        parts: Arc<SessionParts>,
        editors: Arc<dyn OpenEditors>,
        wants_versions: bool,
    ) -> Self {
        Self {
            tokens: SocketTokens::new(Arc::clone(&parts)),
            parts,
            editors,
            wants_versions,
            stage: Stage::Unknown,
            documents: SocketDocuments::default(),
            looked_up: None,
            backlog: VecDeque::new(),
            is_flushing: false,
            refusals: 0,
            wake_at: None,
        }
    }

    pub(in crate::session) fn receive(
        &mut self,
        message: &Message,
        held: Option<Reservation>,
        view: &SessionView,
    ) -> Effects {
        let bad =
            |text: &'static str| vec![ProtocolEffect::Close(CloseReason::BadMessage(text.into()))];
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(_) => {
                return bad("Text messages are not supported; send binary messages");
            }
        };
        let message = match hocuspocus::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => return bad(malformed.0),
        };
        match &self.stage {
            Stage::Unknown => self.authenticate(message),
            Stage::Authenticating { .. } => self.wait_for_token(message, held),
            Stage::Admitted(_) if self.is_waiting() => self.wait_for_token(message, held),
            Stage::Admitted(link) => {
                let (link, about) = (Arc::clone(link), message.document().cloned());
                let mut effects = self.handle(message, held, &link, view);
                effects.extend(about.into_iter().flat_map(|name| self.advance(&name, view)));
                effects.push(self.pause_if_full(view));
                effects
            }
        }
    }

    /// Returns whether messages have to wait for the check of a token, or for the document that has a key.
    pub(super) fn is_waiting(&self) -> bool {
        self.tokens.is_checking() || self.looked_up.is_some()
    }

    /// Keeps a message until the token before it is checked.
    fn wait_for_token(&mut self, message: PageMessage, held: Option<Reservation>) -> Effects {
        if self.backlog.len() >= MAX_BACKLOG {
            let text = "Too many messages before the token was answered";
            return vec![ProtocolEffect::Close(CloseReason::BadMessage(text.into()))];
        }
        self.backlog.push_back(Received(message, held));
        Vec::new()
    }

    pub(super) fn handle(
        &mut self,
        message: PageMessage,
        held: Option<Reservation>,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let (name, message) = match message {
            PageMessage::Pong => {
                self.is_flushing = false;
                self.documents.end_flush();
                return Vec::new();
            }
            PageMessage::Document(name, message) => (name, message),
        };
        if let DocumentMessage::Token { token, .. } = message {
            return self.receive_token(&name, token, link, view);
        }
        let is_flushing = self.is_flushing;
        let Some(open) = self.documents.get_mut(&name) else { return Vec::new() };
        let (updates, now) = (&mut open.updates, view.now);
        let bytes = match message {
            DocumentMessage::Step1(bytes, clocks) => {
                updates.step_1(&clocks);
                bytes
            }
            DocumentMessage::Step2(bytes) => {
                updates.step_2(now);
                bytes
            }
            DocumentMessage::Update(bytes, update) => {
                updates.update(&update, is_flushing, now);
                bytes
            }
            DocumentMessage::Awareness(bytes) => bytes,
            DocumentMessage::Stateless(payload) => {
                return self.receive_stateless(&name, payload, link);
            }
            DocumentMessage::Close => return self.close_document(&name).1,
            DocumentMessage::Token { .. } | DocumentMessage::Unknown => return Vec::new(),
        };
        if updates.are_too_many() {
            return vec![ProtocolEffect::Close(CloseReason::Unavailable)];
        }
        match open.steps.conversation().receive(&bytes, held) {
            Ok(()) => Vec::new(),
            Err(reason) => self.end_document(&name, &reason),
        }
    }

    pub(in crate::session) fn complete(
        &mut self,
        completion: HocuspocusCompletion,
        view: &SessionView,
    ) -> Effects {
        let Stage::Admitted(link) = &self.stage else { return Vec::new() };
        let link = Arc::clone(link);
        let effects = match completion {
            HocuspocusCompletion::Token(checked) => self.finish_check(checked, &link, view),
            HocuspocusCompletion::Found(found) => self.finish_look_up(found, &link, view),
            HocuspocusCompletion::Opened(key, Ok(subscription)) => {
                self.begin(key, subscription, &link)
            }
            HocuspocusCompletion::Opened(key, Err(reason)) => {
                let name = self.documents.name_of(key);
                name.map(|name| self.end_document(&name, &reason)).unwrap_or_default()
            }
            HocuspocusCompletion::SeatEnded(key, why) => {
                let name = self.documents.name_of(key);
                name.map(|name| self.end_document(&name, &seat_lost(why))).unwrap_or_default()
            }
            HocuspocusCompletion::RestEnded(key) => {
                self.documents.end_rest(key);
                self.enter_documents(&link, view)
            }
            HocuspocusCompletion::ClientMoved => return vec![ProtocolEffect::Probe],
            HocuspocusCompletion::SeatReleased => return Vec::new(),
            HocuspocusCompletion::Step(key, outcome) => {
                return self.finish_step(key, outcome, &link, view);
            }
        };
        self.advance_all(effects, view)
    }

    /// Notes the outcome of a step. A document that was closed meanwhile may be entered now, if it was opened again.
    fn finish_step(
        &mut self,
        key: SocketDocumentKey,
        outcome: StepOutcome,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let mut effects = match self.documents.name_of(key) {
            Some(name) => {
                if let Some(open) = self.documents.get_mut(&name) {
                    // A break is the end of the document, which follows from the outcome.
                    let _flow: ControlFlow<()> = open.steps.finish(&outcome, view.now);
                }
                let mut effects = self.follow(&name, outcome);
                effects.extend(self.advance(&name, view));
                effects
            }
            None => {
                self.documents.end_step(key);
                self.enter_documents(link, view)
            }
        };
        effects.push(self.pause_if_full(view));
        effects
    }

    /// Runs the steps of all documents that are ready, and returns what is left to do. Another document is first each time, so that
    /// each gets its share of what the rate limits allow.
    pub(super) fn advance_all(&mut self, mut effects: Effects, view: &SessionView) -> Effects {
        for name in self.documents.names_in_turn() {
            effects.extend(self.advance(&name, view));
        }
        effects.push(self.pause_if_full(view));
        effects
    }

    /// Stops reading while too many messages wait. A document that waits does not stop the others before that. A session that
    /// closes once it is idle must not receive updates that it would have to wait for either.
    pub(super) fn pause_if_full(&self, view: &SessionView) -> ProtocolEffect {
        let limits = &self.parts.limits;
        let most = WaitingUpdates {
            updates: KEPT_PER_DOCUMENT.saturating_mul(limits.operations_in_flight),
            bytes: limits.message,
        };
        let is_full = self.documents.are_full(most) || self.is_waiting();
        ProtocolEffect::PauseReading(is_full || view.is_draining)
    }

    fn advance(&mut self, name: &SocketName, view: &SessionView) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        let key = open.key;
        let Advanced { outcomes, running, wake_at } = open.steps.advance(view.now);
        let mut effects = Vec::new();
        effects.extend(
            running.map(|step| wait(step.map(move |end| HocuspocusCompletion::Step(key, end)))),
        );
        for outcome in outcomes {
            effects.extend(self.follow(name, outcome));
        }
        let mut due_at = None;
        if let Some(open) = self.documents.get_mut(name) {
            let withheld = open.updates.take_withheld(view.now);
            effects.extend(acknowledge(name, withheld));
            due_at = open.updates.due_at();
        }
        for at in [wake_at, due_at].into_iter().flatten() {
            effects.extend(self.wake_later(at));
        }
        effects
    }

    pub(super) fn wake_later(&mut self, at: Instant) -> Option<ProtocolEffect> {
        if self.wake_at.is_some_and(|earlier| earlier <= at) {
            return None;
        }
        self.wake_at = Some(at);
        Some(ProtocolEffect::WakeAt(at))
    }

    /// Continues at the time `at`, which the protocol asked for.
    pub(in crate::session) fn wake(&mut self, at: Instant, view: &SessionView) -> Effects {
        if self.wake_at == Some(at) {
            self.wake_at = None;
        }
        let effects = match &self.stage {
            Stage::Admitted(link) => self.enter_documents(&Arc::clone(link), view),
            Stage::Unknown | Stage::Authenticating { .. } => Vec::new(),
        };
        self.advance_all(effects, view)
    }

    /// Returns what follows from the outcome of a document's step.
    fn follow(&mut self, name: &SocketName, outcome: StepOutcome) -> Effects {
        match outcome {
            StepOutcome::Done | StepOutcome::OutOfSync => Vec::new(),
            StepOutcome::Stored { saved, notice: omission } => {
                let mut effects = self.note_stored(name, &saved);
                effects.extend(omission.map(|what| notice(name, what)));
                effects
            }
            StepOutcome::StoredInPart { notice: omission } => {
                omission.map(|what| notice(name, what)).into_iter().collect()
            }
            StepOutcome::Denied(reason)
            | StepOutcome::Refused(reason)
            | StepOutcome::Postponed(reason) => {
                vec![reply(name.sync_status(false)), notice(name, &reason)]
            }
            StepOutcome::Close(reason) => self.end_document(name, &reason),
        }
    }

    fn note_stored(&mut self, name: &SocketName, saved: &SavedUpdates) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        let acknowledged = open.updates.note_stored(saved.updates);
        let mut effects: Effects = acknowledge(name, acknowledged).into_iter().collect();
        if self.wants_versions {
            effects.push(replies::saved(name, saved.version));
        }
        effects
    }

    /// Returns whether an update of a document is not stored yet.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.documents.have_unsaved_updates()
    }

    /// Gives all seats up. Returns a future that commits the updates that are not stored yet.
    pub(in crate::session) fn leave(&mut self) -> Option<BoxFuture<'static, ()>> {
        let documents: Vec<_> = self.documents.remove_all().collect();
        let rests = documents.into_iter().filter_map(|mut open| self.commit_in_order(&mut open));
        let rests: FuturesUnordered<_> = rests.collect();
        Some(rests.collect::<()>().boxed())
    }
}
