//! What an editor says of itself, out of its awareness.

use serde_json::{Map, Value};

use crate::{
    room::{Selection, Words},
    wire::yjs::{Malformed, awareness::Heard},
};

/// The words of an entry.
///
/// # Errors
/// The state is no JSON object, or larger than `limit` bytes.
pub(super) fn read(entry: &Heard<'_>, limit: usize) -> Result<Option<Words>, Malformed> {
    // Ids beyond those of clients are no client's.
    let Ok(client) = u32::try_from(entry.client) else { return Ok(None) };
    let Some(state) = entry.state else {
        return Ok(Some(Words { client, state: None, selection: None }));
    };
    if state.len() > limit {
        return Err(Malformed("the awareness state is larger than allowed"));
    }
    let state: Map<String, Value> = serde_json::from_str(state)
        .map_err(|_error| Malformed("the awareness state is no JSON object"))?;
    let selection = selection(&state);
    Ok(Some(Words { client, state: Some(state), selection }))
}

/// Where the editor's cursor is: CodeMirror, Quill and ProseMirror say `cursor`, Monaco `selection`.
fn selection(state: &Map<String, Value>) -> Option<Selection> {
    let said = ["cursor", "selection"].into_iter().filter_map(|key| state.get(key));
    said.filter_map(|said| {
        let head = serde_json::from_value(said.get("head")?.clone()).ok()?;
        let anchor = serde_json::from_value(said.get("anchor")?.clone()).ok()?;
        Some(Selection { anchor, head })
    })
    .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(state: &str) -> Result<Option<Words>, Malformed> {
        read(&Heard { client: 7, clock: 1, state: Some(state) }, 1_000)
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
        let gone = read(&Heard { client: 7, clock: 1, state: None }, 10).unwrap().unwrap();
        assert_eq!((gone.client, gone.state), (7, None));
        assert_eq!(read(&Heard { client: 1 << 40, clock: 1, state: None }, 10), Ok(None));
    }
}
