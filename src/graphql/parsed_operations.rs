//! A parsed text and the operations in it.
//!
//! [`ParsedOperations`] answers what the engine asks about an operation before it runs: its kind, its variables, the
//! fields that it selects. A request names an operation, or omits the name if there is only one.
//!
//! Invariant: the expanded size of the text is within bounds. It is measured directly after parsing, because everything
//! else that reads the text follows each fragment as often as it is spread.

use std::{collections::HashSet, sync::Arc};

use async_graphql::{
    Name, Positioned, Request, Response, ServerError, ValidationResult, Value, Variables,
    parser::{
        self, parse_query,
        types::{
            DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
            SelectionSet, VariableDefinition,
        },
    },
    registry::Registry,
};
use async_graphql_value::Value as QueryValue;
use parking_lot::Mutex;

use super::{
    validation::{
        expansion::{
            OperationBounds, TextSize, expanded_selections, introspection_selections, measure,
        },
        nulls,
        refusal::refusal,
        reuse::{RequestedOperation, is_reusable},
        root_field,
        variable_uses::{self, VariableBounds},
    },
    variables::VariableSizes,
};
use crate::{metrics::OperationKind, wire::shortened};

/// The most selections of a subscription. A room writes them for each event while everybody else in it waits.
const MAX_EVENT_SELECTIONS: usize = 200;

/// The most selections of the schema. Its lists are long, and everything that is selected for an entry waits in memory. The
/// common introspection query has about 250.
const MAX_SCHEMA_SELECTIONS: usize = 500;

/// The most values in the answer of an operation that selects the schema, which strangers may do: each costs more than a value of
/// a document, and most clients ask once. The common introspection query has about 3,500.
const MAX_SCHEMA_VALUES: usize = 20_000;

/// The most bytes of a wrong `operationName` that are repeated.
const MAX_NAME_SHOWN: usize = 128;

/// The operations of one text.
pub(super) struct ParsedOperations {
    /// The text.
    pub(super) text: Arc<str>,
    document: ExecutableDocument,
    size: TextSize,
    /// The validations of operations that do not depend on values, by the name in the request.
    validations: Mutex<Vec<(Option<Arc<str>>, ValidationResult)>>,
}

impl ParsedOperations {
    /// Parses `text`.
    ///
    /// # Errors
    /// The text is not GraphQL, or exceeds `bounds` once its fragments are expanded.
    pub(super) fn parse(text: Arc<str>, bounds: OperationBounds) -> Result<Self, ServerError> {
        let mut document = parse_query(&*text).map_err(syntax_error)?;
        // Before anything else, see the invariant.
        let size = measure(&document, bounds)?;
        root_field::inline_fragments(&mut document);
        Ok(Self { text, document, size, validations: Mutex::default() })
    }

    /// Returns the size of the text.
    pub(super) fn size(&self) -> TextSize {
        self.size
    }

    /// Returns a request that runs the operation called `name`.
    pub(super) fn request(
        self: &Arc<Self>,
        name: Option<&Arc<str>>,
        variables: Variables,
    ) -> Request {
        // async-graphql does not read the text of a request that has been parsed.
        let mut request = Request::new("").variables(variables);
        request.operation_name = name.map(ToString::to_string);
        request.set_parsed_query(self.document.clone());
        request.data(RequestedOperation { parsed: Arc::clone(self), name: name.cloned() })
    }

    /// Returns the validation of the operation called `name` if it is known and does not depend on values.
    pub(super) fn known_validation(&self, name: Option<&str>) -> Option<ValidationResult> {
        let validations = self.validations.lock();
        let known = validations.iter().find(|(known, _)| known.as_deref() == name);
        known.map(|(_, result)| *result)
    }

    /// Notes the validation of the operation called `name`, unless it depends on values. `are_all_given` tells whether each
    /// variable had a value.
    pub(super) fn remember_validation(
        &self,
        registry: &Registry,
        name: Option<Arc<str>>,
        result: ValidationResult,
        are_all_given: bool,
    ) {
        let operation = self.find(name.as_deref());
        let is_reusable = |operation: &OperationDefinition| {
            is_reusable(registry, &self.document, operation, are_all_given)
        };
        if !operation.is_some_and(is_reusable) {
            return;
        }
        let mut validations = self.validations.lock();
        // Each name is one of an operation in the text, so the text bounds the list.
        if !validations.iter().any(|(known, _)| *known == name) {
            validations.push((name, result));
        }
    }

