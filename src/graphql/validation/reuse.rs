//! Reuse of the validation of an operation that was valid before.
//!
//! Validating a small mutation takes longer than running it, and clients send the same texts again and again with other
//! variables. [`ReusedValidation`] is an extension of the schema: it skips the validation of an operation if it was valid before,
//! and the present values of its variables cannot change that. All else is validated, so the errors are always those of
//! the validation.
//!
//! Values cannot change it if
//! - the first validation has compared the type of each variable with that of its argument or field, and has checked every
//!   argument: it skips a list or an object in which a variable has no value;
//! - each value is of the type of its variable by the letter, without a conversion to a list;
//! - the complexity does not depend on them. In queries it does: the length of a page is an argument.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{
    Positioned, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextValidation},
    parser::types::{
        Directive, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
    },
    registry::{MetaType, MetaTypeName, Registry},
};
use async_graphql_value::Value as QueryValue;
use async_trait::async_trait;

use crate::graphql::parsed_operations::ParsedOperations;

/// The operation of a request, which remembers its validation.
pub(in crate::graphql) struct RequestedOperation {
    pub(in crate::graphql) parsed: Arc<ParsedOperations>,
    pub(in crate::graphql) name: Option<Arc<str>>,
}

/// Skips the validation of requests with a [`RequestedOperation`] where it is known.
pub(in crate::graphql) struct ReusedValidation;

impl ExtensionFactory for ReusedValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(RequestValidation {
            are_values_plain: AtomicBool::new(false),
            are_all_given: AtomicBool::new(false),
        })
    }
}

/// The validation of one request.
struct RequestValidation {
    /// Whether each variable has a value of its type by the letter.
    are_values_plain: AtomicBool,
    /// Whether each variable has a value.
    are_all_given: AtomicBool,
}

#[async_trait]
impl Extension for RequestValidation {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let requested = ctx.data_opt::<RequestedOperation>();
        let operation =
            requested.and_then(|requested| requested.parsed.find(requested.name.as_deref()));
        if let Some(operation) = operation {
            let are_plain = are_plain(&ctx.schema_env.registry, operation, variables);
            self.are_values_plain.store(are_plain, Ordering::Relaxed);
            self.are_all_given.store(are_all_given(operation, variables), Ordering::Relaxed);
        }
        next.run(ctx, query, variables).await
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let requested = ctx.data_opt::<RequestedOperation>();
        let requested = requested.filter(|_| self.are_values_plain.load(Ordering::Relaxed));
        let Some(RequestedOperation { parsed, name }) = requested else {
            return next.run(ctx).await;
        };
        if let Some(known) = parsed.known_validation(name.as_deref()) {
            return Ok(known);
        }
        let result = next.run(ctx).await?;
        let are_all_given = self.are_all_given.load(Ordering::Relaxed);
        parsed.remember_validation(name.clone(), result, are_all_given);
        Ok(result)
    }
}

/// Returns whether the validation of an operation does not depend on the values of its variables, apart from their types.
/// `are_all_given` tells whether each variable had a value.
pub(in crate::graphql) fn is_reusable(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    are_all_given: bool,
) -> bool {
    let may_depend =
        operation.ty == OperationType::Query && !operation.variable_definitions.is_empty();
    if may_depend {
        return false;
    }
    let fragments = document.fragments.values();
    let mut sets = fragments.map(|fragment| &fragment.node.selection_set.node);
    are_all_given
        || has_plain_directives(&operation.directives)
            && has_plain_arguments(&operation.selection_set.node)
            && sets.all(has_plain_arguments)
}

/// Returns whether every argument is a variable, or contains none.
fn has_plain_arguments(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            has_plain_directives(&field.node.directives)
                && field.node.arguments.iter().all(|(_, value)| is_plain_argument(&value.node))
                && has_plain_arguments(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => {
            has_plain_directives(&fragment.node.directives)
                && has_plain_arguments(&fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => has_plain_directives(&spread.node.directives),
    })
}

fn has_plain_directives(directives: &[Positioned<Directive>]) -> bool {
    let mut arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
    arguments.all(|(_, value)| is_plain_argument(&value.node))
}

fn is_plain_argument(value: &QueryValue) -> bool {
    matches!(value, QueryValue::Variable(_)) || !contains_variable(value)
}

/// The parser limits the nesting of values.
fn contains_variable(value: &QueryValue) -> bool {
    match value {
        QueryValue::Variable(_) => true,
        QueryValue::List(entries) => entries.iter().any(contains_variable),
        QueryValue::Object(fields) => fields.values().any(contains_variable),
        QueryValue::Null
        | QueryValue::Number(_)
        | QueryValue::String(_)
        | QueryValue::Boolean(_)
        | QueryValue::Binary(_)
        | QueryValue::Enum(_) => false,
    }
}

fn are_all_given(operation: &OperationDefinition, variables: &Variables) -> bool {
    let mut definitions = operation.variable_definitions.iter();
    definitions.all(|definition| variables.contains_key(&definition.node.name.node))
}

/// Returns whether each declared variable has no value, or one that is of its type by the letter.
fn are_plain(registry: &Registry, operation: &OperationDefinition, variables: &Variables) -> bool {
    operation.variable_definitions.iter().all(|definition| {
        let definition = &definition.node;
        match variables.get(&definition.name.node) {
            None => true,
            // A default value makes the type nullable where the argument may not be null.
            Some(Value::Null) => {
                definition.var_type.node.nullable && definition.default_value.is_none()
            }
            Some(value) => is_of_type(registry, &definition.var_type.node.to_string(), value),
        }
    })
}

/// Returns whether a value is of a type by the letter.
fn is_of_type(registry: &Registry, type_name: &str, value: &Value) -> bool {
    match MetaTypeName::create(type_name) {
        MetaTypeName::NonNull(type_name) => {
            *value != Value::Null && is_of_type(registry, type_name, value)
        }
        MetaTypeName::List(type_name) => match value {
            Value::List(entries) => {
                entries.iter().all(|entry| is_of_type(registry, type_name, entry))
            }
            other => *other == Value::Null,
        },
        MetaTypeName::Named(_) if *value == Value::Null => true,
        MetaTypeName::Named(type_name) => match (registry.types.get(type_name), value) {
            (Some(MetaType::Scalar { is_valid, .. }), value) => {
                !matches!(value, Value::List(_) | Value::Object(_))
                    && is_valid.as_ref().is_none_or(|is_valid| is_valid(value))
            }
            (Some(MetaType::Enum { enum_values, .. }), Value::String(_) | Value::Enum(_)) => {
                let name = match value {
                    Value::Enum(name) => name.as_str(),
                    Value::String(name) => name,
                    _ => return false,
                };
                enum_values.contains_key(name)
            }
            (
                Some(MetaType::InputObject { input_fields, oneof: false, .. }),
                Value::Object(fields),
            ) => {
                let is_given = |field: &str| fields.contains_key(field);
                input_fields.values().all(|field| match fields.get(field.name.as_str()) {
                    Some(value) => is_of_type(registry, &field.ty, value),
                    None => {
                        !MetaTypeName::create(&field.ty).is_non_null()
                            || field.default_value.is_some()
                    }
                }) && input_fields.keys().filter(|field| is_given(field)).count() == fields.len()
            }
            _ => false,
        },
    }
}

#[cfg(test)]
#[path = "reuse_tests.rs"]
mod tests;
