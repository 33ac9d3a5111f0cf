//! A request is answered as if it had been validated.

use async_graphql::Schema as AsyncSchema;
use serde_json::{Value as Json, json};

use super::*;
use crate::graphql::{
    mutation::Mutation, query::Query, subscription::SubscriptionRoot,
    validation::expansion::OperationBounds,
};

const CURSOR: &str =
    "mutation ($id: ID!, $to: CursorInput!) { updateCursor(documentId: $id, cursor: $to) }";
const EDIT: &str = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $edit: ID) {
    editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $edit) { version }
}";
const INSIDE: &str = "mutation ($id: ID!, $line: Int! = 0, $column: Int!, $anchor: PositionInput) {
    updateCursor(documentId: $id, cursor: { line: $line, column: $column, anchor: $anchor })
}";
const GRANT: &str = "mutation ($id: ID!, $level: AccessLevel!, $with: Boolean! = true) {
    grantAccess(documentId: $id, level: $level, email: \"a@b.c\") { level @include(if: $with) }
}";

fn parsed(text: &str) -> Arc<ParsedOperations> {
    let bounds = OperationBounds { selections: 2_000, depth: 20 };
    Arc::new(ParsedOperations::parse(text.into(), bounds).unwrap())
}

/// A registry without types.
fn registry() -> Registry {
    Registry::default()
}

/// The errors of a request, and those that a schema without the extension returns. Without the data of a node, resolvers fail as
/// well, with other messages.
async fn errors(parsed: &Arc<ParsedOperations>, variables: Json) -> [Vec<String>; 2] {
    let build = || AsyncSchema::build(Query::default(), Mutation::default(), SubscriptionRoot);
    let schemas = [build().extension(ReusedValidation).finish(), build().finish()];
    let mut errors = vec![];
    for schema in schemas {
        let request = parsed.request(None, Variables::from_json(variables.clone()));
        let response = schema.execute(request).await;
        errors.push(response.errors.into_iter().map(|error| error.message).collect());
    }
    errors.try_into().unwrap()
}

#[tokio::test]
async fn wrong_values_of_a_known_operation_have_the_errors_of_the_validation() {
    let (id, at) = ("5a0ca8b7-6ab3-4bb5-a3bf-000000000000", json!({ "line": 0, "column": 1 }));
    let cases = [
        (
            CURSOR,
            json!({ "id": id, "to": at }),
            vec![
                json!({ "id": true, "to": at }),
                json!({ "id": null, "to": at }),
                json!({ "id": [id], "to": at }),
                json!({ "id": id, "to": { "line": 0 } }),
                json!({ "id": id, "to": { "line": 0, "column": null } }),
                json!({ "id": id, "to": { "line": 0, "column": 1, "row": 2 } }),
                json!({ "id": id, "to": { "line": "0", "column": 1 } }),
                json!({ "id": id, "to": { "line": 1.5, "column": 1 } }),
                json!({ "id": id, "to": { "line": 0, "column": 1, "anchor": { "line": 0 } } }),
                json!({ "id": id, "to": [at] }),
                json!({ "id": id, "to": 7 }),
            ],
        ),
        (
            EDIT,
            json!({ "id": id, "base": 1, "delta": [{ "retain": 1 }, { "insert": "x" }] }),
            vec![
                json!({ "id": id, "base": "1", "delta": [] }),
                json!({ "id": id, "base": 1, "delta": null }),
                json!({ "id": id, "base": 1, "delta": { "insert": "x" } }),
                json!({ "id": id, "base": 1, "delta": [null] }),
                json!({ "id": id, "base": 1, "delta": [[{ "insert": "x" }]] }),
                json!({ "id": id, "base": 1, "delta": [{ "insert": 1 }] }),
                json!({ "id": id, "base": 1, "delta": [{ "format": {} }] }),
                json!({ "id": id, "base": 1, "delta": [], "edit": {} }),
            ],
        ),
        (
            INSIDE,
            json!({ "id": id, "line": 0, "column": 1, "anchor": at }),
            vec![
                json!({ "id": id, "line": "0", "column": 1 }),
                json!({ "id": id, "line": 0, "column": 1, "anchor": { "line": 0 } }),
                json!({ "id": id, "line": null, "column": 1 }),
                json!({ "id": id, "line": 0.5, "column": 1, "anchor": null }),
            ],
        ),
        (
            GRANT,
            json!({ "id": id, "level": "VIEW" }),
            vec![
                json!({ "id": id, "level": "view" }),
                json!({ "id": id, "level": "OWN" }),
                json!({ "id": id, "level": 1 }),
                json!({ "id": id, "level": "VIEW", "with": null }),
                json!({ "id": id, "level": "VIEW", "with": "yes" }),
            ],
        ),
    ];
    for (text, right, wrong) in cases {
        let parsed = parsed(text);
        let [with, without] = errors(&parsed, right.clone()).await;
        assert_eq!(with, without);
        assert!(parsed.known_validation(None).is_some(), "{text}");
        for variables in wrong {
            let [with, without] = errors(&parsed, variables.clone()).await;
            assert_eq!(with, without, "{variables}");
            assert!(!with.is_empty(), "{variables}");
        }
        // It is still known.
        let [with, without] = errors(&parsed, right).await;
        assert_eq!(with, without);
    }
}

