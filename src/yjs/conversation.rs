//! A conversation with one editor: what came of it and has to be done, one thing after the other.
//!
//! Updates gather while others are being stored, and are then merged as one change; of what an editor says of itself the
//! newest counts, of what it asks for the last question. What comes faster than is allowed waits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use indexmap::IndexMap;
use tokio::time::Instant;

use super::{
    admission,
    error::{Remedy, remedy},
    states,
};
use crate::{
    domain::{DocumentId, UserId},
    editing::{EditKind, EditRequest, StoredEdit},
    metrics::Metrics,
    room::{
        AWARENESS_TICK, EditorAwareness, EditorHandle, Rooms, SeatEnded, Subscriber, Subscription,
    },
    session::{ConversationStep, Converse, Limits, SessionLink, StepOutcome, Throttle},
    store::{Store, StoreError},
    wire::{
        CloseReason,
        yjs::{self, EditorMessage, Malformed, awareness},
    },
};

/// Whoever does too much at once goes on after so long.
const A_MOMENT: Duration = Duration::from_millis(20);

/// An editor that is out of step is asked what it has after so long, and after twice as long each time that it does
/// not help.
const ASK_AFTER: Duration = Duration::from_millis(50);
const MAX_ASK_AFTER: Duration = Duration::from_secs(10);

/// Of so many clients a message may say something; a room has no more.
const MAX_AWARENESS: usize = 64;

/// What conversations need of the node.
pub struct EditorParts {
    /// The open documents.
    pub rooms: Rooms,
    /// Asked who may do what.
    pub store: Store,
    /// How often a user may ask for something.
    pub throttle: Arc<Throttle<UserId>>,
    /// The meters.
    pub metrics: Metrics,
    /// The `[limits]` section.
    pub limits: Limits,
}

/// A conversation with one editor.
pub struct Conversation {
    parts: Arc<EditorParts>,
    document: DocumentId,
    /// Whether the editor wants to be told what is stored.
    acknowledge: bool,
    seat: Option<(Arc<SessionLink>, EditorHandle)>,
    to_do: ToDo,
    doing: Doing,
    /// How often in a row the editor was out of step, and when it is asked what it has.
    missteps: u32,
    ask_at: Option<Instant>,
    /// When the editor may say something of itself again.
    speaks_at: Option<Instant>,
}

/// What has come and is not done yet.
#[derive(Default)]
struct ToDo {
    /// What the editor has of each client: it wants the rest.
    clocks: Option<Vec<(u64, u32)>>,
    updates: Vec<Bytes>,
    bytes: usize,
    /// How many updates came in all.
    came: u64,
    /// What it says, by the id of the client.
    words: IndexMap<u32, EditorAwareness>,
    /// It wants to know who is here.
    asks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    /// Something that it wrote is being stored.
    Storing,
    Other,
}

impl Conversation {
    /// With an editor that opens `document`; it is told what is stored if it wants that acknowledged.
    #[must_use]
    pub fn new(parts: Arc<EditorParts>, document: DocumentId, acknowledge: bool) -> Self {
        let (to_do, doing) = (ToDo::default(), Doing::Nothing);
        Self {
            parts,
            document,
            acknowledge,
            seat: None,
            to_do,
            doing,
            missteps: 0,
            ask_at: None,
            speaks_at: None,
        }
    }

