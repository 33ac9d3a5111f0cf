//! Conversion between the positions of Yjs editors and of GraphQL clients.
//!
//! A relative position refers to an insertion and stays valid when the text around it changes. A line and column are
//! valid at one version only.

use protocol::domain::{Cursor, Position};
use serde_json::{Value, json};
use yrs::{
    Assoc, IndexScope, IndexedSequence as _, StickyIndex, Transact as _,
    branch::{Branch, BranchPtr},
};

use super::replica::{Replica, TEXT};

/// A selection as relative positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The position at which the selection began.
    pub anchor: StickyIndex,
    /// The position of the cursor.
    pub head: StickyIndex,
}

impl Replica {
    /// Returns the current cursor of a selection. `None` if it is outside the text, or refers to insertions that the
    /// replica lacks.
    pub fn cursor_of(&self, selection: &Selection) -> Option<Cursor> {
        let head = self.position_of(&selection.head)?;
        let anchor = self.position_of(&selection.anchor)?;
        Some(Cursor { head, anchor: (anchor != head).then_some(anchor) })
    }

    fn position_of(&self, index: &StickyIndex) -> Option<Position> {
        let offset = index.get_offset(&self.doc.transact())?;
        let text: &Branch = self.text.as_ref();
        let is_text = offset.branch == BranchPtr::from(text);
        is_text.then(|| self.content.position_of(offset.index as usize))
    }

    /// Returns the anchor and head of a cursor as relative positions, in the JSON of Yjs.
    pub fn selection_of(&self, cursor: Cursor) -> (Value, Value) {
        let head = self.relative_position(cursor.head);
        let anchor =
            cursor.anchor.map_or_else(|| head.clone(), |anchor| self.relative_position(anchor));
        (anchor, head)
    }

    fn relative_position(&self, position: Position) -> Value {
        let offset = u32::try_from(self.content.offset_of(position)).unwrap_or(u32::MAX);
        let index = self.text.sticky_index(&self.doc.transact(), offset, Assoc::After);
        match index.as_ref().map(StickyIndex::scope) {
            Some(IndexScope::Relative(id)) => json!({
                "type": null,
                "tname": null,
                "item": { "client": id.client.get(), "clock": id.clock },
                "assoc": 0,
            }),
            // The end of the text is relative to the text, not to its last insertion.
            _ => json!({ "type": null, "tname": TEXT, "item": null, "assoc": 0 }),
        }
    }
}
