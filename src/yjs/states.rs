//! The awareness state of an editor: what the server reads from it.

use serde::Deserialize as _;
use serde_json::{Map, Value};
use yrs::StickyIndex;

use crate::{
    domain::SessionId,
    editing::Selection,
    room::EditorAwareness,
    wire::{
        json_surrogates,
        yjs::{Malformed, awareness::AwarenessEntry},
    },
};

/// The numbers of a Yjs id are below these: client ids fit a JavaScript number, clocks 32 bits.
const CLIENT_END: u64 = 1 << 53;
const CLOCK_END: u64 = 1 << 32;

/// Parses an awareness entry. Returns `None` for an entry whose id no client can have.
///
/// # Errors
/// The state is not a JSON object, or exceeds `limit` bytes.
pub(super) fn read(
    entry: &AwarenessEntry<'_>,
    limit: usize,
) -> Result<Option<EditorAwareness>, Malformed> {
    // Larger numbers mark histories; they are not clients.
    let Ok(client) = u32::try_from(entry.client) else { return Ok(None) };
    let Some(state) = entry.state else {
        return Ok(Some(EditorAwareness { client, state: None, selection: None, sent_by: None }));
    };
    if state.len() > limit {
        return Err(Malformed("the awareness state is larger than allowed"));
    }
    let state: Map<String, Value> = serde_json::from_str(&json_surrogates::replaced(state))
        .map_err(|_error| Malformed("the awareness state is not a JSON object"))?;
    // The room writes `user.sessionId` into every state that it broadcasts, so this identifies relayed states.
    let session = state.get("user").and_then(|user| user.get("sessionId"));
    let sent_by = session.and_then(|id| SessionId::deserialize(id).ok());
    let selection = selection(&state);
    Ok(Some(EditorAwareness { client, state: Some(state), selection, sent_by }))
}

/// Returns the editor's cursor and selection. CodeMirror, Quill and ProseMirror name it `cursor`, Monaco `selection`.
fn selection(state: &Map<String, Value>) -> Option<Selection> {
    let values = ["cursor", "selection"].into_iter().filter_map(|key| state.get(key));
    values
        .filter_map(|value| {
            let anchor = relative_position(value.get("anchor")?)?;
            let head = relative_position(value.get("head")?)?;
            Some(Selection { anchor, head })
        })
        .next()
}

/// Parses a relative position. Returns `None` if it contains an id that cannot exist.
fn relative_position(value: &Value) -> Option<StickyIndex> {
    let is_id = |id: &Value| {
        let number = |key: &str, end: u64| {
            id.get(key).and_then(Value::as_u64).is_some_and(|number| number < end)
        };
        id.is_null() || (number("client", CLIENT_END) && number("clock", CLOCK_END))
    };
    let ids = ["item", "type"].into_iter().filter_map(|key| value.get(key));
    if !ids.into_iter().all(is_id) {
        return None;
    }
    StickyIndex::deserialize(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(state: &str) -> Result<Option<EditorAwareness>, Malformed> {
        read(&AwarenessEntry { client: 7, clock: 1, state: Some(state) }, 1_000)
    }

    #[test]
    fn a_selection_is_read_under_either_name() {
        let index = r#"{"type":null,"tname":"content","item":{"client":5,"clock":3},"assoc":0}"#;
        for key in ["cursor", "selection"] {
            let state = format!(r#"{{"{key}":{{"anchor":{index},"head":{index}}}}}"#);
            let selection = parsed(&state).unwrap().unwrap().selection.unwrap();
            assert_eq!(selection.anchor, selection.head);
        }
        assert_eq!(parsed(r#"{"cursor":null}"#).unwrap().unwrap().selection, None);
        assert_eq!(
            parsed(r#"{"cursor":{"anchor":5,"head":{}}}"#).unwrap().unwrap().selection,
            None
        );
    }

    #[test]
    fn states_that_are_no_object_or_too_large_are_refused() {
        assert!(parsed("5").is_err() && parsed("{").is_err());
        assert!(parsed(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1_000))).is_err());
        let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(400), "]".repeat(400));
        assert!(parsed(&nested).is_err());
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        let state = parsed(r#"{"preview":"cat \ud83d"}"#).unwrap().unwrap().state.unwrap();
        assert_eq!(state["preview"], "cat \u{FFFD}");
    }

    #[test]
    fn a_client_that_has_gone_has_no_state_and_history_marks_are_ignored() {
        let gone = read(&AwarenessEntry { client: 7, clock: 1, state: None }, 10).unwrap().unwrap();
        assert_eq!((gone.client, gone.state), (7, None));
        assert_eq!(read(&AwarenessEntry { client: 1 << 40, clock: 1, state: None }, 10), Ok(None));
    }

    #[test]
    fn a_relayed_state_names_the_session_that_it_belongs_to() {
        let session = SessionId::new();
        let state = format!(r#"{{"user":{{"sessionId":"{session}"}}}}"#);
        assert_eq!(parsed(&state).unwrap().unwrap().sent_by, Some(session));
        assert_eq!(parsed(r#"{"user":{"sessionId":5}}"#).unwrap().unwrap().sent_by, None);
    }

    #[test]
    fn positions_with_impossible_ids_are_ignored() {
        for id in [
            "{\"client\":9007199254740992,\"clock\":1}",
            "{\"client\":1,\"clock\":4294967296}",
            "7",
        ] {
            let index = format!(r#"{{"type":null,"tname":null,"item":{id},"assoc":0}}"#);
            let state = format!(r#"{{"cursor":{{"anchor":{index},"head":{index}}}}}"#);
            assert_eq!(parsed(&state).unwrap().unwrap().selection, None);
        }
    }
}
