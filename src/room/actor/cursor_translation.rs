//! The part of the room's actor that puts places in the text into the other kind of words: what editors say for those who
//! think in lines and columns, and cursors for editors.
//!
//! Each means walking through the text, for which the replica is needed. While it is away only the newest place of each
//! session is remembered, and on a large document they gather for a while.

use std::time::Duration;

use actix::prelude::*;
use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;

use super::room::Room;
use crate::{
    domain::{Cursor, Presence, SessionId},
    editing::{Selection, loader::MAX_INLINE_BYTES},
    room::SeatEnd,
};

/// On a large document places are put into other words at most so often.
const TRANSLATE_EVERY: Duration = Duration::from_millis(100);

/// A place in the text that has to be put into the other kind of words.
pub(in crate::room) enum Pointing {
    /// What an editor says, for everybody else.
    Selection(Option<Selection>),
    /// The cursor of somebody who is present, for editors.
    Cursor(Box<Presence>),
}

/// A place in the other kind of words.
enum Meant {
    Cursor(Option<Cursor>),
    Selection(Box<Presence>, Option<(Value, Value)>),
}

impl Room {
    pub(in crate::room) fn forget_pointing(&mut self) {
        self.who.pointings.clear();
    }

    pub(in crate::room) fn has_to_point(&self) -> bool {
        !self.who.pointings.is_empty()
    }

    /// Puts places into the other kind of words, now that the replica is here. Each means walking through the text, so on
    /// a large one they gather for a while.
    pub(in crate::room) fn point(&mut self, ctx: &mut Context<Self>) {
        let Some(replica) = &self.editing.replica else { return };
        if self.who.pointings.is_empty() || self.who.is_pointing {
            return;
        }
        if replica.weight() > MAX_INLINE_BYTES {
            self.who.is_pointing = true;
            ctx.run_later(TRANSLATE_EVERY, |room, ctx| {
                room.who.is_pointing = false;
                room.point_now(ctx);
            });
        } else {
            self.point_now(ctx);
        }
    }

    fn point_now(&mut self, ctx: &mut Context<Self>) {
        // Where it is away again, its return is when this goes on.
        let Some(replica) = &self.editing.replica else { return };
        let mut meant = Vec::with_capacity(self.who.pointings.len());
        for (session, pointing) in self.who.pointings.drain() {
            meant.push(match pointing {
                Pointing::Selection(selection) => {
                    let cursor = selection.and_then(|selection| replica.cursor_of(&selection));
                    (session, Meant::Cursor(cursor))
                }
                Pointing::Cursor(presence) => {
                    let selection = presence.cursor.map(|cursor| replica.selection_of(cursor));
                    (session, Meant::Selection(presence, selection))
                }
            });
        }
        for (session, meant) in meant {
            match meant {
                Meant::Cursor(cursor) => self.move_editor_to(session, cursor, ctx),
                Meant::Selection(presence, selection) => self.show_at(&presence, selection),
            }
        }
    }

    /// An editor's cursor is here, for those who think in lines and columns.
    pub(in crate::room) fn move_editor(
        &mut self,
        session: SessionId,
        selection: Option<Selection>,
        ctx: &mut Context<Self>,
    ) {
        let cursor: Option<Cursor> = match (selection, &self.editing.replica) {
            (None, _) => None,
            (Some(selection), Some(replica)) if replica.weight() <= MAX_INLINE_BYTES => {
                replica.cursor_of(&selection)
            }
            (selection, _) => {
                self.who.pointings.insert(session, Pointing::Selection(selection));
                return;
            }
        };
        self.move_editor_to(session, cursor, ctx);
    }

    fn move_editor_to(
        &mut self,
        session: SessionId,
        cursor: Option<Cursor>,
        ctx: &mut Context<Self>,
    ) {
        if self.state.cursor_of(session).is_some_and(|before| before != cursor) {
            let effects = match cursor {
                Some(cursor) => self.state.move_cursor(session, cursor, Utc::now()),
                None => self.state.lift_cursor(session, Utc::now()),
            };
            self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
        }
    }
}
