//! HocuspocusProvider, from the messages of a page to effects.
//!
//! The first token authenticates the client, and its messages wait until that is done. A token opens the document that it is sent
//! for; what concerns a document that is not open is ignored, because the provider repeats it when it opens the document. What
//! ends a document leaves the others open; only what concerns all of them ends the session.

use std::{collections::VecDeque, mem, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    documents::{DocumentKey, SocketDocument, SocketDocuments},
    port::OpenEditors,
    tokens::{SocketTokens, TokenStep},
};
use crate::{
    domain::DocumentId,
    memory::Reservation,
    room::{SeatEnd, Subscription},
    session::{
        Identified, IdentityError, SavedUpdates, SessionLink, SessionParts, StepOutcome,
        error::seat_lost,
        protocol::{Completion, ProtocolEffect, SessionView},
        yjs::{seat_end, steps::Advanced},
    },
    wire::{
        CloseReason, Message,
        hocuspocus::{self, DocumentMessage, DocumentName, PageMessage, SERVER_PAYLOAD},
        yjs,
    },
};

/// The first version of the provider that answers a ping.
const PINGS_SINCE: u32 = 4;

/// The most messages that wait while a token is checked.
const MAX_BACKLOG: usize = 1_024;

/// How many tokens a client may send that do not authenticate it.
const MAX_REFUSALS: u32 = 5;

/// The state of a session of HocuspocusProvider.
pub(in crate::session) struct HocuspocusProtocol {
    parts: Arc<SessionParts>,
    editors: Arc<dyn OpenEditors>,
    /// Whether the page wants to know the version that has its updates.
    wants_versions: bool,
    stage: Stage,
    tokens: SocketTokens,
    documents: SocketDocuments,
    /// The messages behind a token that is being checked.
    backlog: VecDeque<Received>,
    /// Whether updates may arrive that the provider queued while it was not connected.
    is_flushing: bool,
    refusals: u32,
    /// The earliest time at which the session was asked to wake the protocol.
    wake_at: Option<Instant>,
}

/// How far the client is authenticated.
enum Stage {
    /// No token has arrived.
    Unknown,
    /// The first token is being checked.
    Authenticating { name: DocumentName, token: String, backlog: VecDeque<Received> },
    /// The client is admitted.
    Admitted(Arc<SessionLink>),
}

/// A message, and the memory of a large one.
struct Received(PageMessage, Option<Reservation>);

/// The result of work of this protocol.
pub(in crate::session) enum HocuspocusCompletion {
    /// A token was checked.
    Token(Result<Identified, IdentityError>),
    /// A document was opened, or could not be.
    Opened(DocumentKey, Result<Subscription, CloseReason>),
    /// The room has ended the seat of a document.
    SeatEnded(DocumentKey, SeatEnd),
    /// A newer session of the same user uses the client id of a document's editor.
    ClientMoved,
    /// The seat of a document was given up, and no message of its room follows.
    SeatReleased,
    /// The last updates of a document that was closed are committed, or cannot be.
    RestEnded(DocumentKey),
    /// A step of a document's conversation has ended.
    Step(DocumentKey, StepOutcome),
}

