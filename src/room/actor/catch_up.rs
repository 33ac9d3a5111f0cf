//! How a seat that is behind gets everything it misses: page by page, whenever its outbox has room.
//!
//! A new seat with `since` and one whose changes had to give way are the same here. The seat is live again in the
//! turn in which it has been sent the head; changes are told in turns of their own, so there is neither a hole nor a
//! double.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use super::room::Room;
use crate::{
    domain::{Change, ChangeKind, DocumentId, Version},
    editing::{
        LoadError,
        loader::{DocumentLoader, follow_each_other},
        recent::RecentChanges,
    },
    outbox::SeatId,
    room::{SeatEnd, delivery::audience::ReplayOutcome},
    store::Store,
};

/// So many bytes of the log are rendered in one turn at most.
const MAX_PAGE_BYTES: usize = 64 * 1024;

impl Room {
    /// Sends a seat what it misses, as soon as its outbox has room.
    pub(in crate::room) fn catch_up(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some((_, _, place)) = self.audiences.behind(seat) else { return };
        let drained = async move { place.outbox.drained(seat).await };
        ctx.spawn(drained.into_actor(self).map(move |(), room, ctx| room.replay(seat, ctx)));
    }

    fn replay(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some((next, wants_content, _)) = self.audiences.behind(seat) else { return };
        // A document that is gone has told of its end, and its seats have ended.
        let Some(head) = self.editing.head.as_ref().map(|head| head.version) else { return };
        if next > head {
            return self.audiences.caught_up(seat);
        }
        let kept = self.audiences.take_rest(seat).or_else(|| {
            let recent = self.editing.recent.after(next.previous());
            recent.filter(|changes| !changes.is_empty())
        });
        if let Some(changes) = kept {
            return self.replay_page(seat, changes, ctx);
        }
        let missing = Missing { document: self.document, next, head, wants_content };
        let (store, texts) = (self.shared.parts.store.clone(), self.shared.texts.clone());
        let page = async move { missing.read(&store, &texts).await };
        ctx.spawn(page.into_actor(self).map(move |page, room, ctx| match page {
            Ok(Some(changes)) => room.replay_page(seat, changes, ctx),
            // The document was deleted meanwhile, which is told by itself.
            Ok(None) => {}
            Err(error) => room.lose(seat, &error, ctx),
        }));
    }

    fn replay_page(&mut self, seat: SeatId, changes: Vec<Arc<Change>>, ctx: &mut Context<Self>) {
        self.shared.parts.metrics.replayed();
        match self.audiences.replay(seat, &changes) {
            ReplayOutcome::All => self.replay(seat, ctx),
            ReplayOutcome::Full => self.catch_up(seat, ctx),
            ReplayOutcome::Gone => {}
            ReplayOutcome::Broken(error) => self.lose(seat, &error, ctx),
        }
    }

    /// What was told last, of version `told`, is not what comes next: whoever listens is sent the rest from the log.
    pub(in crate::room) fn close_gap(&mut self, told: Version, ctx: &mut Context<Self>) {
        self.editing.recent = Arc::new(RecentChanges::new(self.shared.options.recent_bytes));
        for seat in self.audiences.all_behind(told) {
            self.catch_up(seat, ctx);
        }
        for seat in self.editors.all_behind(told) {
            self.catch_up_editor(seat, ctx);
        }
    }

    /// A seat cannot be sent what it misses; its client is told, and may ask again from where it is.
    fn lose(
        &mut self,
        seat: SeatId,
        error: &(dyn std::error::Error + 'static),
        ctx: &mut Context<Self>,
    ) {
        tracing::warn!(error, document.id = %self.document, "what a reader missed could not be sent");
        self.audiences.evict(seat, SeatEnd::Broken);
        let effects = self.state.leave(seat);
        self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
        self.linger_if_idle(ctx);
    }
}

/// What a seat is to be sent from the log.
struct Missing {
    document: DocumentId,
    next: Version,
    head: Version,
    wants_content: bool,
}

impl Missing {
    /// Changes from the log, beginning with the one that made `next`; where that is no longer kept, where to start
    /// again. None when the document is gone.
    async fn read(
        &self,
        store: &Store,
        texts: &DocumentLoader,
    ) -> Result<Option<Vec<Arc<Change>>>, LoadError> {
        let after = self.next.previous();
        let page = store.list_changes(self.document, after, self.head, MAX_PAGE_BYTES).await?;
        if page.is_empty() || !follow_each_other(&page, after) {
            return self.start_again(store, texts).await;
        }
        let page = if self.wants_content {
            match texts.fill(self.document, None, page).await {
                // The log begins here, and what was before it is in no snapshot.
                Err(LoadError::NotKept) => return self.start_again(store, texts).await,
                filled => filled?,
            }
        } else {
            page
        };
        Ok(Some(page.into_iter().map(Arc::new).collect()))
    }

    /// The document as it is, for whoever asks for changes that are no longer kept.
    async fn start_again(
        &self,
        store: &Store,
        texts: &DocumentLoader,
    ) -> Result<Option<Vec<Arc<Change>>>, LoadError> {
        let Some(head) = store.find_head(self.document).await? else { return Ok(None) };
        let content = match texts.content(self.document, head.version).await {
            Err(LoadError::NotKept) if store.find_head(self.document).await?.is_none() => {
                return Ok(None);
            }
            content => content?,
        };
        Ok(Some(vec![Arc::new(Change {
            document: self.document,
            kind: ChangeKind::Resync,
            version: head.version,
            author: None,
            session: None,
            title: head.title,
            delta: None,
            update: None,
            content: Some(content),
            at: head.at,
        })]))
    }
}
