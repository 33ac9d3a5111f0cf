//! The session of a Yjs editor: seated as soon as it is admitted, then a conversation with its room.
//!
//! Until it sits, and while what it sent gathers faster than it is stored, its socket is not read.

use std::{sync::Arc, task::Poll, time::Duration};

use actix::prelude::*;
use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    outbox::InFlight,
    room::{SeatEnd, SeatEnded},
    session::{
        ConversationStep, SessionLink, StepOutcome, actor::Session, graphql::execution::at_once,
        messages::SeatLost, socket::SessionContext,
    },
    wire::{CloseReason, graphql_ws::OperationId},
};

/// Tells a session that its editor's seat is gone.
struct Bell(Addr<Session>);

impl SeatEnded for Bell {
    fn seat_ended(&self, why: SeatEnd) {
        let session = self.0.clone();
        // Where there is no runtime any more, there is no session either.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Never lost: a task waits for its place in the mailbox.
        runtime.spawn(async move {
            if session.send(SeatLost(why)).await.is_err() {
                tracing::debug!("a session had ended before it lost its seat");
            }
        });
    }
}

impl Session {
    /// An editor was admitted: it takes its seat.
    pub(in crate::session) fn seat_editor(
        &mut self,
        link: Arc<SessionLink>,
        ctx: &mut SessionContext,
    ) {
        let Some(conversation) = &self.conversation else { return };
        let entering = conversation.enter(link.subscriber(), Arc::new(Bell(ctx.address())));
        ctx.spawn(entering.into_actor(self).map(|entered, session, ctx| match entered {
            Ok(subscription) => {
                let seat = subscription.editor();
                link.keep(OperationId::of_editor(), subscription);
                if let Some(conversation) = &mut session.conversation {
                    conversation.entered(link, seat);
                }
                session.go_on(ctx);
            }
            Err(reason) => session.end(&reason, ctx),
        }));
    }

    /// Takes in a binary message of an editor.
    pub(in crate::session) fn hear_editor(&mut self, message: &Bytes, ctx: &mut SessionContext) {
        let Some(conversation) = &mut self.conversation else { return };
        match conversation.receive(message) {
            Ok(()) => self.go_on(ctx),
            Err(reason) => self.end(&reason, ctx),
        }
    }

    /// Does what is next, as long as it is done at once.
    fn go_on(&mut self, ctx: &mut SessionContext) {
        while let Some(conversation) = &mut self.conversation
            && !self.gate.is_closing()
        {
            match conversation.next() {
                ConversationStep::Nothing => break,
                ConversationStep::Wait(time) => {
                    self.go_on_later(time, ctx);
                    break;
                }
                ConversationStep::Work(mut work) => {
                    if let Poll::Ready(outcome) = at_once(&mut work) {
                        self.editor_done(outcome, ctx);
                        continue;
                    }
                    ctx.spawn(work.into_actor(self).map(|outcome, session, ctx| {
                        session.editor_done(outcome, ctx);
                        session.go_on(ctx);
                        session.leave_if_idle(ctx);
                    }));
                    break;
                }
            }
        }
        if self.gate.is_closing() {
            return;
        }
        let is_full = self.conversation.as_ref().is_some_and(|conversation| conversation.is_full());
        // Whoever is to go sends nothing more that would have to be waited for.
        self.intake.pause(is_full || self.leaving.is_some());
    }

    fn go_on_later(&mut self, time: Duration, ctx: &mut SessionContext) {
        let at = Instant::now() + time;
        if self.goes_on_at.is_none_or(|before| at < before) {
            self.goes_on_at = Some(at);
            ctx.run_later(time, move |session, ctx| {
                if session.goes_on_at == Some(at) {
                    session.goes_on_at = None;
                }
                session.go_on(ctx);
                session.leave_if_idle(ctx);
            });
        }
    }

    /// What an editor wrote and is not stored yet is stored although it has gone.
    pub(in crate::session) fn store_the_rest(&mut self) {
        let rest = self.conversation.as_mut().and_then(|conversation| conversation.leave());
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(rest);
        }
    }

    fn editor_done(&mut self, outcome: StepOutcome, ctx: &mut SessionContext) {
        if let Some(conversation) = &mut self.conversation {
            conversation.done(&outcome);
        }
        match outcome {
            StepOutcome::Done | StepOutcome::Again => {}
            StepOutcome::Reply(frame) => self.reply(frame, None::<InFlight>),
            StepOutcome::Close(reason) => self.end(&reason, ctx),
        }
    }

    /// Text is nothing that an editor says.
    pub(in crate::session) fn refuse_text(&mut self, ctx: &mut SessionContext) {
        let text = "Text messages are not spoken here; send binary ones";
        self.end(&CloseReason::BadMessage(text.into()), ctx);
    }
}
