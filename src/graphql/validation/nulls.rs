//! Inserts the nulls of failed fields into responses (GraphQL, October 2021, section 6.4.4).
//!
//! async-graphql omits a failed field from the response, even a field that the schema declares as non-null. Here a
//! failed nullable field becomes null, and a failed non-null field makes its parent null. In this schema the only
//! nullable fields that can fail are `document` and `node`, at the root of queries. If any other field fails, `data` becomes
//! null.

use async_graphql::{
    Name, PathSegment, Response, Value,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};

/// The nullable root fields.
const NULLABLE: [&str; 2] = ["document", "node"];

/// Inserts the nulls of failed fields into the response of `operation`.
pub(in crate::graphql) fn insert(
    response: &mut Response,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) {
    let failed: Vec<_> = response
        .errors
        .iter()
        .filter_map(|error| match error.path.first() {
            Some(PathSegment::Field(key)) => Some(key.as_str()),
            Some(PathSegment::Index(_)) | None => None,
        })
        .collect();
    if failed.is_empty() {
        return;
    }
    let is_nullable = |key: &&str| {
        let field = find_field(document, &operation.selection_set.node, key);
        field.is_some_and(|field| NULLABLE.contains(&field.name.node.as_str()))
    };
    response.data = match std::mem::take(&mut response.data) {
        data if failed.iter().all(is_nullable) => with_nulls(data, &failed),
        _incomplete => Value::Null,
    };
}

fn with_nulls(data: Value, keys: &[&str]) -> Value {
    // If every field failed, there is no object yet.
    let mut fields = if let Value::Object(fields) = data { fields } else { Default::default() };
    for key in keys {
        fields.insert(Name::new(key), Value::Null);
    }
    Value::Object(fields)
}

/// Returns the field of a selection set that has `key` in the response. The set has been validated, so its fragments form
/// no cycle.
fn find_field<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    key: &str,
) -> Option<&'a Field> {
    set.items.iter().find_map(|selection| match &selection.node {
        Selection::Field(field) => {
            Some(&field.node).filter(|field| field.response_key().node == key)
        }
        Selection::InlineFragment(fragment) => {
            find_field(document, &fragment.node.selection_set.node, key)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node)?;
            find_field(document, &fragment.node.selection_set.node, key)
        }
    })
}