    fn take_in(&mut self, message: EditorMessage) -> Result<(), Malformed> {
        match message {
            EditorMessage::Step1(state_vector) => {
                self.to_do.clocks = Some(yjs::state_vector(&state_vector)?);
            }
            EditorMessage::Update(update) => {
                self.to_do.bytes += update.len();
                self.to_do.came += 1;
                self.to_do.updates.push(update);
            }
            EditorMessage::QueryAwareness => self.to_do.asks = true,
            EditorMessage::Awareness(bytes) => {
                // Editors pass on what they hear of others; the room ignores that until it knows which is theirs.
                let own = self.seat.as_ref().and_then(|(_, seat)| seat.seat().client());
                let is_own = |client: u64| own.is_none_or(|own| u64::from(own) == client);
                for entry in awareness::read(&bytes)? {
                    let entry = entry?;
                    if !is_own(entry.client) {
                        continue;
                    }
                    let words = match states::read(&entry, self.parts.limits.awareness) {
                        // What it passes on is not its fault.
                        Err(_) if own.is_none() => None,
                        words => words?,
                    };
                    if let Some(words) = words {
                        self.to_do.words.insert(words.client, words);
                    }
                    if self.to_do.words.len() > MAX_AWARENESS {
                        self.to_do.words.shift_remove_index(0);
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the room what the editor says of itself, as often as it may: the first word at once, and of those that follow
    /// it the newest, so that the clocks of awareness never run ahead of the time.
    fn speak(&mut self, link: &SessionLink, seat: &EditorHandle) -> Option<ConversationStep> {
        if self.to_do.words.is_empty() {
            return None;
        }
        let now = Instant::now();
        if let Some(at) = self.speaks_at.filter(|at| now < *at) {
            return Some(ConversationStep::Wait(at - now));
        }
        self.speaks_at = Some(now + AWARENESS_TICK);
        while let Some((client, words)) = self.to_do.words.shift_remove_index(0) {
            if link.take_cursor().is_err() {
                self.to_do.words.insert(client, words);
                return Some(ConversationStep::Wait(A_MOMENT));
            }
            seat.update_awareness(words);
        }
        None
    }

    fn answer(&mut self, link: &SessionLink, seat: &EditorHandle) -> Option<ConversationStep> {
        if self.to_do.clocks.is_none() && !self.to_do.asks {
            return None;
        }
        if self.parts.throttle.take(&link.user().id).is_err() {
            return Some(ConversationStep::Wait(A_MOMENT));
        }
        let (seat, clocks) = (seat.clone(), self.to_do.clocks.take());
        self.doing = Doing::Other;
        Some(ConversationStep::Work(match clocks {
            Some(clocks) => async move {
                seat.request_step_2(clocks).await;
                StepOutcome::Done
            }
            .boxed(),
            None => {
                self.to_do.asks = false;
                async move {
                    seat.request_awareness().await;
                    StepOutcome::Done
                }
                .boxed()
            }
        }))
    }

    /// An editor that was out of step is asked what it has, once it is time.
    fn ask(&mut self, _link: &SessionLink, seat: &EditorHandle) -> Option<ConversationStep> {
        let left = self.ask_at?.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Some(ConversationStep::Wait(left));
        }
        self.ask_at = None;
        self.doing = Doing::Other;
        let seat = seat.clone();
        let asking = async move {
            seat.request_step_1().await;
            StepOutcome::Done
        };
        Some(ConversationStep::Work(asking.boxed()))
    }

    /// Everything that it wrote and is not being stored yet.
    fn take_order(&mut self, link: &SessionLink) -> Option<EditRequest> {
        let updates = std::mem::take(&mut self.to_do.updates);
        self.to_do.bytes = 0;
        (!updates.is_empty()).then(|| EditRequest {
            document: self.document,
            author: link.user().id,
            session: Some(link.id()),
            name: None,
            kind: EditKind::Merge { updates, acknowledge: self.acknowledge },
        })
    }

    fn store(&mut self, link: &SessionLink, seat: &EditorHandle) -> Option<ConversationStep> {
        if self.to_do.updates.is_empty() {
            return None;
        }
        if link.take_edit().is_err() {
            return Some(ConversationStep::Wait(A_MOMENT));
        }
        let order = self.take_order(link)?;
        self.doing = Doing::Storing;
        let (parts, seat) = (Arc::clone(&self.parts), seat.clone());
        // Storing goes on when the client hangs up: between storing and telling nothing may stop it.
        let came = self.to_do.came;
        let storing = tokio::spawn(async move { carry_out(&parts, &seat, order, came).await });
        Some(ConversationStep::Work(
            async move { storing.await.unwrap_or(StepOutcome::Close(CloseReason::InternalError)) }
                .boxed(),
        ))
    }
}

/// Has a change stored, with which so many updates are, and says what the editor is to be told.
async fn carry_out(
    parts: &EditorParts,
    seat: &EditorHandle,
    order: EditRequest,
    came: u64,
) -> StepOutcome {
    // Nobody is asked in vain: the room hears of it when the user may do more.
    let answer = match seat.may_edit() {
        true => parts.rooms.edit(order).await,
        false => Err(StoreError::Denied.into()),
    };
    let error = match answer {
        Ok(StoredEdit { is_partial: true, .. }) => return StepOutcome::Again,
        Ok(StoredEdit { version, state_vector: Some(state_vector), .. }) => {
            return StepOutcome::Reply(yjs::saved(version, &state_vector, came));
        }
        Ok(_) => return StepOutcome::Done,
        Err(error) => error,
    };
    match remedy(&error) {
        Remedy::Deny => {
            parts.metrics.permission_denied();
            StepOutcome::Reply(yjs::permission_denied(
                "You may read this document and not change it. Ask its owner for access.",
            ))
        }
        Remedy::Ask => StepOutcome::Again,
        Remedy::Close(reason) => {
            let cause: &dyn std::error::Error = &error;
            tracing::debug!(error = cause, "what an editor wrote was not stored");
            StepOutcome::Close(reason)
        }
    }
}

impl Converse for Conversation {
    fn enter(
        &self,
        subscriber: Subscriber,
        on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>> {
        let (parts, document) = (Arc::clone(&self.parts), self.document);
        async move { admission::admit(&parts, document, &subscriber, on_end).await }.boxed()
    }

    fn entered(&mut self, link: Arc<SessionLink>, seat: EditorHandle) {
        self.seat = Some((link, seat));
    }

    fn receive(&mut self, message: &Bytes) -> Result<(), CloseReason> {
        let bad = |error: Malformed| CloseReason::BadMessage(error.0.into());
        for message in yjs::parse(message).map_err(bad)? {
            self.take_in(message).map_err(bad)?;
        }
        Ok(())
    }

    fn next(&mut self) -> ConversationStep {
        if self.doing != Doing::Nothing {
            return ConversationStep::Nothing;
        }
        let Some((link, seat)) = self.seat.clone() else { return ConversationStep::Nothing };
        // What has to wait keeps nothing else waiting.
        let mut wait: Option<Duration> = None;
        let steps = [Self::speak, Self::store, Self::answer, Self::ask];
        for step in steps {
            match step(self, &link, &seat) {
                Some(ConversationStep::Wait(time)) => {
                    wait = Some(wait.map_or(time, |wait| wait.min(time)));
                }
                Some(work) => return work,
                None => {}
            }
        }
        wait.map_or(ConversationStep::Nothing, ConversationStep::Wait)
    }

    fn done(&mut self, outcome: &StepOutcome) {
        let was = std::mem::replace(&mut self.doing, Doing::Nothing);
        if *outcome == StepOutcome::Again {
            let patience = ASK_AFTER.saturating_mul(1 << self.missteps.min(8));
            self.missteps += 1;
            self.ask_at.get_or_insert(Instant::now() + patience.min(MAX_ASK_AFTER));
        } else if was == Doing::Storing {
            self.missteps = 0;
        }
    }

    fn leave(&mut self) -> Option<BoxFuture<'static, ()>> {
        let (link, _) = self.seat.clone()?;
        let (order, parts) = (self.take_order(&link)?, Arc::clone(&self.parts));
        let storing = async move {
            // Nobody is left to be told; whoever comes back says again what he has.
            if let Err(error) = parts.rooms.edit(order).await {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "the last of what an editor wrote was not stored");
            }
        };
        Some(storing.boxed())
    }

    fn is_full(&self) -> bool {
        self.seat.is_none()
            || self.to_do.bytes > self.parts.limits.message
            || self.to_do.updates.len() > self.parts.limits.operations_in_flight
    }

    fn is_busy(&self) -> bool {
        self.doing == Doing::Storing || !self.to_do.updates.is_empty()
    }
}
