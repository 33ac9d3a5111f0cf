//! A session's operations: started, answered, stopped.
//!
//! An operation is polled once where it stands, since most are ready at once: a cursor touches no database. Only
//! what must wait becomes a future of the actor. A token that is being renewed is looked at in the same way.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use actix::prelude::*;
use futures_util::{FutureExt as _, future::BoxFuture};

use super::in_progress::{RunningOperation, Wanted};
use crate::{
    metrics::OperationKind,
    outbox::InFlight,
    session::{Operation, OperationResponse, SessionLink, actor::Session, socket::SessionContext},
    wire::{
        CloseReason, ErrorCode,
        graphql_ws::{self, OperationId, ServerMessage, SubscribePayload},
    },
};

impl Session {
    /// Runs an operation that came in a message of so many bytes, or says why not.
    pub(in crate::session) fn start(
        &mut self,
        id: OperationId,
        payload: SubscribePayload,
        bytes: usize,
        ctx: &mut SessionContext,
    ) {
        let Some(link) = self.link.clone() else { return };
        if self.is_active(&id, &link) {
            return self.end(&CloseReason::DuplicateId(id), ctx);
        }
        let in_flight = match self.may_start(&link, bytes) {
            Ok(in_flight) => in_flight,
            Err((code, message)) => {
                let errors = graphql_ws::errors(code, &message);
                return self.reply(ServerMessage::error(&id, &errors).frame(), None);
            }
        };
        match self.parts.execute.prepare(payload) {
            Ok(operation) if operation.kind() == OperationKind::Subscription => {
                self.subscribe(id, operation, link, in_flight, ctx);
            }
            Ok(operation) => self.run(id, operation, link, in_flight, ctx),
            Err(errors) => self.reply(ServerMessage::error(&id, &errors).frame(), Some(in_flight)),
        }
    }

    /// Whether the id names an operation that has not ended.
    fn is_active(&self, id: &OperationId, link: &SessionLink) -> bool {
        match self.operations.find(id) {
            Some(
                RunningOperation::Executing(_)
                | RunningOperation::Changing(_)
                | RunningOperation::Seating(_),
            ) => true,
            Some(RunningOperation::Listening) => link.is_listening(id),
            None => false,
        }
    }

    fn may_start(&self, link: &SessionLink, bytes: usize) -> Result<InFlight, (ErrorCode, String)> {
        if self.leaving.is_some() {
            let message = "The server is restarting. Reconnect and try again.".to_owned();
            return Err((ErrorCode::Unavailable, message));
        }
        let refused =
            |error: crate::session::Throttled| (ErrorCode::RateLimited, error.to_string());
        self.parts.throttle.take(&link.user().id).map_err(refused)?;
        self.operations.admit(bytes).ok_or_else(|| {
            let allowed = self.parts.limits.operations_in_flight;
            let message = format!(
                "This connection has {allowed} operations or {} bytes of them that are not answered yet. Wait for an answer and try again.",
                self.parts.limits.message
            );
            (ErrorCode::RateLimited, message)
        })
    }

    fn run(
        &mut self,
        id: OperationId,
        operation: Box<dyn Operation>,
        link: Arc<SessionLink>,
        in_flight: InFlight,
        ctx: &mut SessionContext,
    ) {
        let changes = operation.kind() == OperationKind::Mutation;
        let mut answer = operation.run(link);
        if let Poll::Ready(answer) = at_once(&mut answer) {
            return self.answer(&id, &answer, in_flight);
        }
        let (name, wanted) = (id.clone(), Wanted::new());
        let still_wanted = wanted.clone();
        let running = ctx.spawn(answer.into_actor(self).map(move |answer, session, ctx| {
            if session.operations.changed(&id, &still_wanted) {
                session.answer(&id, &answer, in_flight);
            }
            session.leave_if_idle(ctx);
        }));
        let running = if changes {
            RunningOperation::Changing(wanted)
        } else {
            RunningOperation::Executing(running)
        };
        self.operations.set(name, running);
    }

    fn answer(&self, id: &OperationId, answer: &OperationResponse, in_flight: InFlight) {
        let frames = match answer {
            OperationResponse::Result(response) => graphql_ws::result(id, response),
            OperationResponse::Refused(errors) => ServerMessage::error(id, errors).frame(),
        };
        self.reply(frames, Some(in_flight));
    }