    /// Returns the operation called `name`, if there is one.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        self.operation(name).ok().map(|operation| &operation.node)
    }

    /// Inserts the nulls of failed fields into the response of the operation called `name`.
    pub(super) fn insert_nulls(&self, name: Option<&str>, response: &mut Response) {
        if let Ok(operation) = self.operation(name) {
            nulls::insert(response, &self.document, &operation.node);
        }
    }

    /// Returns whether the operation called `name` is a query, a mutation or a subscription.
    ///
    /// # Errors
    /// There is no such operation, the name is missing and there are several, or a subscription does not have exactly one
    /// root field (GraphQL, October 2021, section 5.2.3.1).
    pub(super) fn kind(&self, name: Option<&str>) -> Result<OperationKind, ServerError> {
        let operation = self.operation(name)?;
        match operation.node.ty {
            OperationType::Query => Ok(OperationKind::Query),
            OperationType::Mutation => Ok(OperationKind::Mutation),
            OperationType::Subscription => {
                root_field::check(&self.document.fragments, operation)?;
                Ok(OperationKind::Subscription)
            }
        }
    }

    /// Checks how much the operation called `name` selects.
    ///
    /// # Errors
    /// It selects too much of the schema, it is a subscription with too many fields, or there is no such operation.
    pub(super) fn check_selections(&self, name: Option<&str>) -> Result<(), ServerError> {
        let operation = self.operation(name)?;
        let selection = &operation.node.selection_set.node;
        let of_schema = introspection_selections(&self.document, selection);
        if of_schema > MAX_SCHEMA_SELECTIONS {
            let message = format!(
                "The operation selects {of_schema} fields of the schema after its fragments are expanded; at most \
                 {MAX_SCHEMA_SELECTIONS} are allowed. Select fewer."
            );
            return Err(refusal(message, Some(operation.pos)));
        }
        let selections = expanded_selections(&self.document, selection);
        if operation.node.ty == OperationType::Subscription && selections > MAX_EVENT_SELECTIONS {
            let message = format!(
                "The subscription selects {selections} fields after its fragments are expanded; at most \
                 {MAX_EVENT_SELECTIONS} are allowed, because they are written for each event. Select fewer."
            );
            return Err(refusal(message, Some(operation.pos)));
        }
        Ok(())
    }

    /// Returns whether the operation called `name` selects fields of the schema. `__typename` is none of them.
    pub(super) fn selects_schema(&self, name: Option<&str>) -> bool {
        self.operation(name).is_ok_and(|operation| {
            introspection_selections(&self.document, &operation.node.selection_set.node) > 0
        })
    }

    /// Returns the most values that the answer of the operation called `name` may have, `max` if it does not select the schema.
    pub(super) fn max_values(&self, name: Option<&str>, max: usize) -> usize {
        if self.selects_schema(name) { max.min(MAX_SCHEMA_VALUES) } else { max }
    }

    /// Checks that every required variable of the operation called `name` has a value (GraphQL, October 2021, section
    /// 6.1.2).
    ///
    /// # Errors
    /// Names the first variable without a value.
    pub(super) fn check_variables(
        &self,
        name: Option<&str>,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        let is_given = |name: &Name| variables.get(name).is_some_and(|value| *value != Value::Null);
        for definition in &self.operation(name)?.node.variable_definitions {
            let VariableDefinition { name, var_type, default_value, .. } = &definition.node;
            let is_required = !var_type.node.nullable && default_value.is_none();
            if is_required && !is_given(&name.node) {
                let message = format!(
                    "The variable `{}` is required. Send a value for it in `variables`.",
                    name.node
                );
                return Err(refusal(message, Some(definition.pos)));
            }
        }
        Ok(())
    }

    /// Returns those of `variables` that the operation called `name` declares. Subscriptions that differ only in other
    /// variables share an audience.
    ///
    /// # Errors
    /// There is no such operation, or the name is missing and there are several.
    pub(super) fn declared(
        &self,
        name: Option<&str>,
        mut variables: Variables,
    ) -> Result<Variables, ServerError> {
        let definitions = &self.operation(name)?.node.variable_definitions;
        let declared: HashSet<_> =
            definitions.iter().map(|definition| &definition.node.name.node).collect();
        variables.retain(|name, _value| declared.contains(name));
        Ok(variables)
    }

    /// Checks the sizes of the variables that the operation called `name` uses, each counted once for each use. Returns
    /// whether they are large.
    ///
    /// # Errors
    /// They exceed `bounds`, or there is no such operation.
    pub(super) fn check_variable_uses(
        &self,
        name: Option<&str>,
        variables: &Variables,
        bounds: VariableBounds,
    ) -> Result<bool, ServerError> {
        let sizes = VariableSizes::of(variables);
        if !sizes.are_large() {
            return Ok(false);
        }
        let operation = &self.operation(name)?.node;
        variable_uses::check(&self.document.fragments, operation, &sizes, bounds)?;
        Ok(true)
    }

    /// Returns the variables that the subscription called `name` passes as `since` and `sinceAt`.
    pub(super) fn start_variables(&self, name: Option<&str>) -> impl Iterator<Item = &Name> {
        let operation = self.operation(name).ok().into_iter();
        let selections = operation.flat_map(|operation| &operation.node.selection_set.node.items);
        let fields = selections.filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(&field.node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        });
        fields.flat_map(|field| &field.arguments).filter_map(|(argument, value)| {
            match (&*argument.node, &value.node) {
                ("since" | "sinceAt", QueryValue::Variable(variable)) => Some(variable),
                _ => None,
            }
        })
    }

    /// Returns whether any operation or fragment of the text selects a field of this name.
    pub(super) fn mentions(&self, field: &str) -> bool {
        let operations = self.document.operations.iter().map(|(_, operation)| operation);
        let of_operations = operations.map(|operation| &operation.node.selection_set.node);
        let fragments = self.document.fragments.values();
        let of_fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
        of_operations.chain(of_fragments).any(|set| mentions(set, field))
    }

    fn operation(
        &self,
        name: Option<&str>,
    ) -> Result<&Positioned<OperationDefinition>, ServerError> {
        match (&self.document.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok(operation),
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations
                .values()
                .next()
                .ok_or_else(|| refusal("The request has no operation. Send one in `query`.", None)),
            (DocumentOperations::Multiple(_), None) => Err(refusal(
                "The request has several operations. Name the one to run in `operationName`.",
                None,
            )),
            (DocumentOperations::Multiple(operations), Some(name)) => {
                operations.get(name).ok_or_else(|| unknown(name))
            }
            (DocumentOperations::Single(_), Some(name)) => Err(unknown(name)),
        }
    }
}

