//! The session's actor: it receives, asks the pure neighbours, and carries out.
//!
//! It writes to its outbox only. When it ends it first gives back its slot and seats, then sends the close frame,
//! and stays a moment for the client's own (RFC 6455, section 7.1.1) before the socket is let go.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use actix_http::ws::Message as SocketMessage;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{
    Converse, Identified, SessionLink, SessionParts,
    error::overdue,
    graphql::{
        gate::{Decision, Gate},
        in_progress::InProgress,
    },
    heartbeat::{Heartbeat, HeartbeatAction},
    reader::Intake,
    sessions::Registered,
    socket::{Inbound, SessionContext, fragment},
};
use crate::{
    domain::SessionId,
    metrics::GaugeGuard,
    outbox::{self, Closing, InFlight, Outbox, Pushed},
    roster::Slot,
    wire::{
        Assembler, CloseReason, Dialect, Message, frame,
        graphql_ws::{self, ServerMessage},
    },
};

/// How long a session that has said goodbye waits for its client's goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often it waits that long for a client that still takes its last answers.
const MAX_UNANSWERED_GOODBYES: u32 = 5;

/// How long a session still drains its socket after a fault: what comes cannot be read any more, a goodbye neither.
const LINGER: Duration = Duration::from_millis(100);

/// What the upgrade said.
pub(super) struct Upgrade {
    /// Who asked for it, if it carried a token.
    pub(super) identified: Option<Identified>,
    /// Whether the client offered our subprotocol.
    pub(super) speaks_protocol: bool,
    /// With a Yjs editor, if it is one.
    pub(super) conversation: Option<Box<dyn Converse>>,
}

/// One socket.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) parts: Arc<SessionParts>,
    pub(super) outbox: Outbox,
    pub(super) operations: InProgress,
    /// What others may know of the session; none before it is admitted and once it is closing.
    pub(super) link: Option<Arc<SessionLink>>,
    /// How the session goes away when nothing is being executed any more; none while it need not.
    pub(super) leaving: Option<CloseReason>,
    pub(super) gate: Gate,
    pub(super) heartbeat: Heartbeat,
    /// Until when the session's token is good.
    pub(super) expires_at: DateTime<Utc>,
    /// Whether a fresh token is being looked at.
    pub(super) renewing: bool,
    /// With a Yjs editor, if it is one.
    pub(super) conversation: Option<Box<dyn Converse>>,
    /// When the conversation goes on, if it waits for a time.
    pub(super) goes_on_at: Option<Instant>,
    pub(super) intake: Rc<Intake>,
    pub(super) upgrade: Upgrade,
    assembler: Assembler,
    pub(super) slot: Option<Slot>,
    timer: Option<SpawnHandle>,
    registered: Option<Registered>,
    _counted: GaugeGuard,
}

impl Session {
    /// A session that has just been opened.
    pub(super) fn new(
        id: SessionId,
        parts: Arc<SessionParts>,
        outbox: Outbox,
        intake: Rc<Intake>,
        mut upgrade: Upgrade,
    ) -> Self {
        Self {
            conversation: upgrade.conversation.take(),
            goes_on_at: None,
            id,
            outbox,
            operations: InProgress::new(parts.limits.operations_in_flight, parts.limits.message),
            link: None,
            leaving: None,
            gate: Gate::new(),
            heartbeat: Heartbeat::new(&parts.options, Instant::now()),
            expires_at: DateTime::<Utc>::MIN_UTC,
            renewing: false,
            intake,
            upgrade,
            assembler: Assembler::new(parts.limits.message),
            slot: None,
            timer: None,
            registered: None,
            _counted: parts.metrics.connection_opened(),
            parts,
        }
    }