type Effects = Vec<ProtocolEffect>;

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
            backlog: VecDeque::new(),
            is_flushing: false,
            refusals: 0,
            wake_at: None,
        }
    }

    /// Notes that the client is admitted: opens the document whose token it was, and handles what has waited.
    pub(in crate::session) fn admit(
        &mut self,
        link: Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let admitted = Stage::Admitted(Arc::clone(&link));
        let Stage::Authenticating { name, token, backlog } =
            mem::replace(&mut self.stage, admitted)
        else {
            return Vec::new();
        };
        self.tokens.accept(token);
        self.backlog = backlog;
        let mut effects = self.open(&name, &link);
        effects.extend(self.handle_backlog(&link, view));
        self.advance_all(effects, view)
    }

    /// Handles the messages that have waited, up to a token that has to be checked.
    fn handle_backlog(&mut self, link: &Arc<SessionLink>, view: &SessionView) -> Effects {
        let mut effects = Vec::new();
        while !self.tokens.is_checking()
            && let Some(Received(message, held)) = self.backlog.pop_front()
        {
            effects.extend(self.handle(message, held, link, view));
        }
        effects
    }

    /// Notes that the client is not admitted. Returns what follows if it may try again, or has to be told why the session closes.
    pub(in crate::session) fn refuse(&mut self, reason: &CloseReason) -> Option<Effects> {
        let Stage::Authenticating { name, token, backlog } =
            mem::replace(&mut self.stage, Stage::Unknown)
        else {
            return None;
        };
        let text = reason.text();
        if *reason == CloseReason::ConnectionLimit {
            return Some(vec![deny(&name, &text), ProtocolEffect::Close(reason.clone())]);
        }
        self.refusals += 1;
        // The provider would come back at once with the same token if the session closed.
        let may_try_again = !reason.may_retry() || *reason == CloseReason::TokenExpired;
        if !may_try_again || self.refusals >= MAX_REFUSALS {
            return None;
        }
        let mut effects = vec![deny(&name, &text)];
        effects.extend(self.try_next(&token, &text, backlog));
        Some(effects)
    }

    /// Denies the documents that have sent a refused token as well, for this reason, and tries the next other token.
    fn try_next(&mut self, refused: &str, why: &str, mut waiting: VecDeque<Received>) -> Effects {
        let mut effects = Vec::new();
        while let Some(Received(message, _held)) = waiting.pop_front() {
            match &message {
                PageMessage::Document(name, DocumentMessage::Token { token, .. })
                    if token == refused =>
                {
                    effects.push(deny(name, why));
                }
                PageMessage::Document(_, DocumentMessage::Token { .. }) => {
                    effects.extend(self.authenticate(message));
                    if let Stage::Authenticating { backlog, .. } = &mut self.stage {
                        *backlog = waiting;
                    }
                    return effects;
                }
                PageMessage::Pong => self.is_flushing = false,
                // It concerns a document that is not open.
                PageMessage::Document(..) => {}
            }
        }
        effects.push(ProtocolEffect::PauseReading(false));
        effects
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
        match &mut self.stage {
            Stage::Unknown => self.authenticate(message),
            Stage::Authenticating { backlog, .. } if backlog.len() >= MAX_BACKLOG => {
                bad("Too many messages before the token was answered")
            }
            Stage::Authenticating { backlog, .. } => {
                backlog.push_back(Received(message, held));
                Vec::new()
            }
            Stage::Admitted(_) if self.tokens.is_checking() => {
                if self.backlog.len() >= MAX_BACKLOG {
                    return bad("Too many messages before the token was answered");
                }
                self.backlog.push_back(Received(message, held));
                Vec::new()
            }
            Stage::Admitted(link) => {
                let (link, about) = (Arc::clone(link), message.document().cloned());
                let mut effects = self.handle(message, held, &link, view);
                effects.extend(about.into_iter().flat_map(|name| self.advance(&name, view)));
                effects.push(self.pause_if_full(view));
                effects
            }
        }
    }

    /// Has the session authenticate the client if this is a token.
    fn authenticate(&mut self, message: PageMessage) -> Effects {
        let (name, token, provider) = match message {
            PageMessage::Document(name, DocumentMessage::Token { token, provider }) => {
                (name, token, provider)
            }
            PageMessage::Pong => {
                self.is_flushing = false;
                return Vec::new();
            }
            PageMessage::Document(..) => return Vec::new(),
        };
        let mut effects = vec![ProtocolEffect::PauseReading(true)];
        if !self.is_flushing && provider.is_some_and(|version| version >= PINGS_SINCE) {
            self.is_flushing = true;
            effects.push(reply(hocuspocus::ping()));
        }
        let shown = Some(token.clone()).filter(|token| !token.is_empty());
        effects.push(ProtocolEffect::Authenticate { token: shown, predecessor: None });
        self.stage = Stage::Authenticating { name, token, backlog: VecDeque::new() };
        effects
    }

    fn handle(
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
            return self.receive_token(&name, token, link);
        }
        let is_flushing = self.is_flushing;
        let Some(open) = self.documents.get_mut(&name) else { return Vec::new() };
        let (updates, now) = (&mut open.updates, view.now);
        let bytes = match message {
            DocumentMessage::Step1(bytes, clocks) => {
                updates.step_1(&clocks, is_flushing);
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
                let refusal = self.pass_on(&name, &payload, link);
                return refusal.into_iter().map(|why| notice(&name, why)).collect();
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

    /// Sends a stateless message to the others who have the document open. Returns why it is not sent, if it is not.
    fn pass_on(&mut self, name: &DocumentName, payload: &str, link: &SessionLink) -> Option<&str> {
        let limit = self.parts.limits.awareness;
        let open = self.documents.get_mut(name)?;
        let subscription = open.subscription.as_ref()?;
        if payload.len() > limit {
            return Some("The stateless message was not sent: it is too long. Send a shorter one.");
        }
        if payload.starts_with(SERVER_PAYLOAD) {
            return Some(
                "The stateless message was not sent: only the server sends messages that begin with `coscribe:`.",
            );
        }
        if link.take_cursor().is_err() {
            return Some(
                "The stateless message was not sent: you send too many. Wait for a second.",
            );
        }
        subscription.editor().send_stateless(payload.into());
        None
    }

    fn receive_token(
        &mut self,
        name: &DocumentName,
        token: String,
        link: &Arc<SessionLink>,
    ) -> Effects {
        match self.tokens.receive(name, token, link.user().id) {
            TokenStep::Accepted => self.open(name, link),
            TokenStep::Check(check) => {
                let checked = check.map(HocuspocusCompletion::Token);
                vec![wait(checked)]
            }
            TokenStep::TooMany => {
                vec![deny(name, "You send tokens too often. Wait for a second.")]
            }
        }
    }

    /// Opens a document for which the client has sent a valid token, unless it is open.
    fn open(&mut self, name: &DocumentName, link: &Arc<SessionLink>) -> Effects {
        if let Some(open) = self.documents.get_mut(name) {
            // The document is being opened if it has no seat. The room tells the scope then.
            let subscription = open.subscription.as_ref();
            let scope = subscription.map(|open| yjs::scope(open.editor().may_edit()));
            return scope.map(|scope| reply(name.named(&scope))).into_iter().collect();
        }
        let Ok(document) = name.document().parse::<DocumentId>() else {
            return vec![deny(name, &CloseReason::Forbidden.text())];
        };
        if self.documents.has(document) {
            return vec![deny(
                name,
                "This document is open on this socket already. Use one provider for it, or another socket.",
            )];
        }
        let limit = self.parts.limits.subscriptions;
        if self.documents.len() >= limit {
            let why = format!(
                "This socket has {limit} documents open, the most that it may have. Close some of them."
            );
            return vec![deny(name, &why)];
        }
        // Access is read from the store, as by an operation.
        if self.parts.throttle.take(&link.user().id).is_err() {
            return vec![deny(name, "You open documents too often. Wait for a second.")];
        }
        let conversation = self.editors.converse(document);
        self.documents.add(name.clone(), document, conversation);
        self.enter_documents(link)
    }

    /// Requests the seats of the documents that were opened and can be entered.
    fn enter_documents(&mut self, link: &Arc<SessionLink>) -> Effects {
        let names = self.documents.to_enter();
        names.iter().flat_map(|name| self.enter(name, link)).collect()
    }

    fn enter(&mut self, name: &DocumentName, link: &Arc<SessionLink>) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        open.is_entering = true;
        let key = open.key;
        let (ended, seat_end, client_moved) = seat_end::channel();
        let entering = open.steps.conversation().enter(link.named_subscriber(name.clone()), ended);
        let opened = entering.map(move |entered| HocuspocusCompletion::Opened(key, entered));
        let ended = seat_end.map(move |end| match end {
            Ok(why) => HocuspocusCompletion::SeatEnded(key, why),
            Err(_never_ended) => HocuspocusCompletion::SeatReleased,
        });
        let moved = client_moved.map(|moved| match moved {
            Ok(()) => HocuspocusCompletion::ClientMoved,
            Err(_never_moved) => HocuspocusCompletion::SeatReleased,
        });
        vec![wait(opened), wait(ended), wait(moved)]
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
            HocuspocusCompletion::Opened(key, Ok(subscription)) => {
                if let Some(open) = self.document(key) {
                    open.steps.conversation().begin(link, subscription.editor());
                    open.subscription = Some(subscription);
                }
                Vec::new()
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
                self.enter_documents(&link)
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
        key: DocumentKey,
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
                self.enter_documents(link)
            }
        };
        effects.push(self.pause_if_full(view));
        effects
    }

    fn document(&mut self, key: DocumentKey) -> Option<&mut SocketDocument> {
        let name = self.documents.name_of(key)?;
        self.documents.get_mut(&name)
    }

    /// Opens the document whose token was checked. The session belongs to the sign-in of that token from then on.
    fn finish_check(
        &mut self,
        checked: Result<Identified, IdentityError>,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let Some((name, token)) = self.tokens.finish_check() else { return Vec::new() };
        let mut effects = match checked {
            Ok(identified) if identified.user.id == link.user().id => {
                link.renew(identified.sign_in);
                self.tokens.accept(token);
                let expires_at = view.expires_at.max(identified.expires_at);
                let mut effects = vec![ProtocolEffect::ExtendTo(expires_at)];
                effects.extend(self.open(&name, link));
                effects
            }
            Ok(_other_user) => {
                let why = "The token belongs to another user than the first one of this socket. Open another socket.";
                vec![deny(&name, why)]
            }
            Err(error) => match CloseReason::from(&error) {
                // The page may go on with its present token. A document that is not open would stay so.
                CloseReason::Unavailable if self.documents.get_mut(&name).is_some() => Vec::new(),
                reason @ CloseReason::Unavailable => vec![ProtocolEffect::Close(reason)],
                reason => vec![deny(&name, &reason.text())],
            },
        };
        effects.extend(self.handle_backlog(link, view));
        effects
    }

    /// Runs the steps of all documents that are ready, and returns what is left to do.
    fn advance_all(&mut self, mut effects: Effects, view: &SessionView) -> Effects {
        for name in self.documents.names() {
            effects.extend(self.advance(&name, view));
        }
        effects.push(self.pause_if_full(view));
        effects
    }

    /// Stops reading while the messages of a document have to wait. A session that closes once it is idle must not receive updates
    /// that it would have to wait for either.
    fn pause_if_full(&self, view: &SessionView) -> ProtocolEffect {
        let is_full = self.documents.are_full() || self.tokens.is_checking();
        ProtocolEffect::PauseReading(is_full || view.is_draining)
    }

    fn advance(&mut self, name: &DocumentName, view: &SessionView) -> Effects {
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

    fn wake_later(&mut self, at: Instant) -> Option<ProtocolEffect> {
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
        self.advance_all(Vec::new(), view)
    }

    /// Returns what follows from the outcome of a document's step.
    fn follow(&mut self, name: &DocumentName, outcome: StepOutcome) -> Effects {
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

    fn note_stored(&mut self, name: &DocumentName, saved: &SavedUpdates) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        let acknowledged = open.updates.note_stored(saved.updates);
        let mut effects: Effects = acknowledge(name, acknowledged).into_iter().collect();
        if self.wants_versions {
            let payload = json!({ "type": "saved", "version": saved.version.number() });
            effects.push(reply(name.stateless(&format!("{SERVER_PAYLOAD}{payload}"))));
        }
        effects
    }

    /// Ends a document for this reason, and tells its provider. Closes the session if the reason concerns all documents: the
    /// provider comes back then.
    fn end_document(&mut self, name: &DocumentName, reason: &CloseReason) -> Effects {
        if matches!(
            reason,
            CloseReason::Unavailable | CloseReason::MemoryExhausted | CloseReason::TooSlow
        ) {
            return vec![ProtocolEffect::Close(reason.clone())];
        }
        let (was_open, mut effects) = self.close_document(name);
        let text = reason.text();
        if was_open {
            tracing::info!(reason = reason.label(), document = name.document(), "document closed");
        }
        let is_denial =
            !was_open || matches!(reason, CloseReason::Forbidden | CloseReason::DocumentDeleted);
        let told = match is_denial {
            true => deny(name, &text),
            false => notice(name, &text),
        };
        let closed = was_open.then(|| reply(name.closed(&text)));
        effects.extend([told].into_iter().chain(closed));
        effects
    }

    /// Gives a document up, and commits what is left of it. Returns whether the session had its seat.
    fn close_document(&mut self, name: &DocumentName) -> (bool, Effects) {
        let Some(mut closed) = self.documents.remove(name) else { return (false, Vec::new()) };
        let key = closed.key;
        // A task of its own, because it must run although the session may end. A step that commits goes on as well.
        let rest = closed.steps.end().map(|rest| tokio::spawn(rest.in_current_span()));
        self.documents.note_closing(&closed, rest.is_some());
        let rest = rest.map(|rest| {
            wait(rest.map(move |ended| {
                if ended.is_err() {
                    tracing::error!("the last updates of a document have no outcome");
                }
                HocuspocusCompletion::RestEnded(key)
            }))
        });
        (closed.subscription.is_some(), rest.into_iter().collect())
    }

    /// Returns the frames that ask for another token, for each open document. `None` if no document is open.
    pub(in crate::session) fn expiry_warning(&self) -> Option<Bytes> {
        let requests: Vec<_> =
            self.documents.names().iter().map(DocumentName::token_request).collect();
        (!requests.is_empty()).then(|| requests.concat().into())
    }

    /// Returns whether an update of a document is not stored yet.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.documents.have_unsaved_updates()
    }

    /// Gives all seats up. Returns a future that commits the updates that are not stored yet.
    pub(in crate::session) fn leave(&mut self) -> Option<BoxFuture<'static, ()>> {
        let rests = self.documents.remove_all().filter_map(|mut open| open.steps.end());
        let rests: FuturesUnordered<_> = rests.collect();
        let committing = async move { rests.collect::<()>().await };
        Some(committing.boxed())
    }
}

fn reply(frame: Bytes) -> ProtocolEffect {
    ProtocolEffect::Reply(frame.into(), None)
}

/// Tells the provider of a document that it may not open it, for this reason.
fn deny(name: &DocumentName, reason: &str) -> ProtocolEffect {
    reply(name.permission_denied(reason))
}

/// Tells the page of a document something that its user should know.
fn notice(name: &DocumentName, message: &str) -> ProtocolEffect {
    let payload = json!({ "type": "notice", "message": message });
    reply(name.stateless(&format!("{SERVER_PAYLOAD}{payload}")))
}

/// Acknowledges this many updates.
fn acknowledge(name: &DocumentName, updates: u64) -> Option<ProtocolEffect> {
    let updates = usize::try_from(updates).ok().filter(|updates| *updates > 0)?;
    Some(reply(name.sync_status(true).repeat(updates).into()))
}

fn wait(future: impl Future<Output = HocuspocusCompletion> + 'static) -> ProtocolEffect {
    ProtocolEffect::Await(future.map(Completion::Hocuspocus).boxed_local())
}
