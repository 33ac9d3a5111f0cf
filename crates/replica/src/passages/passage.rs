//! One passage of a document.

use std::sync::Arc;

/// A run of text, or a node without text, that one change inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The name of the root type.
    pub root: Arc<str>,
    /// The way from the root type to the text or node, one segment for each step, with `/` between them: the index of a child, the
    /// offset in a text, or a key. Empty in the text of the root type itself. Of a path of more than 4 KiB the end is left out, and it
    /// ends with `…`.
    pub path: Arc<str>,
    /// The name of the XML element that the text is in, or that the node is.
    pub node: Option<Arc<str>>,
    /// The offset in the text, in UTF-16 code units. 0 for a node.
    pub offset: u32,
    /// The length in UTF-16 code units. 1 for a node.
    pub length: u32,
    /// The text. `None` for a node: an XML element without content, or an embedded object.
    pub text: Option<String>,
    /// What stands for the change. `None` if the change is not known.
    pub by: Option<u32>,
}

impl Passage {
    /// Adds the next run of the same text if the same change inserted it. Returns it otherwise.
    pub(super) fn extend(&mut self, next: Self) -> Option<Self> {
        let follows = self.root == next.root
            && self.path == next.path
            && self.by == next.by
            && self.offset + self.length == next.offset;
        match (&mut self.text, &next.text) {
            (Some(text), Some(more)) if follows => {
                text.push_str(more);
                self.length += next.length;
                None
            }
            _ => Some(next),
        }
    }
}