#[tokio::test]
async fn a_known_operation_is_not_validated() {
    let parsed = parsed("mutation ($id: ID!) { noSuchField(id: $id) }");
    let variables = json!({ "id": "1" });
    let [refused, _] = errors(&parsed, variables.clone()).await;
    assert!(refused[0].starts_with("Unknown field \"noSuchField\""), "{refused:?}");
    assert!(parsed.known_validation(None).is_none());

    let valid = ValidationResult { cache_control: Default::default(), complexity: 1, depth: 1 };
    parsed.remember_validation(&registry(), None, valid, true);
    let [unnoticed, _] = errors(&parsed, variables).await;
    assert_ne!(unnoticed, refused);
}

#[tokio::test]
async fn queries_with_variables_are_always_validated() {
    let page = parsed("query ($first: Int) { documents(first: $first) { nodes { id } } }");
    let [with, without] = errors(&page, json!({ "first": 1 })).await;
    assert_eq!(with, without);
    assert!(page.known_validation(None).is_none());

    let constant = parsed("{ documents(first: 1) { nodes { id } } }");
    errors(&constant, json!({})).await;
    assert!(constant.known_validation(None).is_some());
}

#[tokio::test]
async fn an_object_in_which_a_variable_has_no_value_is_validated_again() {
    // The validation skips an object in which a variable has no value.
    let parsed = parsed(
        "mutation ($id: ID!, $at: PositionInput) {
            updateCursor(documentId: $id, cursor: { line: 0, column: 1, row: 2, anchor: $at })
        }",
    );
    let [with, without] = errors(&parsed, json!({ "id": "1" })).await;
    assert_eq!(with, without);
    assert!(parsed.known_validation(None).is_none());
    let [with, without] =
        errors(&parsed, json!({ "id": "1", "at": { "line": 0, "column": 0 } })).await;
    assert_eq!(with, without);
    assert!(with[0].contains("unknown field"), "{with:?}");
}

#[tokio::test]
async fn an_object_that_stands_for_a_list_is_validated_again() {
    // The validation does not compare the types of variables inside.
    let parsed = parsed(
        "mutation ($id: ID!, $n: ID) {
            editDocument(documentId: $id, baseVersion: 1, delta: { retain: $n }) { version }
        }",
    );
    let [with, without] = errors(&parsed, json!({ "id": "1", "n": 5 })).await;
    assert_eq!(with, without);
    let [with, without] = errors(&parsed, json!({ "id": "1", "n": "abc" })).await;
    assert_eq!(with, without);
    assert!(with[0].contains("Invalid value"), "{with:?}");
    assert!(parsed.known_validation(None).is_none());
}
