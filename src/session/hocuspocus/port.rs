//! What the session of a HocuspocusProvider needs from the Yjs layer.

use crate::{domain::DocumentId, session::EditorConversation};

/// Begins conversations with the editors of a page.
pub trait OpenEditors: Send + Sync {
    /// Begins a conversation with an editor that opens a document.
    fn converse(&self, document: DocumentId) -> Box<dyn EditorConversation>;
}
