//! The awareness of a room, as far as there are Yjs editors, and when it is published.
//!
//! Besides the [`table`](super::table) it holds cursors that wait to be translated: translating walks through the text, for
//! which the replica is needed, and a newer cursor of the same session replaces an older one.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{clocks::Clocks, table::AwarenessTable};
use crate::{
    domain::{Presence, SessionId},
    editing::Selection,
};

/// The least time between two publications of every editor's state to the other nodes. Many nodes may ask at once.
const MIN_PUBLISH_INTERVAL: Duration = Duration::from_millis(500);

/// A cursor that has to be translated.
#[derive(Debug)]
pub(in crate::room) enum PendingTranslation {
    /// An editor's selection, for clients that use line and column.
    Selection(Option<Selection>),
    /// The cursor of a session without an editor, for Yjs editors.
    Cursor(Box<Presence>),
}

/// When the state of every editor may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) enum Publication {
    Now,
    After(Duration),
    /// A later publication is scheduled already.
    Scheduled,
}

/// The awareness of a room.
#[derive(Debug, Default)]
pub(in crate::room) struct RoomAwareness {
    table: AwarenessTable,
    translations: HashMap<SessionId, PendingTranslation>,
    is_translation_scheduled: bool,
    is_renewal_scheduled: bool,
    published_at: Option<Instant>,
    is_publication_scheduled: bool,
}

impl RoomAwareness {
    /// Returns the awareness of a room without editors.
    pub(in crate::room) fn new(clocks: Clocks) -> Self {
        Self { table: AwarenessTable::new(clocks), ..Self::default() }
    }

    /// Returns the entries.
    pub(in crate::room) fn table(&self) -> &AwarenessTable {
        &self.table
    }

    /// Returns the entries, to change them.
    pub(in crate::room) fn table_mut(&mut self) -> &mut AwarenessTable {
        &mut self.table
    }

    /// Forgets everything: the last editor has left.
    pub(in crate::room) fn clear(&mut self) {
        self.table.clear();
        self.translations.clear();
    }

    /// Keeps a cursor until it can be translated. It replaces an older one of the session.
    pub(in crate::room) fn translate_later(
        &mut self,
        session: SessionId,
        pending: PendingTranslation,
    ) {
        self.translations.insert(session, pending);
    }

    /// Forgets the cursor of a session that waits to be translated.
    pub(in crate::room) fn cancel_translation(&mut self, session: SessionId) {
        self.translations.remove(&session);
    }

    /// Forgets every cursor that waits to be translated.
    pub(in crate::room) fn cancel_translations(&mut self) {
        self.translations.clear();
    }

    /// Whether a cursor waits to be translated.
    pub(in crate::room) fn has_translations(&self) -> bool {
        !self.translations.is_empty()
    }

    /// Removes and returns the cursors that wait to be translated.
    pub(in crate::room) fn take_translations(&mut self) -> Vec<(SessionId, PendingTranslation)> {
        self.translations.drain().collect()
    }

    /// Whether a translation is scheduled.
    pub(in crate::room) fn is_translation_scheduled(&self) -> bool {
        self.is_translation_scheduled
    }

    /// Notes whether a translation is scheduled.
    pub(in crate::room) fn set_translation_scheduled(&mut self, is_scheduled: bool) {
        self.is_translation_scheduled = is_scheduled;
    }

    /// Notes that renewals are scheduled. Returns false if they were already.
    pub(in crate::room) fn begin_renewals(&mut self) -> bool {
        !std::mem::replace(&mut self.is_renewal_scheduled, true)
    }

    /// Notes that renewals have ended.
    pub(in crate::room) fn end_renewals(&mut self) {
        self.is_renewal_scheduled = false;
    }

    /// Returns when the state of every editor may be published, and notes a scheduled publication.
    pub(in crate::room) fn plan_publication(&mut self, now: Instant) -> Publication {
        let next = self.published_at.map_or(now, |at| at + MIN_PUBLISH_INTERVAL);
        if next <= now {
            Publication::Now
        } else if std::mem::replace(&mut self.is_publication_scheduled, true) {
            Publication::Scheduled
        } else {
            Publication::After(next - now)
        }
    }

    /// Notes that the state of every editor is published now.
    pub(in crate::room) fn note_publication(&mut self, now: Instant) {
        self.published_at = Some(now);
    }

    /// Notes that the scheduled publication is due.
    pub(in crate::room) fn end_scheduled_publication(&mut self) {
        self.is_publication_scheduled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn publications_keep_their_distance_and_only_one_is_scheduled() {
        let mut awareness = RoomAwareness::default();
        let now = Instant::now();
        assert_eq!(awareness.plan_publication(now), Publication::Now);
        awareness.note_publication(now);
        let soon = now + Duration::from_millis(100);
        let rest = MIN_PUBLISH_INTERVAL - Duration::from_millis(100);
        assert_eq!(awareness.plan_publication(soon), Publication::After(rest));
        assert_eq!(awareness.plan_publication(soon), Publication::Scheduled);
        awareness.end_scheduled_publication();
        assert_eq!(awareness.plan_publication(now + MIN_PUBLISH_INTERVAL), Publication::Now);
    }
}
