//! Sends GraphQL subscribers that are behind what they miss: page by page, whenever their outbox has capacity.
//!
//! A new subscriber with `since` and one whose changes were dropped are the same here. A subscriber becomes live in the turn
//! in which it has been sent the head. Changes are broadcast in other turns, so it misses none and gets none twice.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use super::{Room, reconcile::LevelRead};
use crate::{
    domain::{Change, ChangeKind, Event, Party, Version},
    editing::{EditError, LoadError, turn_document::RestartCause},
    metrics::BehindCause,
    outbox::SeatId,
    room::{
        RenderError, SeatEnd,
        delivery::{
            audience::{Backlog, ReplayOutcome},
            large_events::LargeEvent,
        },
        missing_changes::MissingChanges,
    },
    wire::envelope::Envelope,
};

impl Room {
    /// Sends a subscriber what it misses, as soon as its outbox has capacity. Does nothing for one that is not behind.
    pub(super) fn catch_up(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some(Backlog { seat: subscriber, .. }) = self.audiences.backlog(seat) else { return };
        let drained = async move { subscriber.outbox().drained(seat).await };
        self.spawn(ctx, drained, move |room, (), ctx| room.replay(seat, ctx));
    }

    fn replay(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some(Backlog { next, large_fields, restarts, seat: subscriber }) =
            self.audiences.backlog(seat)
        else {
            return;
        };
        // The deletion of the document was broadcast and ended its seats.
        let Some(head) = self.editing.head().cloned() else { return };
        if next > head.version {
            return self.audiences.mark_live(seat);
        }
        let in_memory = self.audiences.take_unsent(seat).or_else(|| {
            let recent = self.editing.recent().after(next.previous());
            recent.filter(|changes| !changes.is_empty())
        });
        if let Some(changes) = in_memory {
            return self.replay_page(seat, changes, ctx);
        }
        let party = Party::User(subscriber.user().id);
        let wants_content = large_fields.content;
        let missing = MissingChanges { document: self.document, party, next, head, wants_content };
        let (store, loader) = (self.parts().store.clone(), self.shared.loader.clone());
        let replays = self.shared.replays.clone();
        // The turn ends when the page is rendered.
        let page = async move { missing.read(&store, &loader, &replays).await };
        self.spawn(ctx, page, move |room, page, ctx| match page {
            // The database has lost changes meanwhile, perhaps these.
            _ if room.audiences.backlog(seat).is_some_and(|now| now.restarts != restarts) => {
                room.replay(seat, ctx);
            }
            Ok(Some((changes, _turn))) => room.replay_page(seat, changes, ctx),
            // The document was deleted meanwhile, which is broadcast by itself.
            Ok(None) => {}
            Err(LoadError::TooHeavy(_)) => room.evict_seat(seat, SeatEnd::TooHeavy, ctx),
            Err(error) => room.give_up_replay(seat, &error, ctx),
        });
    }

    fn replay_page(&mut self, seat: SeatId, changes: Vec<Arc<Change>>, ctx: &mut Context<Self>) {
        self.metrics().replayed();
        let resync = changes.iter().find(|change| change.kind == ChangeKind::Resync);
        if let (Some(resync), Some(Backlog { seat, next, .. })) =
            (resync, self.audiences.backlog(seat))
        {
            tracing::info!(
                session.id = %seat.session(), user.id = %seat.user().id, document.id = %self.document,
                cause = BehindCause::LogGap.label(), %next, version = %resync.version,
                "subscriber is resynchronised from the whole text"
            );
        }
        // The author of a change that may be stored does not know of it.
        let with_own = self
            .audiences
            .backlog(seat)
            .is_some_and(|backlog| self.remote.is_author_doubtful(&backlog.seat, Instant::now()));
        let replayed = self.audiences.replay(seat, &changes, with_own);
        self.continue_replay(seat, replayed, ctx);
    }

