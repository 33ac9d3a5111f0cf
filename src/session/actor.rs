//! The session's actor: it receives, asks its protocol or its heartbeat, and applies the effects.
//!
//! It writes to its outbox only. Its context is polled inside the session's span, so every event of a handler, a timer or
//! a future carries the session's id.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use actix_http::ws::Message as SocketMessage;
use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::Span;

use super::{
    Identified, SessionParts,
    awaited_work::AwaitedWork,
    error::overdue,
    heartbeat::{Heartbeat, HeartbeatAction},
    intake::Intake,
    protocol::{Completion, Protocol, ProtocolEffect, SessionView},
    sessions::Registered,
    socket::{Inbound, SessionContext, fragment},
};
use crate::{
    connection::ConnectionHandle,
    domain::{Network, SessionId},
    metrics::GaugeGuard,
    outbox::{self, InFlight, Outbox, OutboxFrame},
    roster::Slot,
    wire::{Assembler, CloseReason, Message, frame},
};

/// How far a session is from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionPhase {
    /// It serves its client.
    Open,
    /// It closes for this reason once its protocol is idle.
    Draining(CloseReason),
    /// Its close frame is queued. Only the client's close frame still matters.
    Closing,
}

/// What a session starts with.
pub(super) struct NewSession {
    pub(super) id: SessionId,
    pub(super) protocol: Protocol,
    /// The user whose token the upgrade carried, if it carried one.
    pub(super) upgraded_by: Option<Identified>,
    /// The network of the client, if it is known.
    pub(super) network: Option<Network>,
    pub(super) outbox: Outbox,
    pub(super) intake: Rc<Intake>,
    pub(super) connection: ConnectionHandle,
    pub(super) span: Span,
}

/// The actor of one socket.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) parts: Arc<SessionParts>,
    pub(super) protocol: Protocol,
    pub(super) phase: SessionPhase,
    pub(super) outbox: Outbox,
    pub(super) intake: Rc<Intake>,
    pub(super) connection: ConnectionHandle,
    pub(super) heartbeat: Heartbeat,
    /// The user whose token the upgrade carried, until the session authenticates its client.
    pub(super) upgraded_by: Option<Identified>,
    /// The network of the client, if it is known.
    pub(super) network: Option<Network>,
    /// When the client's token expires.
    pub(super) expires_at: DateTime<Utc>,
    /// The connection slot; `None` before the client is admitted and after the session has left.
    pub(super) slot: Option<Slot>,
    pub(super) span: Span,
    pub(super) opened_at: Instant,
    assembler: Assembler,
    /// The work that the session awaits for its protocol.
    awaited: AwaitedWork<Completion>,
    /// Fires when the heartbeat is to be checked again.
    timer: Option<SpawnHandle>,
    pub(super) registered: Option<Registered>,
    _counted: GaugeGuard,
}

impl Session {
    /// Creates the actor of a socket that has just opened.
    pub(super) fn new(parts: Arc<SessionParts>, new: NewSession) -> Self {
        let opened_at = Instant::now();
        let mut heartbeat = Heartbeat::new(&parts.options, opened_at);
        if new.protocol.awaits_page() {
            heartbeat.await_token(opened_at);
        }
        Self {
            id: new.id,
            protocol: new.protocol,
            phase: SessionPhase::Open,
            outbox: new.outbox,
            intake: new.intake,
            connection: new.connection,
            heartbeat,
            upgraded_by: new.upgraded_by,
            network: new.network,
            expires_at: DateTime::<Utc>::MIN_UTC,
            slot: None,
            span: new.span,
            opened_at,
            assembler: Assembler::new(parts.limits.message),
            awaited: AwaitedWork::default(),
            timer: None,
            registered: None,
            _counted: parts.metrics.connection_opened(),
            parts,
        }
    }

    /// Returns whether the close frame is queued.
    pub(super) fn is_closing(&self) -> bool {
        self.phase == SessionPhase::Closing
    }

    /// Returns what the protocol needs to know.
    pub(super) fn view(&self) -> SessionView {
        SessionView {
            now: Instant::now(),
            expires_at: self.expires_at,
            is_draining: matches!(self.phase, SessionPhase::Draining(_)),
        }
    }

    /// Applies the effects that the protocol returned, and closes a draining session that has become idle.
    pub(super) fn apply(&mut self, effects: Vec<ProtocolEffect>, ctx: &mut SessionContext) {
        for effect in effects {
            if self.is_closing() {
                return;
            }
            match effect {
                ProtocolEffect::Authenticate { token, predecessor } => {
                    self.authenticate(token, predecessor, ctx);
                }
                ProtocolEffect::Probe => self.probe(ctx),
                ProtocolEffect::Reply(frame, in_flight) => self.reply(frame, in_flight),
                ProtocolEffect::Await(work) => self.awaited.push(work),
                ProtocolEffect::WakeAt(at) => {
                    let wait = at.saturating_duration_since(Instant::now());
                    ctx.run_later(wait, move |session, ctx| session.wake(at, ctx));
                }
                ProtocolEffect::PauseReading(paused) => self.intake.pause(paused),
                ProtocolEffect::ExtendTo(expires_at) => self.extend_to(expires_at, ctx),
                ProtocolEffect::Close(reason) => self.close(&reason, ctx),
            }
        }
        self.close_if_drained(ctx);
    }

