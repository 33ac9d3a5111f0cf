//! y-websocket, from the editor's messages to effects.
//!
//! The editor takes its seat as soon as it is admitted. Its socket is not read before that, and not while it sends
//! updates faster than they are stored.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{
    port::{EditorConversation, SavedUpdates, StepOutcome},
    seat_end,
    steps::{Advanced, EditorSteps},
};
use crate::{
    memory::Reservation,
    room::{SeatEnd, Subscription},
    session::{
        SessionLink,
        error::seat_lost,
        protocol::{Completion, ProtocolEffect, SessionView},
    },
    wire::{CloseReason, Message, Predecessor, yjs},
};

/// The state of a session of y-websocket.
pub(in crate::session) struct YjsProtocol {
    steps: EditorSteps,
    /// How a newer connection of the editor names this one, if the editor has sent its client id.
    name: Option<Predecessor>,
    /// The editor's seat; `None` before the editor has it and after the session has left.
    subscription: Option<Subscription>,
    /// The earliest time at which the session was asked to wake the protocol.
    wake_at: Option<Instant>,
}

/// The result of work of this protocol.
pub(in crate::session) enum YjsCompletion {
    /// The editor has its seat.
    Seated(Subscription),
    /// The editor gets no seat.
    Refused(CloseReason),
    /// The room has ended the seat.
    SeatEnded(SeatEnd),
    /// A newer session of the same user uses the editor's client id.
    ClientMoved,
    /// The session has left, and no message of the room follows.
    SeatReleased,
    /// A step of the conversation has ended.
    Step(StepOutcome),
}

impl YjsProtocol {
    /// Creates the state of a session that has just opened.
    pub(in crate::session) fn new(
        conversation: Box<dyn EditorConversation>,
        name: Option<Predecessor>,
    ) -> Self {
        Self { steps: EditorSteps::of(conversation), name, subscription: None, wake_at: None }
    }

    /// Authenticates at once: the upgrade carried the token.
    pub(in crate::session) fn start(&self) -> Vec<ProtocolEffect> {
        let authenticate = ProtocolEffect::Authenticate { token: None, predecessor: self.name };
        vec![ProtocolEffect::PauseReading(true), authenticate]
    }

    /// Returns how a newer connection of the editor names this one.
    pub(in crate::session) fn name(&self) -> Option<Predecessor> {
        self.name
    }

    /// Takes the editor's seat.
    pub(in crate::session) fn admit(&mut self, link: Arc<SessionLink>) -> Vec<ProtocolEffect> {
        let (ended, seat_end, client_moved) = seat_end::channel();
        self.steps.conversation().admit(Arc::clone(&link));
        let entering = self.steps.conversation().enter(link.subscriber(), ended);
        let seated = entering.map(|entered| match entered {
            Ok(subscription) => YjsCompletion::Seated(subscription),
            Err(reason) => YjsCompletion::Refused(reason),
        });
        let ended = seat_end.map(|end| match end {
            Ok(why) => YjsCompletion::SeatEnded(why),
            Err(_never_ended) => YjsCompletion::SeatReleased,
        });
        let moved = client_moved.map(|moved| match moved {
            Ok(()) => YjsCompletion::ClientMoved,
            Err(_never_moved) => YjsCompletion::SeatReleased,
        });
        vec![wait(seated), wait(ended), wait(moved)]
    }

    pub(in crate::session) fn receive(
        &mut self,
        message: &Message,
        held: Option<Reservation>,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        let received = match message {
            Message::Binary(bytes) => self.steps.conversation().receive(bytes, held),
            Message::Text(_) => {
                let text = "Text messages are not supported; send binary messages";
                Err(CloseReason::BadMessage(text.into()))
            }
        };
        match received {
            Ok(()) => self.advance(view),
            Err(reason) => vec![ProtocolEffect::Close(reason)],
        }
    }

    pub(in crate::session) fn complete(
        &mut self,
        completion: YjsCompletion,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        match completion {
            YjsCompletion::Seated(subscription) => {
                self.steps.conversation().begin(subscription.editor());
                self.subscription = Some(subscription);
                self.advance(view)
            }
            YjsCompletion::Refused(reason) => vec![ProtocolEffect::Close(reason)],
            YjsCompletion::SeatEnded(why) => vec![ProtocolEffect::Close(seat_lost(why))],
            YjsCompletion::ClientMoved => vec![ProtocolEffect::Probe],
            YjsCompletion::SeatReleased => vec![],
            YjsCompletion::Step(outcome) => {
                let mut effects = effects_of(outcome.clone());
                if self.steps.finish(&outcome, view.now) == ControlFlow::Continue(()) {
                    effects.extend(self.advance(view));
                }
                effects
            }
        }
    }

    /// Continues at the time `at`, which the protocol asked for.
    pub(in crate::session) fn wake(
        &mut self,
        at: Instant,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        if self.wake_at == Some(at) {
            self.wake_at = None;
        }
        self.advance(view)
    }

    /// Runs the steps that are ready at once, and returns what is left to do.
    fn advance(&mut self, view: &SessionView) -> Vec<ProtocolEffect> {
        let Advanced { outcomes, running, wake_at } = self.steps.advance(view.now);
        let mut effects: Vec<_> = outcomes.into_iter().flat_map(effects_of).collect();
        if matches!(effects.last(), Some(ProtocolEffect::Close(_))) {
            return effects;
        }
        if let Some(at) = wake_at
            && self.wake_at.is_none_or(|earlier| at < earlier)
        {
            self.wake_at = Some(at);
            effects.push(ProtocolEffect::WakeAt(at));
        }
        effects.extend(running.map(|step| wait(step.map(YjsCompletion::Step))));
        // A session that closes once it is idle must not receive updates that it would have to wait for.
        let paused = self.steps.is_full() || view.is_draining;
        effects.push(ProtocolEffect::PauseReading(paused));
        effects
    }

    /// Returns whether an update of the editor is not stored yet.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.steps.has_unsaved_updates()
    }

    /// Gives the seat up. Returns a future that commits the updates that are not stored yet.
    pub(in crate::session) fn leave(&mut self) -> Option<BoxFuture<'static, ()>> {
        let rest = self.steps.end();
        self.subscription = None;
        rest
    }
}

/// Returns what follows from the outcome of a step.
fn effects_of(outcome: StepOutcome) -> Vec<ProtocolEffect> {
    let frames = match outcome {
        StepOutcome::Done | StepOutcome::OutOfSync => [None, None],
        StepOutcome::Stored { saved, notice } => {
            [saved_frame(&saved), notice.map(yjs::permission_denied)]
        }
        StepOutcome::StoredInPart { notice } => [notice.map(yjs::permission_denied), None],
        StepOutcome::Denied(reason)
        | StepOutcome::Refused(reason)
        | StepOutcome::Postponed(reason) => [Some(yjs::permission_denied(&reason)), None],
        StepOutcome::Close(reason) => return vec![ProtocolEffect::Close(reason)],
    };
    let reply = |frame: Bytes| ProtocolEffect::Reply(frame.into(), None);
    frames.into_iter().flatten().map(reply).collect()
}

/// Returns the acknowledgement of stored updates, if the editor wants it.
fn saved_frame(saved: &SavedUpdates) -> Option<Bytes> {
    let state_vector = saved.state_vector.as_ref()?;
    Some(yjs::saved(saved.version, state_vector, saved.updates))
}

fn wait(future: impl Future<Output = YjsCompletion> + 'static) -> ProtocolEffect {
    ProtocolEffect::Await(future.map(Completion::Yjs).boxed_local())
}
