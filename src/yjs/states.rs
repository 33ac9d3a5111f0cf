//! What an editor says of itself, out of its awareness.

use serde::Deserialize as _;
use serde_json::{Map, Value};
use yrs::StickyIndex;

use crate::{
    domain::SessionId,
    editing::Selection,
    room::EditorAwareness,
    wire::yjs::{Malformed, awareness::AwarenessEntry},
};

/// The words of an entry; none if it is no client's.
///
/// # Errors
/// The state is no JSON object, or larger than `limit` bytes.
pub(super) fn read(
    entry: &AwarenessEntry<'_>,
    limit: usize,
) -> Result<Option<EditorAwareness>, Malformed> {
    // Ids beyond those of clients are no client's.
    let Ok(client) = u32::try_from(entry.client) else { return Ok(None) };
    let Some(state) = entry.state else {
        return Ok(Some(EditorAwareness { client, state: None, selection: None, sent_by: None }));
    };
    if state.len() > limit {
        return Err(Malformed("the awareness state is larger than allowed"));
    }
    let state: Map<String, Value> = serde_json::from_str(state)
        .map_err(|_error| Malformed("the awareness state is no JSON object"))?;
    let told_as = state.get("user").and_then(|user| user.get("sessionId"));
    let told_as = told_as.and_then(|id| SessionId::deserialize(id).ok());
    let selection = selection(&state);
    Ok(Some(EditorAwareness { client, state: Some(state), selection, sent_by: told_as }))
}

/// Where the editor's cursor is: CodeMirror, Quill and ProseMirror say `cursor`, Monaco `selection`.
fn selection(state: &Map<String, Value>) -> Option<Selection> {
    let said = ["cursor", "selection"].into_iter().filter_map(|key| state.get(key));
    said.filter_map(|said| {
        let (anchor, head) = (place(said.get("anchor")?)?, place(said.get("head")?)?);
        Some(Selection { anchor, head })
    })
    .next()
}

/// A relative position, if all ids in it are such as there may be.
fn place(said: &Value) -> Option<StickyIndex> {
    let is_id = |id: &Value| {
        let number = |key: &str, below: u64| {
            id.get(key).and_then(Value::as_u64).is_some_and(|number| number < below)
        };
        id.is_null() || (number("client", 1 << 53) && number("clock", 1 << 32))
    };
    let ids = ["item", "type"].into_iter().filter_map(|key| said.get(key));
    if !ids.into_iter().all(is_id) {
        return None;
    }
    StickyIndex::deserialize(said).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(state: &str) -> Result<Option<EditorAwareness>, Malformed> {
        read(&AwarenessEntry { client: 7, clock: 1, state: Some(state) }, 1_000)
    }

    #[test]
    fn a_selection_is_read_however_it_is_called() {
        let index = r#"{"type":null,"tname":"content","item":{"client":5,"clock":3},"assoc":0}"#;
        for key in ["cursor", "selection"] {
            let state = format!(r#"{{"{key}":{{"anchor":{index},"head":{index}}}}}"#);
            let selection = words(&state).unwrap().unwrap().selection.unwrap();
            assert_eq!(selection.anchor, selection.head);
        }
        assert_eq!(words(r#"{"cursor":null}"#).unwrap().unwrap().selection, None);
        assert_eq!(words(r#"{"cursor":{"anchor":5,"head":{}}}"#).unwrap().unwrap().selection, None);
    }

    #[test]
    fn what_is_no_object_or_too_large_is_refused() {
        assert!(words("5").is_err() && words("{").is_err());
        assert!(words(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1_000))).is_err());
        let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(400), "]".repeat(400));
        assert!(words(&nested).is_err());
    }

    #[test]
    fn whoever_has_gone_says_nothing_and_marks_say_nothing_at_all() {
        let gone = read(&AwarenessEntry { client: 7, clock: 1, state: None }, 10).unwrap().unwrap();
        assert_eq!((gone.client, gone.state), (7, None));
        assert_eq!(read(&AwarenessEntry { client: 1 << 40, clock: 1, state: None }, 10), Ok(None));
    }

    #[test]
    fn a_state_that_was_told_says_of_whom() {
        let session = SessionId::new();
        let state = format!(r#"{{"user":{{"sessionId":"{session}"}}}}"#);
        assert_eq!(words(&state).unwrap().unwrap().sent_by, Some(session));
        assert_eq!(words(r#"{"user":{"sessionId":5}}"#).unwrap().unwrap().sent_by, None);
    }

    #[test]
    fn ids_that_there_are_not_are_no_place() {
        for id in [
            "{\"client\":9007199254740992,\"clock\":1}",
            "{\"client\":1,\"clock\":4294967296}",
            "7",
        ] {
            let index = format!(r#"{{"type":null,"tname":null,"item":{id},"assoc":0}}"#);
            let state = format!(r#"{{"cursor":{{"anchor":{index},"head":{index}}}}}"#);
            assert_eq!(words(&state).unwrap().unwrap().selection, None);
        }
    }
}
