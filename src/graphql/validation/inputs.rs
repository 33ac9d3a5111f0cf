//! Counts what the fields of a text are given: arguments, directives, variables and the values in them.
//!
//! Validation visits them as often as their fragment is spread, in every operation that reaches it, and can write an error for
//! each. A text of 60 KB could stand for millions.

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    parser::types::{BaseType, Directive, VariableDefinition},
};
use async_graphql_value::Value;

use super::refusal::refusal;

/// The most bytes of a name in a text.
const MAX_NAME_BYTES: usize = 128;

/// Counts arguments, directives, variables, and the values in arguments.
///
/// # Errors
/// A name is too long.
pub(super) fn count_arguments(
    arguments: &[(Positioned<Name>, Positioned<Value>)],
) -> Result<usize, ServerError> {
    let mut count = 0;
    for (name, value) in arguments {
        check_name(name)?;
        count += 1 + count_value(&value.node)?;
    }
    Ok(count)
}

/// Counts directives as [`count_arguments`] does.
///
/// # Errors
/// A name is too long.
pub(super) fn count_directives(directives: &[Positioned<Directive>]) -> Result<usize, ServerError> {
    let mut count = 0;
    for Positioned { node: Directive { name, arguments }, .. } in directives {
        check_name(name)?;
        count += 1 + count_arguments(arguments)?;
    }
    Ok(count)
}

/// Counts declared variables and their defaults as [`count_arguments`] does.
///
/// # Errors
/// A name is too long.
pub(super) fn count_variables(
    definitions: &[Positioned<VariableDefinition>],
) -> Result<usize, ServerError> {
    let mut count = 0;
    for Positioned { node: definition, .. } in definitions {
        check_name(&definition.name)?;
        check_type(&definition.var_type.node.base, definition.var_type.pos)?;
        count += 1 + count_directives(&definition.directives)?;
        if let Some(default) = &definition.default_value {
            count += count_value(&default.clone().node.into_value())?;
        }
    }
    Ok(count)
}

/// Checks the length of a name. Refusals repeat names, and validation compares them with those of the schema.
///
/// # Errors
/// It is too long.
pub(super) fn check_name(name: &Positioned<Name>) -> Result<(), ServerError> {
    check_bare(&name.node, Some(name.pos))
}

/// Checks the length of a name whose position may be unknown, because the parser does not keep it.
///
/// # Errors
/// It is too long.
pub(super) fn check_bare(name: &Name, at: Option<Pos>) -> Result<(), ServerError> {
    if name.len() > MAX_NAME_BYTES {
        let message = format!(
            "A name has {} characters; at most {MAX_NAME_BYTES} are allowed. Use a shorter one.",
            name.len()
        );
        return Err(refusal(message, at));
    }
    Ok(())
}

/// The parser limits the nesting of types.
fn check_type(of: &BaseType, at: Pos) -> Result<(), ServerError> {
    match of {
        BaseType::Named(name) => check_bare(name, Some(at)),
        BaseType::List(entries) => check_type(&entries.base, at),
    }
}

/// The parser limits the nesting of values.
fn count_value(value: &Value) -> Result<usize, ServerError> {
    let mut count = 1;
    match value {
        Value::List(entries) => {
            for entry in entries {
                count += count_value(entry)?;
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                check_bare(name, None)?;
                count += count_value(field)?;
            }
        }
        Value::Variable(name) | Value::Enum(name) => check_bare(name, None)?,
        Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Boolean(_)
        | Value::Binary(_) => {}
    }
    Ok(count)
}
