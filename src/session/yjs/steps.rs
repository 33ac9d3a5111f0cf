//! Runs the steps of a conversation with an editor, one after the other.

use std::{ops::ControlFlow, task::Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::port::{ConversationStep, EditorConversation, StepOutcome, WaitingUpdates};
use crate::session::protocol::poll_once;

/// A conversation and its steps.
pub(in crate::session) struct EditorSteps {
    conversation: Box<dyn EditorConversation>,
}

/// What steps led to.
#[derive(Default)]
pub(in crate::session) struct Advanced {
    /// The outcomes of the steps that have ended, in order. After [`StepOutcome::Close`] there is none.
    pub(in crate::session) outcomes: Vec<StepOutcome>,
    /// A step that has to be awaited. Its outcome goes to [`EditorSteps::finish`].
    pub(in crate::session) running: Option<BoxFuture<'static, StepOutcome>>,
    /// When the steps can go on, because a rate limit is exhausted.
    pub(in crate::session) wake_at: Option<Instant>,
}

impl EditorSteps {
    /// Returns the steps of a conversation.
    pub(in crate::session) fn of(conversation: Box<dyn EditorConversation>) -> Self {
        Self { conversation }
    }

    /// Returns the conversation.
    pub(in crate::session) fn conversation(&mut self) -> &mut dyn EditorConversation {
        &mut *self.conversation
    }

    /// Returns whether the limit of collected messages is reached.
    pub(in crate::session) fn is_full(&self) -> bool {
        self.conversation.is_full()
    }

    /// Returns how much waits.
    pub(in crate::session) fn waiting(&self) -> WaitingUpdates {
        self.conversation.waiting()
    }

    /// Returns whether an update of the editor is not stored yet.
    pub(in crate::session) fn has_unsaved_updates(&self) -> bool {
        self.conversation.has_unsaved_updates()
    }

    /// Runs the steps that are ready at once.
    pub(in crate::session) fn advance(&mut self, now: Instant) -> Advanced {
        let mut advanced = Advanced::default();
        loop {
            match self.conversation.next_step(now) {
                ConversationStep::Idle => break,
                ConversationStep::WaitUntil(at) => {
                    advanced.wake_at = Some(at);
                    break;
                }
                ConversationStep::Run(mut step) => match poll_once(&mut step) {
                    Poll::Ready(outcome) => {
                        let flow = self.finish(&outcome, now);
                        advanced.outcomes.push(outcome);
                        if flow.is_break() {
                            break;
                        }
                    }
                    Poll::Pending => {
                        advanced.running = Some(step);
                        break;
                    }
                },
            }
        }
        advanced
    }

    /// Notes the outcome of a step. Breaks if no further step may begin.
    pub(in crate::session) fn finish(
        &mut self,
        outcome: &StepOutcome,
        now: Instant,
    ) -> ControlFlow<()> {
        self.conversation.finish_step(outcome, now);
        match outcome {
            StepOutcome::Close(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Ends the conversation. Returns a future that commits the updates that no step has begun to commit.
    pub(in crate::session) fn end(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.conversation.commit_rest()
    }
}
