//! Characters of two UTF-16 code units that the library cuts in half.
//!
//! When the library splits a struct between the halves of a character, each half becomes U+FFFD. It splits the structs at the origins
//! of a new item, although concurrent insertions may move the item elsewhere. Then the delta shows nothing of it. No editor that shows
//! text makes such an item, but an update may have one.

use protocol::domain::Content;
use yrs::{
    Assoc, ClientID, ID, StickyIndex, Transact as _,
    branch::{Branch, BranchPtr},
};

use super::replica::Replica;

/// The number of splits up to which each is looked up. A lookup takes a pass over the structs before it, so the texts are compared if
/// there are more.
pub(crate) const MAX_SPLITS_CHECKED: usize = 4;

/// Where updates may split a struct of the document without a trace in the delta of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Splits<'a> {
    Anywhere,
    /// Before these insertions, given as clients and clocks.
    Before(&'a [(u64, u32)]),
}

impl Replica {
    /// Returns whether a character of `content` may have been cut by splits before these insertions, given as clients and clocks.
    /// `content` is the text after an update, as the delta of the update has it.
    pub(crate) fn may_cut(&self, content: &Content, splits: &[(u64, u32)]) -> bool {
        splits.len() > MAX_SPLITS_CHECKED
            || splits.iter().any(|(client, clock)| {
                let id = ID::new(ClientID::new(*client), *clock);
                self.offset_of(id).is_some_and(|offset| content.is_inside_pair(offset))
            })
    }

    /// Returns the offset of an insertion in the text. `None` if it is elsewhere.
    fn offset_of(&self, id: ID) -> Option<usize> {
        let index = StickyIndex::from_id(id, Assoc::After);
        let offset = index.get_offset(&self.doc.transact())?;
        let text: &Branch = self.text.as_ref();
        (offset.branch == BranchPtr::from(text)).then_some(offset.index as usize)
    }
}
