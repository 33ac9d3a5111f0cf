//! How a seat that is behind gets everything it misses: page by page, whenever its outbox has room.
//!
//! A new seat with `since` and one whose changes had to give way are the same here. The seat is live again in the
//! turn in which it has been sent the head; changes are told in turns of their own, so there is neither a hole nor a
//! double.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use super::{SeatEnd, TextError, actor::Room, audience::Replayed, texts};
use crate::{
    domain::{Change, ChangeKind, DocumentId, Version},
    outbox::SeatId,
    store::Store,
};

/// So many bytes of the log are rendered in one turn at most.
const PAGE_BYTES: usize = 64 * 1024;

impl Room {
    /// Sends a seat what it misses, as soon as its outbox has room.
    pub(super) fn catch_up(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
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
        if let Some(changes) = self.editing.recent.after(next.previous()) {
            return self.replay_page(seat, &changes, ctx);
        }
        let (store, document) = (self.parts.store.clone(), self.document);
        let page = async move { read_page(&store, document, next, head, wants_content).await };
        ctx.spawn(page.into_actor(self).map(move |page, room, ctx| match page {
            Ok(changes) => room.replay_page(seat, &changes, ctx),
            // The document was deleted meanwhile, which is told by itself.
            Err(TextError::NotKept) => {}
            Err(error) => room.lose(seat, &error, ctx),
        }));
    }

    fn replay_page(&mut self, seat: SeatId, changes: &[Arc<Change>], ctx: &mut Context<Self>) {
        self.parts.metrics.replayed();
        match self.audiences.replay(seat, changes) {
            Replayed::All => self.replay(seat, ctx),
            Replayed::Full => self.catch_up(seat, ctx),
            Replayed::Gone => {}
            Replayed::Broken(error) => self.lose(seat, &error, ctx),
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

/// Changes from the log, beginning with the one that made `next`; where that is no longer kept, where to start again.
async fn read_page(
    store: &Store,
    document: DocumentId,
    next: Version,
    head: Version,
    wants_content: bool,
) -> Result<Vec<Arc<Change>>, TextError> {
    let mut page = store.list_changes(document, next.previous(), head, PAGE_BYTES).await?;
    if page.first().is_none_or(|first| first.version != next) {
        return Ok(vec![Arc::new(start_again(store, document).await?)]);
    }
    if wants_content {
        match texts::fill_contents(store, document, &mut page).await {
            // The log begins here, and what was before it is in no snapshot.
            Err(TextError::NotKept) => {
                return Ok(vec![Arc::new(start_again(store, document).await?)]);
            }
            filled => filled?,
        }
    }
    Ok(page.into_iter().map(Arc::new).collect())
}

/// The document as it is, for whoever asks for changes that are no longer kept.
async fn start_again(store: &Store, document: DocumentId) -> Result<Change, TextError> {
    let head = store.find_head(document).await?.ok_or(TextError::NotKept)?;
    let content = texts::load_content(store, document, head.version).await?;
    Ok(Change {
        document,
        kind: ChangeKind::Resync,
        version: head.version,
        author: None,
        session: None,
        title: head.title,
        delta: None,
        update: None,
        content: Some(content),
        at: head.at,
    })
}