fn mentions(set: &SelectionSet, wanted: &str) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            field.node.name.node == wanted || mentions(&field.node.selection_set.node, wanted)
        }
        Selection::InlineFragment(fragment) => mentions(&fragment.node.selection_set.node, wanted),
        Selection::FragmentSpread(_) => false,
    })
}

/// Reduces the parser's drawing of a syntax error to its reason. Clients receive the position in `locations`.
fn syntax_error(error: parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    let reason = error.message.lines().last().unwrap_or_default().trim_start();
    let reason = reason.strip_prefix("= ").unwrap_or(reason);
    error.message = format!("The operation is not GraphQL: {reason}.");
    error
}

fn unknown(name: &str) -> ServerError {
    let name = shortened(name, MAX_NAME_SHOWN);
    refusal(format!("The request has no operation \"{name}\". Correct `operationName`."), None)
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;

    use super::*;

    fn parsed(text: &str) -> Result<ParsedOperations, ServerError> {
        ParsedOperations::parse(text.into(), OperationBounds { selections: 2_000, depth: 20 })
    }

    #[test]
    fn an_operation_is_selected_by_name() {
        let parsed = parsed("query A { a } mutation B { b }").unwrap();
        assert_eq!(parsed.kind(Some("B")).unwrap(), OperationKind::Mutation);
        assert!(parsed.kind(None).is_err());
        assert!(parsed.kind(Some("C")).is_err());
    }

    #[test]
    fn undeclared_variables_are_removed() {
        let parsed = parsed("query A($a: Int) { a(b: $a) } query B { a }").unwrap();
        let declared = |name: &str, variables: serde_json::Value| {
            parsed.declared(Some(name), Variables::from_json(variables)).unwrap()
        };
        let one = declared("A", serde_json::json!({ "a": 1, "b": 2 }));
        let other = declared("A", serde_json::json!({ "c": [3], "a": 1 }));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"a":1}"#);
        assert_eq!(serde_json::to_string(&other).unwrap(), r#"{"a":1}"#);
        assert!(declared("B", serde_json::json!({ "a": 1 })).is_empty());
    }

    #[test]
    fn a_syntax_error_has_a_message_of_one_line_and_a_position() {
        let error = parsed("{").map(|_parsed| ()).unwrap_err();
        assert_eq!(error.message, "The operation is not GraphQL: expected selection.");
        assert_eq!(error.locations, vec![Pos { line: 1, column: 2 }]);
        let error = parsed("{ a } { b }").map(|_parsed| ()).unwrap_err();
        assert_eq!(error.message.lines().count(), 1, "{}", error.message);
    }

    #[test]
    fn deep_nesting_is_refused_without_a_stack_overflow() {
        let deep = "{a".repeat(10_000);
        assert!(parsed(&deep).is_err());
        let closed = format!("{}{}", "{a".repeat(5_000), "}".repeat(5_000));
        assert!(parsed(&closed).is_err());
        let list = format!("{{a(x:{}1{})}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parsed(&list).is_err());
    }
}