    /// Ends the session: nothing of it stays, and the client is told why.
    pub(super) fn end(&mut self, reason: &CloseReason, ctx: &mut SessionContext) {
        if !self.begin_end(reason) {
            return;
        }
        let last = reason.frame(self.dialect());
        // Nobody reads what waits, or nobody did.
        let at_once = matches!(reason, CloseReason::TooSlow | CloseReason::Gone);
        let closing = if at_once { Closing::AtOnce } else { Closing::AfterWaiting };
        // Whether the frame was queued or the connection has gone, the session is over.
        let _closed = self.outbox.close(last.clone(), closing);
        if *reason == CloseReason::Gone {
            ctx.stop();
        } else {
            ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| session.farewell(last, 1, ctx));
        }
    }

    /// The client said goodbye with this code: it gets what waits for it and its own code back, then the socket is
    /// let go.
    fn answer_goodbye(&mut self, code: Option<u16>, ctx: &mut SessionContext) {
        if !self.begin_end(&CloseReason::Gone) {
            return;
        }
        let last = frame::close_answer(code);
        let _closed = self.outbox.close(last.clone(), Closing::AfterWaiting);
        self.outbox.finish();
        ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| session.farewell(last, 1, ctx));
    }

    /// False when the session is ending already.
    fn begin_end(&mut self, reason: &CloseReason) -> bool {
        if !self.gate.close() {
            return false;
        }
        tracing::info!(session.id = %self.id, reason = reason.label(), "the session ends");
        self.parts.metrics.session_closed(reason.label());
        self.leave();
        // The client's own goodbye has to be read.
        self.intake.pause(false);
        true
    }

    /// Waits on while the client still takes what waits for it, but not for ever: it holds no slot any more.
    fn farewell(&mut self, last: Bytes, waited: u32, ctx: &mut SessionContext) {
        let takes = self.outbox.bytes() > 0 && self.outbox.stalled_for() < CLOSE_TIMEOUT;
        if takes && waited < MAX_UNANSWERED_GOODBYES {
            ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| {
                session.farewell(last, waited + 1, ctx);
            });
        } else {
            // What is left goes, but for the close frame.
            let _closed = self.outbox.close(last, Closing::AtOnce);
            ctx.stop();
        }
    }

    /// Gives back what others count on: seats, presence, the connection slot.
    fn leave(&mut self) {
        self.store_the_rest();
        if let Some(link) = self.link.take() {
            link.give_up_all();
        }
        self.slot = None;
    }

    /// Queues an answer.
    pub(super) fn reply(&self, frame: Bytes, in_flight: Option<InFlight>) {
        self.note(self.outbox.reply(frame, in_flight));
    }

    /// A session at its bound for the first time is worth a line; that it is closing is known.
    fn note(&self, pushed: Pushed) {
        if pushed.reached_limit {
            tracing::warn!(session.id = %self.id, "a slow reader's outbox has reached its bound");
            self.parts.metrics.outbox_bound_reached(1);
        }
    }

    fn dialect(&self) -> Dialect {
        if self.conversation.is_some() { Dialect::Yjs } else { Dialect::GraphQl }
    }

    fn receive_message(&mut self, message: Message, ctx: &mut SessionContext) {
        match (message, &self.conversation) {
            (Message::Binary(bytes), Some(_)) => self.hear_editor(&bytes, ctx),
            (Message::Text(_), Some(_)) => self.refuse_text(ctx),
            (message, None) => self.receive(&message.into_bytes(), ctx),
        }
    }

    fn receive(&mut self, bytes: &[u8], ctx: &mut SessionContext) {
        let decision = match graphql_ws::parse(bytes) {
            Ok(message) => self.gate.receive(message),
            Err(bad) => Decision::Close(bad.into()),
        };
        match decision {
            Decision::Admit(token) => {
                self.heartbeat.introduced();
                self.look_at(token, ctx);
            }
            Decision::Pong(payload) => {
                self.reply(ServerMessage::pong(payload.as_deref()).frame(), None);
            }
            Decision::Renew(token) => self.renew(token, ctx),
            Decision::Start(id, payload) => self.start(id, payload, bytes.len(), ctx),
            Decision::Stop(id) => self.stop_operation(&id, ctx),
            Decision::Ignore => {}
            Decision::Close(reason) => self.end(&reason, ctx),
        }
    }

    /// Ends the session because the node is going down, once nothing is being executed any more.
    pub(super) fn go_away(&mut self, waited: Duration, ctx: &mut SessionContext) {
        // Those who are sent away later also come back later.
        let retry_after = Duration::from_secs(1) + waited;
        self.leaving = Some(CloseReason::GoingAway { retry_after });
        self.leave_if_idle(ctx);
    }

    /// Does what is due and sets the timer for what is due next.
    pub(super) fn beat(&mut self, ctx: &mut SessionContext) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if self.gate.is_closing() {
            return;
        }
        let now = Instant::now();
        let stalled_for = self.outbox.stalled_for();
        self.parts.metrics.outbox_seen(self.outbox.bytes());
        let stalled = now.checked_sub(stalled_for).filter(|_since| !stalled_for.is_zero());
        let (due, next) = self.heartbeat.beat(now, self.intake.heard(), stalled);
        for beat in due {
            match beat {
                HeartbeatAction::Ping => {
                    self.note(self.outbox.beat(outbox::Beat::Ping, frame::ping(b"")));
                }
                // An editor learns of it when it comes: it asks for a token whenever it connects.
                HeartbeatAction::WarnOfExpiry if self.conversation.is_some() => {}
                HeartbeatAction::WarnOfExpiry => {
                    let payload = serde_json::json!({ "tokenExpiresAt": self.expires_at });
                    let payload = payload.to_string();
                    let warning = ServerMessage::Ping { payload: Some(payload.as_bytes()) };
                    self.reply(warning.frame(), None);
                }
                HeartbeatAction::End(limit) => {
                    let reason = overdue(limit, &self.parts.options);
                    return self.end(&reason, ctx);
                }
            }
        }
        self.timer = Some(ctx.run_later(next - now, Self::beat));
    }
}