    fn wake(&mut self, at: Instant, ctx: &mut SessionContext) {
        if self.is_closing() {
            return;
        }
        let view = self.view();
        let effects = self.protocol.wake(at, &view);
        self.apply(effects, ctx);
    }

    fn receive(&mut self, message: Message, ctx: &mut SessionContext) {
        let (view, held) = (self.view(), self.intake.take_arriving());
        let effects = self.protocol.receive(message, held, &view);
        self.apply(effects, ctx);
    }

    /// Queues a reply. It is never dropped while the session is open.
    fn reply(&self, frame: OutboxFrame, in_flight: Option<InFlight>) {
        let _pushed = self.outbox.reply(frame, in_flight);
    }

    /// Closes the session once it is idle, because the node is stopping. It has waited for `waited`, and its client is
    /// asked to reconnect that much later, so that clients do not reconnect all at once.
    pub(super) fn drain(&mut self, waited: Duration, ctx: &mut SessionContext) {
        if self.is_closing() {
            return;
        }
        let retry_after = Duration::from_secs(1) + waited;
        self.phase = SessionPhase::Draining(CloseReason::GoingAway { retry_after });
        self.close_if_drained(ctx);
    }

    fn close_if_drained(&mut self, ctx: &mut SessionContext) {
        if let SessionPhase::Draining(reason) = &self.phase
            && !self.protocol.is_busy()
        {
            let reason = reason.clone();
            self.close(&reason, ctx);
        }
    }

    /// Does what the heartbeat says is due, and sets the timer for the next deadline.
    pub(super) fn check_heartbeat(&mut self, ctx: &mut SessionContext) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if self.is_closing() {
            return;
        }
        let now = Instant::now();
        self.parts.metrics.outbox_seen(self.outbox.bytes());
        let stalled_for = self.outbox.stalled_for();
        let stalled_since = now.checked_sub(stalled_for).filter(|_since| !stalled_for.is_zero());
        let (due, next) = self.heartbeat.check(now, self.intake.received_at(), stalled_since);
        for action in due {
            match action {
                HeartbeatAction::Ping => {
                    let _pushed = self.outbox.beat(outbox::Beat::Ping, frame::ping(b""));
                }
                HeartbeatAction::WarnOfExpiry => {
                    if let Some(warning) = self.protocol.expiry_warning(self.expires_at) {
                        self.reply(warning.into(), None);
                    }
                }
                HeartbeatAction::Close(limit) => return self.close(&overdue(limit), ctx),
            }
        }
        self.timer = Some(ctx.run_later(next - now, Self::check_heartbeat));
    }
}

impl Actor for Session {
    type Context = SessionContext;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.parts.options.mailbox);
        let (registered, is_draining) = self.parts.sessions.add(self.id, ctx.address());
        self.registered = Some(registered);
        ctx.add_stream(self.awaited.clone());
        if is_draining {
            return self.drain(Duration::ZERO, ctx);
        }
        self.apply(self.protocol.start(), ctx);
        self.check_heartbeat(ctx);
    }
}

/// However the session ends, a panic included, it leaves and releases its socket.
impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        self.outbox.finish();
    }
}

/// The results of the work that the session awaits for its protocol.
impl StreamHandler<Completion> for Session {
    fn handle(&mut self, completion: Completion, ctx: &mut Self::Context) {
        // A closing session has no use for results. Dropping one gives its seat up.
        if self.is_closing() {
            return;
        }
        let view = self.view();
        let effects = self.protocol.complete(completion, &view);
        self.apply(effects, ctx);
    }
}

impl StreamHandler<Inbound> for Session {
    fn handle(&mut self, inbound: Inbound, ctx: &mut Self::Context) {
        self.intake.handled();
        if self.is_closing() {
            match inbound {
                Ok(SocketMessage::Close(_)) => ctx.stop(),
                // Nobody takes the message.
                Ok(SocketMessage::Text(_) | SocketMessage::Binary(_)) => {
                    drop(self.intake.take_arriving());
                }
                Ok(
                    SocketMessage::Continuation(_)
                    | SocketMessage::Ping(_)
                    | SocketMessage::Pong(_)
                    | SocketMessage::Nop,
                )
                | Err(_) => {}
            }
            return;
        }
        match inbound {
            Ok(SocketMessage::Text(text)) => self.receive(Message::Text(text.into_bytes()), ctx),
            Ok(SocketMessage::Binary(bytes)) => self.receive(Message::Binary(bytes), ctx),
            Ok(SocketMessage::Continuation(item)) => match self.assembler.push(fragment(item)) {
                Ok(Some(message)) => self.receive(message, ctx),
                Ok(None) => {}
                Err(error) => self.close(&error.into(), ctx),
            },
            Ok(SocketMessage::Ping(payload)) => {
                let _pushed = self.outbox.beat(outbox::Beat::Pong, frame::pong(&payload));
            }
            Ok(SocketMessage::Pong(_) | SocketMessage::Nop) => {}
            Ok(SocketMessage::Close(close)) => {
                self.answer_close(close.map(|close| close.code.into()), ctx);
            }
            Err(_fault) => self.close_after_fault(ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.close(&CloseReason::Gone, ctx);
        ctx.stop();
    }
}
