//! Translates cursors between Yjs relative positions and line and column.
//!
//! A translation walks through the text and needs the replica. While the replica is lent, only the newest cursor of each
//! session is kept; on a large document they gather for a while.

use std::time::Duration;

use actix::prelude::*;
use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;

use super::Room;
use crate::{
    domain::{Cursor, Presence, SessionId},
    editing::{Selection, loader::MAX_INLINE_BYTES},
    room::awareness::state::PendingTranslation,
};

/// How long cursors of a large document gather before they are translated.
const TRANSLATE_EVERY: Duration = Duration::from_millis(100);

/// A translated cursor.
enum Translation {
    Cursor(Option<Cursor>),
    Selection(Box<Presence>, Option<(Value, Value)>),
}

impl Room {
    /// Translates the waiting cursors if the replica is here; on a large document, after a while.
    pub(super) fn translate_cursors(&mut self, ctx: &mut Context<Self>) {
        let Some(replica) = self.editing.replica() else { return };
        if !self.awareness.has_translations() || self.awareness.is_translation_scheduled() {
            return;
        }
        if replica.weight() <= MAX_INLINE_BYTES {
            return self.translate_now(ctx);
        }
        self.awareness.set_translation_scheduled(true);
        self.run_later(ctx, TRANSLATE_EVERY, |room, ctx| {
            room.awareness.set_translation_scheduled(false);
            room.translate_now(ctx);
        });
    }

    fn translate_now(&mut self, ctx: &mut Context<Self>) {
        // If the replica is lent, its return continues here.
        let Some(replica) = self.editing.replica() else { return };
        let mut translated = Vec::new();
        for (session, pending) in self.awareness.take_translations() {
            let translation = match pending {
                PendingTranslation::Selection(selection) => {
                    let cursor = selection.and_then(|selection| replica.cursor_of(&selection));
                    Translation::Cursor(cursor)
                }
                PendingTranslation::Cursor(presence) => {
                    let selection = presence.cursor.map(|cursor| replica.selection_of(cursor));
                    Translation::Selection(presence, selection)
                }
            };
            translated.push((session, translation));
        }
        for (session, translation) in translated {
            match translation {
                Translation::Cursor(cursor) => self.set_editor_cursor(session, cursor, ctx),
                Translation::Selection(presence, selection) => {
                    self.set_derived_awareness(&presence, selection);
                }
            }
        }
    }

    /// Moves an editor's cursor for clients that use line and column.
    pub(super) fn move_editor_cursor(
        &mut self,
        session: SessionId,
        selection: Option<Selection>,
        ctx: &mut Context<Self>,
    ) {
        let cursor: Option<Cursor> = match (selection, self.editing.replica()) {
            (None, _) => None,
            (Some(selection), Some(replica)) if replica.weight() <= MAX_INLINE_BYTES => {
                replica.cursor_of(&selection)
            }
            (selection, _) => {
                let pending = PendingTranslation::Selection(selection);
                return self.awareness.translate_later(session, pending);
            }
        };
        self.set_editor_cursor(session, cursor, ctx);
    }

    fn set_editor_cursor(
        &mut self,
        session: SessionId,
        cursor: Option<Cursor>,
        ctx: &mut Context<Self>,
    ) {
        if self.members.cursor_of(session).is_some_and(|before| before != cursor) {
            let effects = match cursor {
                Some(cursor) => self.members.move_cursor(session, cursor, Utc::now()),
                None => self.members.remove_cursor(session, Utc::now()),
            };
            self.apply(effects, Instant::now(), ctx);
        }
    }
}