    fn continue_replay(&mut self, seat: SeatId, replayed: ReplayOutcome, ctx: &mut Context<Self>) {
        match replayed {
            ReplayOutcome::All => self.replay(seat, ctx),
            ReplayOutcome::Full => self.catch_up(seat, ctx),
            ReplayOutcome::Large(event) => self.replay_large(seat, event, ctx),
            ReplayOutcome::Gone => {}
            ReplayOutcome::Broken(error) => self.end_broken_replay(seat, &error, ctx),
        }
    }

    /// Has a large change rendered for a subscriber, then goes on with the replay.
    fn replay_large(&mut self, seat: SeatId, event: LargeEvent, ctx: &mut Context<Self>) {
        let Some(Backlog { seat: subscriber, restarts, .. }) = self.audiences.backlog(seat) else {
            return;
        };
        let Event::Changed(change) = event.event.event().clone() else { return };
        let events = self.shared.large_events.clone();
        let rendering = async move { events.render_for(subscriber.user().id, event).await };
        self.spawn(ctx, rendering, move |room, rendered, ctx| match rendered {
            Ok(rendered) => {
                let replayed = room.audiences.replay_rendered(seat, &change, rendered, restarts);
                room.continue_replay(seat, replayed, ctx);
            }
            Err(error) => room.end_broken_replay(seat, &error, ctx),
        });
    }

    fn end_broken_replay(&mut self, seat: SeatId, error: &RenderError, ctx: &mut Context<Self>) {
        match error {
            RenderError::Repetitive => self.evict_seat(seat, SeatEnd::Repetitive, ctx),
            RenderError::Busy | RenderError::Failed(_) => self.give_up_replay(seat, error, ctx),
        }
    }

    /// Has every subscriber catch up from the log, which no longer has what follows `head`.
    pub(super) fn replay_from_log(&mut self, head: Version, ctx: &mut Context<Self>) {
        tracing::warn!(%head, "the change log has a gap after the head; resynchronising subscribers");
        for seat in self.audiences.fall_behind(head) {
            self.catch_up(seat, ctx);
        }
        for seat in self.editors.fall_behind(head) {
            self.catch_up_editor(seat, ctx);
        }
    }

    /// Begins again at the stored head, because the database does not have `lost`, the head that this room had. What was lost
    /// comes back only if a Yjs editor still has it.
    pub(super) fn restart(&mut self, lost: Version, cause: RestartCause, ctx: &mut Context<Self>) {
        let version = self.editing.version();
        let stored = version.map(Version::number);
        match cause {
            RestartCause::Lost => {
                tracing::error!(
                    %lost, version = stored,
                    "the database has lost changes of this document; everyone is sent the stored text"
                );
                self.metrics().changes_lost();
            }
            RestartCause::Contradicted => {
                tracing::error!(
                    %lost, version = stored,
                    "the relay delivered changes of this document that the database does not have; everyone is sent the \
                     stored text; unless the database has failed over, find out who publishes in this Redis"
                );
                self.metrics().relay_contradicted();
            }
        }
        self.remote.forget_changes();
        // Changes of access may be lost as well.
        self.members.forget_access_versions();
        self.read_levels(LevelRead::First, ctx);
        let Some(head) = version else {
            // The database does not know the document any more.
            let effects = self.members.delete();
            return self.apply(effects, Instant::now(), ctx);
        };
        for edit in self.editing.take_based() {
            if edit.reply.send(Err(EditError::BaseTooOld { head })).is_err() {
                tracing::debug!("an edit was refused after its author had left");
            }
        }
        for seat in self.audiences.restart() {
            self.catch_up(seat, ctx);
        }
        self.editors.restart();
        // The other nodes may have lost the same changes.
        self.parts().bridge.publish(self.document, Envelope::Compare);
    }

    /// Evicts a subscriber whose missing changes could not be read. Its client may subscribe again from where it is.
    fn give_up_replay(
        &mut self,
        seat: SeatId,
        error: &(dyn std::error::Error + 'static),
        ctx: &mut Context<Self>,
    ) {
        tracing::warn!(error, "could not replay missing changes");
        self.evict_seat(seat, SeatEnd::Broken, ctx);
    }
}
