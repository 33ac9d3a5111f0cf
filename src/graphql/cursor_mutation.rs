//! A mutation that only moves the caller's cursor, run without the executor of the schema.
//!
//! Sessions send it many times a second with the same text, and executing it costs more than moving the cursor. Everything that
//! is not exactly such a move goes to the schema: another shape, values of other types, and whatever would be an error. So
//! there is one description of each error.

use async_graphql::{
    ID, Name, Value, Variables,
    parser::types::{OperationDefinition, OperationType, Selection},
};
use async_graphql_value::Value as QueryValue;
use bytes::Bytes;

use super::access::written_id;
use crate::{
    domain::{Cursor, Position},
    session::SessionLink,
};

/// More bytes of variables than a move has go to the schema, which bounds their uses.
pub(super) const MAX_VARIABLE_BYTES: usize = 1024;

/// `mutation { updateCursor(documentId: $document, cursor: $cursor) }`, with any names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CursorMutation<'a> {
    /// The name of the field in the answer.
    key: &'a Name,
    document: &'a Name,
    cursor: &'a Name,
}

impl<'a> CursorMutation<'a> {
    /// Recognizes an operation that is valid.
    pub(super) fn of(operation: &'a OperationDefinition) -> Option<Self> {
        let [selected] = &operation.selection_set.node.items[..] else { return None };
        let Selection::Field(field) = &selected.node else { return None };
        let field = &field.node;
        let is_plain = operation.ty == OperationType::Mutation
            && field.name.node == "updateCursor"
            && operation.directives.is_empty()
            && field.directives.is_empty();
        let variable = |argument: &str| match field.get_argument(argument).map(|value| &value.node)
        {
            Some(QueryValue::Variable(name)) => Some(name),
            _ => None,
        };
        is_plain.then_some(Self {
            key: &field.response_key().node,
            document: variable("documentId")?,
            cursor: variable("cursor")?,
        })
    }

    /// Moves the cursor. Returns the answer, or nothing if the schema has to answer, which then has not been done yet.
    pub(super) fn run(&self, variables: &Variables, link: &SessionLink) -> Option<Bytes> {
        let Value::String(document) = variables.get(self.document)? else { return None };
        let document = written_id(&ID(document.clone()))?;
        let cursor = cursor(variables.get(self.cursor)?)?;
        let is_moved = link.has_open(document) && link.move_cursor(document, cursor).ok()?;
        is_moved.then(|| format!("{{\"data\":{{\"{}\":true}}}}", self.key).into())
    }
}

fn cursor(value: &Value) -> Option<Cursor> {
    let Value::Object(fields) = value else { return None };
    let anchor = match fields.get("anchor") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(Value::Object(anchor)) if anchor.len() == 2 => Some(Some(position(anchor)?)),
        Some(_) => return None,
    };
    let count = if anchor.is_some() { 3 } else { 2 };
    if fields.len() != count {
        return None;
    }
    Some(Cursor { head: position(fields)?, anchor: anchor.flatten() })
}

fn position(fields: &indexmap::IndexMap<Name, Value>) -> Option<Position> {
    let number = |name: &str| match fields.get(name)? {
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        _ => None,
    };
    Position::new(number("line")?, number("column")?).ok()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn recognized(text: &str) -> Option<[String; 3]> {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        CursorMutation::of(&operation.node).map(|CursorMutation { key, document, cursor }| {
            [key, document, cursor].map(ToString::to_string)
        })
    }

    #[test]
    fn only_a_move_of_the_cursor_with_variables_is_recognized() {
        let names = |names: [&str; 3]| Some(names.map(str::to_owned));
        let variables = "($d: ID!, $c: CursorInput!)";
        let of = |fields: &str| recognized(&format!("mutation Move{variables} {{ {fields} }}"));
        assert_eq!(
            of("updateCursor(documentId: $d, cursor: $c)"),
            names(["updateCursor", "d", "c"])
        );
        assert_eq!(
            of("moved: updateCursor(cursor: $c, documentId: $d)"),
            names(["moved", "d", "c"])
        );
        for other in [
            "updateCursor(documentId: \"x\", cursor: $c)",
            "updateCursor(documentId: $d, cursor: { line: 1, column: 2 })",
            "updateCursor(documentId: $d, cursor: $c) @include(if: true)",
            "updateCursor(documentId: $d, cursor: $c) again: updateCursor(documentId: $d, cursor: $c)",
            "...move } fragment move on Mutation { updateCursor(documentId: $d, cursor: $c)",
            "... { updateCursor(documentId: $d, cursor: $c) }",
            "updateCursor: deleteDocument(id: $d)",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        let query = "query($d: ID!, $c: CursorInput!) { updateCursor(documentId: $d, cursor: $c) }";
        assert_eq!(recognized(query), None);
    }

    #[test]
    fn only_values_of_exactly_the_types_are_taken() {
        let of = |json: serde_json::Value| cursor(&Value::from_json(json).unwrap());
        let json = |text: &str| serde_json::from_str(text).unwrap();
        let at = |line, column| Position::new(line, column).unwrap();
        let plain = Some(Cursor { head: at(1, 2), anchor: None });
        assert_eq!(of(json(r#"{"line":1,"column":2}"#)), plain);
        assert_eq!(of(json(r#"{"anchor":null,"line":1,"column":2}"#)), plain);
        assert_eq!(
            of(json(r#"{"line":1,"column":2,"anchor":{"line":0,"column":2147483647}}"#)),
            Some(Cursor { head: at(1, 2), anchor: Some(at(0, i32::MAX)) })
        );
        for other in [
            r#"{"line":1}"#,
            r#"{"line":1,"column":2,"more":3}"#,
            r#"{"line":-1,"column":2}"#,
            r#"{"line":1,"column":2147483648}"#,
            r#"{"line":1.0,"column":2}"#,
            r#"{"line":"1","column":2}"#,
            r#"{"line":1,"column":null}"#,
            r#"{"line":1,"column":2,"anchor":{"line":1}}"#,
            r#"{"line":1,"column":2,"anchor":{"line":1,"column":-1}}"#,
            r#"{"line":1,"column":2,"anchor":[]}"#,
            r#"[{"line":1,"column":2}]"#,
            "null",
        ] {
            assert_eq!(of(json(other)), None, "{other}");
        }
    }
}
