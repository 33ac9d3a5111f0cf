//! Reuse of the validation of an operation that was valid before.
//!
//! Validating a small mutation takes longer than running it, and clients send the same texts again and again with other
//! variables. [`ReusedValidation`] is an extension of the schema: it skips the validation of an operation if it was valid before,
//! and the present values of its variables cannot change that. All else is validated.
//!
//! Values cannot change it if
//! - the first validation has compared the type of each variable with that of its argument or field. It does not for a list or an
//!   object in which a variable has no value, nor for an object that stands for a list;
//! - each value has exactly the type of its variable, without a conversion to a list;
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
    /// Whether each value has exactly the type of its variable.
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
        let registry = &ctx.schema_env.registry;
        parsed.remember_validation(registry, name.clone(), result, are_all_given);
        Ok(result)
    }
}

/// Returns whether the validation of an operation does not depend on the values of its variables, apart from their types.
/// `are_all_given` tells whether each variable had a value.
pub(in crate::graphql) fn is_reusable(
    registry: &Registry,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    are_all_given: bool,
) -> bool {
    let may_depend =
        operation.ty == OperationType::Query && !operation.variable_definitions.is_empty();
    if may_depend {
        return false;
    }
    let uses = VariableUses { registry, are_all_given };
    let fragments = document.fragments.values();
    let mut sets = fragments.map(|fragment| &fragment.node.selection_set.node);
    uses.are_checked_in_directives(&operation.directives)
        && uses.are_checked_in(&operation.selection_set.node)
        && sets.all(|set| uses.are_checked_in(set))
}

/// Decides whether the validation has compared the type of each variable with its position.
struct VariableUses<'a> {
    registry: &'a Registry,
    are_all_given: bool,
}

impl VariableUses<'_> {
    fn are_checked_in(&self, set: &SelectionSet) -> bool {
        set.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                self.are_checked_in_directives(&field.node.directives)
                    && field.node.arguments.iter().all(|(argument, value)| {
                        is_plain(&value.node)
                            || self.is_checked_argument(name, &argument.node, &value.node)
                    })
                    && self.are_checked_in(&field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => {
                self.are_checked_in_directives(&fragment.node.directives)
                    && self.are_checked_in(&fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => {
                self.are_checked_in_directives(&spread.node.directives)
            }
        })
    }

    fn are_checked_in_directives(&self, directives: &[Positioned<Directive>]) -> bool {
        let mut arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
        arguments.all(|(_, value)| is_plain(&value.node))
    }

    /// Returns whether an argument with variables inside was checked, whichever type its field belongs to.
    fn is_checked_argument(&self, field: &str, argument: &str, value: &QueryValue) -> bool {
        let fields = self.registry.types.values().filter_map(|of_schema| match of_schema {
            MetaType::Object { fields, .. } | MetaType::Interface { fields, .. } => {
                fields.get(field)
            }
            _ => None,
        });
        let mut types = fields.filter_map(|field| field.args.get(argument)).map(|input| &input.ty);
        self.are_all_given && types.all(|type_name| self.is_entered(type_name, value))
    }

    /// Returns whether the validation enters a value as far as it has variables: it does not enter an object that stands for a
    /// list of one, nor a list where no list is expected.
    fn is_entered(&self, type_name: &str, value: &QueryValue) -> bool {
        match (MetaTypeName::create(type_name), value) {
            (MetaTypeName::NonNull(type_name), value) => self.is_entered(type_name, value),
            (MetaTypeName::List(type_name), QueryValue::List(entries)) => {
                entries.iter().all(|entry| self.is_entered(type_name, entry))
            }
            (MetaTypeName::Named(type_name), QueryValue::Object(fields)) => {
                match self.registry.types.get(type_name) {
                    Some(MetaType::InputObject { input_fields, .. }) => {
                        fields.iter().all(|(name, value)| {
                            input_fields
                                .get(name.as_str())
                                .is_some_and(|field| self.is_entered(&field.ty, value))
                        })
                    }
                    _ => is_plain(value),
                }
            }
            (_, value) => is_plain(value),
        }
    }
}

/// Returns whether a value is a variable, or contains none.
fn is_plain(value: &QueryValue) -> bool {
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

/// Returns whether each declared variable has no value, or one that has exactly its type.
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

/// Returns whether a value has exactly a type.
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
            (Some(MetaType::Enum { enum_values, .. }), Value::Enum(name)) => {
                enum_values.contains_key(name.as_str())
            }
            (Some(MetaType::Enum { enum_values, .. }), Value::String(name)) => {
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
