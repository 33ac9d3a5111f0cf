//! Who somebody is, as editors are told it. It comes from the token, whatever a client says.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::{Color, DocumentId, SessionId, User};

/// What an editor's awareness has under `user`, in the words that editors' bindings read.
pub(in crate::room) fn user(document: DocumentId, session: SessionId, user: &User) -> Value {
    let color = Color::of(document, user.id).as_css();
    json!({
        "id": user.id,
        "name": &*user.name,
        "color": color,
        // For selections: the same, mostly transparent.
        "colorLight": format!("{color}33"),
        "sessionId": session,
    })
}

/// What can be said of a session that says nothing of itself; `selection` is its anchor and head in the JSON of Yjs.
pub(in crate::room) fn shown(user: Value, selection: Option<(Value, Value)>) -> Arc<str> {
    let selection = selection.map(|(anchor, head)| json!({ "anchor": anchor, "head": head }));
    // CodeMirror, Quill and ProseMirror read `cursor`, Monaco `selection`.
    let state = json!({ "user": user, "cursor": selection, "selection": selection });
    state.to_string().into()
}
