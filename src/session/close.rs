//! The end of a session: the close handshake of RFC 6455, section 7.
//!
//! A session that ends first gives back its slot and its seats, then sends its close frame. It waits for the client's
//! close frame (section 7.1.1) before it drops the socket, but not for long, because it no longer counts against the
//! user's limit.

use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use tokio::time::Instant;
use tracing::{Instrument as _, field::debug};

use super::{
    actor::{Session, SessionPhase},
    socket::SessionContext,
};
use crate::{
    connection::ConnectionHandle,
    outbox::{Closing, Outbox},
    wire::{CloseReason, frame},
};

/// How long a session waits for the client's close frame, and how long the client may accept nothing meanwhile. A round
/// trip takes far less, even over a mobile network.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The number of [`CLOSE_TIMEOUT`]s that a client gets which still accepts its last frames: 15 s in total. A stopping
/// node waits less, for `server.drain`.
const MAX_CLOSE_TIMEOUTS: u32 = 5;

/// Ends the connection of a session that has ended, unless its client accepts the last frames. They are in the outbox
/// or the kernel, which would both wait without a limit.
///
/// A client that has not accepted the close frame either has had its time, and its connection ends at once.
pub(super) async fn end_connection(connection: ConnectionHandle, outbox: &Outbox) {
    if outbox.stalled_for() >= CLOSE_TIMEOUT {
        return connection.end();
    }
    connection.close_within(CLOSE_TIMEOUT, MAX_CLOSE_TIMEOUTS).await;
}

/// How long a session still reads its socket after a fault. Its client's close frame cannot be parsed any more, but bytes
/// that are on their way should not be answered with a reset.
const FAULT_LINGER: Duration = Duration::from_millis(100);

impl Session {
    /// Closes the session with `reason`, unless it is closing already.
    pub(super) fn close(&mut self, reason: &CloseReason, ctx: &mut SessionContext) {
        if !self.begin_close(reason) {
            return;
        }
        let frame = reason.frame(self.protocol.dialect());
        // In these cases the client does not read what is queued.
        let at_once = matches!(reason, CloseReason::TooSlow | CloseReason::Gone);
        let closing = if at_once { Closing::AtOnce } else { Closing::AfterWaiting };
        // If the connection has gone, the frame is not queued, and the session ends all the same.
        let _pushed = self.outbox.close(frame.clone(), closing);
        if *reason == CloseReason::Gone {
            ctx.stop();
        } else {
            ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| session.end_close(frame, 1, ctx));
        }
    }

    /// Answers the client's close frame with the same code, after the frames that are queued.
    pub(super) fn answer_close(&mut self, code: Option<u16>, ctx: &mut SessionContext) {
        if !self.begin_close(&CloseReason::Gone) {
            return;
        }
        let frame = frame::close_answer(code);
        let _pushed = self.outbox.close(frame.clone(), Closing::AfterWaiting);
        self.outbox.finish();
        ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| session.end_close(frame, 1, ctx));
    }

    /// Closes the session after the reader has reported a fault.
    pub(super) fn close_after_fault(&mut self, ctx: &mut SessionContext) {
        // The reader reports every fault but one that only the codec can find.
        let reason = self.intake.take_fault().unwrap_or(CloseReason::InvalidData);
        self.close(&reason, ctx);
        ctx.run_later(FAULT_LINGER, |_session, ctx| ctx.stop());
    }

    /// Gives back everything and logs the end. Returns false if the session is closing already.
    fn begin_close(&mut self, reason: &CloseReason) -> bool {
        if self.is_closing() {
            return false;
        }
        self.phase = SessionPhase::Closing;
        self.log_close(reason);
        self.parts.metrics.session_closed(reason.label());
        self.leave();
        // The client's close frame has to be read, unless the client reads nothing and would only send.
        self.intake.pause(*reason == CloseReason::TooSlow);
        true
    }

    /// Logs that the session was refused, if the server closes it before its client is admitted, or that it was closed. Anybody
    /// can be refused or leave before, so only a few lines are written of that.
    fn log_close(&self, reason: &CloseReason) {
        let stalled = self.outbox.stalled_for();
        let stalled = (!stalled.is_zero()).then(|| debug(stalled));
        let is_gone = *reason == CloseReason::Gone;
        let (reason, lived) = (reason.label(), self.opened_at.elapsed());
        if self.slot.is_some() {
            tracing::info!(reason, ?lived, stalled, "session closed");
            return;
        }
        if self.protocol.is_refused() {
            tracing::debug!(reason, ?lived, stalled, "session refused");
            return;
        }
        let Some(unlogged) = self.parts.refusals.note(Instant::now()) else { return };
        let unlogged = (unlogged > 0).then_some(unlogged);
        if is_gone {
            tracing::info!(reason, ?lived, stalled, unlogged, "session closed");
        } else {
            tracing::info!(reason, ?lived, stalled, unlogged, "session refused");
        }
    }

    /// Drops the socket, unless the client still accepts its last frames and has time left.
    fn end_close(&mut self, frame: Bytes, timeouts: u32, ctx: &mut SessionContext) {
        let accepts = self.outbox.bytes() > 0 && self.outbox.stalled_for() < CLOSE_TIMEOUT;
        if accepts && timeouts < MAX_CLOSE_TIMEOUTS {
            ctx.run_later(CLOSE_TIMEOUT, move |session, ctx| {
                session.end_close(frame, timeouts + 1, ctx);
            });
        } else {
            // Everything that is still queued is dropped, except for the close frame.
            let _pushed = self.outbox.close(frame, Closing::AtOnce);
            ctx.stop();
        }
    }

    /// Gives back the seats and the connection slot.
    pub(super) fn leave(&mut self) {
        let rest = self.protocol.leave();
        // Without a runtime the process is ending, and the rest is lost with it.
        if let (Some(rest), Ok(_runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            // It may have to open a room, which is an actor, so it runs where actors can be started.
            actix_rt::spawn(rest.instrument(self.span.clone()));
        }
        self.slot = None;
        if let Some(registered) = &mut self.registered {
            registered.leave();
        }
    }
}