    fn subscribe(
        &mut self,
        id: OperationId,
        operation: Box<dyn Operation>,
        link: Arc<SessionLink>,
        in_flight: InFlight,
        ctx: &mut SessionContext,
    ) {
        let allowed = self.parts.limits.subscriptions;
        link.forget_ended();
        self.operations.forget_ended(|id| link.is_listening(id));
        if self.operations.subscriptions() >= allowed {
            let message = format!(
                "This connection already has {allowed} subscriptions. Complete one of them first."
            );
            let errors = graphql_ws::errors(ErrorCode::RateLimited, &message);
            return self.reply(ServerMessage::error(&id, &errors).frame(), Some(in_flight));
        }
        let seat = operation.subscribe(Arc::clone(&link), id.clone());
        let name = id.clone();
        let running = ctx.spawn(seat.into_actor(self).map(move |seat, session, ctx| {
            match seat {
                Ok(ticket) => {
                    link.keep(id.clone(), ticket);
                    session.operations.set(id, RunningOperation::Listening);
                    drop(in_flight);
                }
                Err(errors) => {
                    session.operations.remove(&id);
                    let refusal = ServerMessage::error(&id, &errors).frame();
                    session.reply(refusal, Some(in_flight));
                }
            }
            session.leave_if_idle(ctx);
        }));
        self.operations.set(name, RunningOperation::Seating(running));
    }

    /// The client wants no more of an operation.
    pub(in crate::session) fn stop_operation(
        &mut self,
        id: &OperationId,
        ctx: &mut SessionContext,
    ) {
        match self.operations.remove(id) {
            Some(RunningOperation::Executing(running) | RunningOperation::Seating(running)) => {
                ctx.cancel_future(running);
            }
            Some(RunningOperation::Changing(wanted)) => self.operations.disown(&wanted),
            Some(RunningOperation::Listening) => {
                if let Some(link) = &self.link {
                    link.give_up(id);
                }
            }
            None => {}
        }
        self.leave_if_idle(ctx);
    }

    /// Goes away, if that is asked of the session and nothing is being executed.
    pub(in crate::session) fn leave_if_idle(&mut self, ctx: &mut SessionContext) {
        let is_editing = self.conversation.as_ref().is_some_and(|editor| editor.is_busy());
        if !self.operations.are_executing()
            && !is_editing
            && let Some(reason) = self.leaving.take()
        {
            self.end(&reason, ctx);
        }
    }

    /// Looks at a fresh token and answers with a pong: until when the session is good, or why not longer.
    pub(in crate::session) fn renew(&mut self, token: String, ctx: &mut SessionContext) {
        if std::mem::replace(&mut self.renewing, true) {
            let message = "A token is already being looked at. Wait for its pong.";
            return self.pong(Some((ErrorCode::RateLimited, message)));
        }
        let identity = self.parts.identity.clone();
        let looked_at = async move { identity.of(&token).await };
        ctx.spawn(looked_at.into_actor(self).map(|identified, session, ctx| {
            session.renewing = false;
            let Some(user) = session.link.as_ref().map(|link| link.user().id) else { return };
            let error = match identified {
                Ok(identified) if identified.user.id == user => {
                    session.good_until(identified.expires_at, ctx);
                    None
                }
                Ok(_somebody_else) => Some((
                    ErrorCode::Forbidden,
                    "The token belongs to another user. Connect anew to change the user.",
                )),
                Err(crate::session::IdentityError::Store(_)) => Some((
                    ErrorCode::Unavailable,
                    "The token could not be looked at now. Try again in a moment.",
                )),
                Err(_not_good) => Some((
                    ErrorCode::Unauthenticated,
                    "The token is not valid. Sign in again for a fresh one.",
                )),
            };
            session.pong(error);
        }));
    }

    fn pong(&self, error: Option<(ErrorCode, &str)>) {
        let mut payload = serde_json::json!({ "tokenExpiresAt": self.expires_at });
        if let Some((code, message)) = error {
            payload["error"] = serde_json::json!({ "code": code.as_str(), "message": message });
        }
        let payload = payload.to_string();
        self.reply(ServerMessage::Pong { payload: Some(payload.as_bytes()) }.frame(), None);
    }
}

/// Polls a future once where it stands.
pub(in crate::session) fn at_once<T>(future: &mut BoxFuture<'static, T>) -> Poll<T> {
    future.poll_unpin(&mut TaskContext::from_waker(Waker::noop()))
}
