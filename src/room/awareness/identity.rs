//! The identity in an awareness state. It comes from the token, whatever the client claims.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::{Color, DocumentId, SessionId, User};

/// Returns the `user` of an awareness state, with the fields that editor bindings read.
pub(in crate::room) fn user(document: DocumentId, session: SessionId, user: &User) -> Value {
    let color = Color::of(document, user.id).as_css();
    json!({
        "id": user.id,
        "name": &*user.name,
        "color": color,
        // The same, mostly transparent, for selections.
        "colorLight": format!("{color}33"),
        "sessionId": session,
    })
}

/// Returns the state derived for a session without a Yjs editor. `selection` is its anchor and head as Yjs relative
/// positions in JSON.
pub(in crate::room) fn derived_state(user: Value, selection: Option<(Value, Value)>) -> Arc<str> {
    let selection = selection.map(|(anchor, head)| json!({ "anchor": anchor, "head": head }));
    // CodeMirror, Quill and ProseMirror read `cursor`, Monaco `selection`.
    let state = json!({ "user": user, "cursor": selection, "selection": selection });
    state.to_string().into()
}
