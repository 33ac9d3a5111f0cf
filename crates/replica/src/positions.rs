//! Places in the text, as Yjs editors and as GraphQL clients name them.
//!
//! A relative position names an insertion and stays with it, whatever is written around it; a line and column are true
//! at one version.

use serde_json::{Value, json};
use yrs::{
    Assoc, IndexScope, IndexedSequence as _, StickyIndex, Transact as _,
    branch::{Branch, BranchPtr},
};

use super::replica::{Replica, TEXT};
use protocol::domain::{Cursor, Position};

/// A selection as relative positions: where it began, and where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The other end.
    pub anchor: StickyIndex,
    /// The cursor.
    pub head: StickyIndex,
}

impl Replica {
    /// The cursor that a selection means now; none if it is not in the text, or hangs on something that is not here.
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

    /// A cursor as relative positions, in the JSON of Yjs: the anchor and the head.
    pub fn selection_of(&self, cursor: Cursor) -> (Value, Value) {
        let head = self.relative(cursor.head);
        let anchor = cursor.anchor.map_or_else(|| head.clone(), |anchor| self.relative(anchor));
        (anchor, head)
    }

    fn relative(&self, position: Position) -> Value {
        let offset = u32::try_from(self.content.offset_of(position)).unwrap_or(u32::MAX);
        let index = self.text.sticky_index(&self.doc.transact(), offset, Assoc::After);
        match index.as_ref().map(StickyIndex::scope) {
            Some(IndexScope::Relative(id)) => json!({
                "type": null,
                "tname": null,
                "item": { "client": id.client.get(), "clock": id.clock },
                "assoc": 0,
            }),
            // The end of the text, which stays its end.
            _ => json!({ "type": null, "tname": TEXT, "item": null, "assoc": 0 }),
        }
    }
}