impl Actor for Session {
    type Context = SessionContext;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.parts.options.mailbox);
        let (registered, late) = self.parts.sessions.add(self.id, ctx.address());
        self.registered = Some(registered);
        if !self.upgrade.speaks_protocol {
            self.end(&CloseReason::WrongSubprotocol, ctx);
        } else if late {
            self.go_away(Duration::ZERO, ctx);
        } else {
            if self.conversation.is_some() {
                // The upgrade brought the token; nothing is read until the editor has its seat.
                self.intake.admitted();
                self.intake.pause(true);
                self.gate.begin();
                self.heartbeat.introduced();
                self.look_at(None, ctx);
            }
            self.beat(ctx);
        }
    }
}

/// However the session ends, a panic included, it leaves and lets go of its socket.
impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        self.outbox.finish();
    }
}

impl StreamHandler<Inbound> for Session {
    fn handle(&mut self, inbound: Inbound, ctx: &mut Self::Context) {
        self.intake.handled();
        if self.gate.is_closing() {
            // Only the client's goodbye is still awaited.
            if matches!(inbound, Ok(SocketMessage::Close(_))) {
                ctx.stop();
            }
            return;
        }
        match inbound {
            Ok(SocketMessage::Text(text)) => {
                self.receive_message(Message::Text(text.into_bytes()), ctx);
            }
            Ok(SocketMessage::Binary(bytes)) => self.receive_message(Message::Binary(bytes), ctx),
            Ok(SocketMessage::Continuation(item)) => match self.assembler.push(fragment(item)) {
                Ok(Some(message)) => self.receive_message(message, ctx),
                Ok(None) => {}
                Err(error) => self.end(&error.into(), ctx),
            },
            Ok(SocketMessage::Ping(payload)) => {
                let pong = frame::pong(&payload);
                self.note(self.outbox.beat(outbox::Beat::Pong, pong));
            }
            Ok(SocketMessage::Pong(_) | SocketMessage::Nop) => {}
            Ok(SocketMessage::Close(goodbye)) => {
                self.answer_goodbye(goodbye.map(|goodbye| goodbye.code.into()), ctx);
            }
            // The reader has refused everything else that the codec could object to.
            Err(_invalid_text) => {
                let reason = self.intake.take_fault().unwrap_or(CloseReason::InvalidData);
                self.end(&reason, ctx);
                ctx.run_later(LINGER, |_session, ctx| ctx.stop());
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.end(&CloseReason::Gone, ctx);
        ctx.stop();
    }
}
