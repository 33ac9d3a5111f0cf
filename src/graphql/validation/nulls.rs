//! Where the null of a failed field goes (GraphQL, October 2021, section 6.4.4).
//!
//! async-graphql leaves a field that failed out of the answer, even one that the schema promises. Here a failed field
//! is null where it may be, and takes what it stands in with it where it may not. In this schema the only field that
//! can fail and may be null is `document`, at the root of queries; with any other one the whole answer goes.

use async_graphql::{
    Name, PathSegment, Response, Value,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};

/// The root field that may be null.
const NULLABLE: &str = "document";

/// Puts the nulls of the fields that failed where they belong.
pub(in crate::graphql) fn put_in(
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
    let may_be_null = |key: &&str| {
        let field = find_field(document, &operation.selection_set.node, key);
        field.is_some_and(|field| field.name.node == NULLABLE)
    };
    response.data = match std::mem::take(&mut response.data) {
        data if failed.iter().all(may_be_null) => with_nulls(data, &failed),
        _incomplete => Value::Null,
    };
}

fn with_nulls(data: Value, keys: &[&str]) -> Value {
    // Where everything failed there is no object yet.
    let mut fields = if let Value::Object(fields) = data { fields } else { Default::default() };
    for key in keys {
        fields.insert(Name::new(key), Value::Null);
    }
    Value::Object(fields)
}

/// The field of a selection set whose value gets the name `key`. The set has been validated: fragments form no cycle.
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
