//! Limits the size of variables, each counted as often as the operation uses it after its fragments are expanded.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError,
    parser::types::{Directive, FragmentDefinition, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::refusal::refusal;
use crate::graphql::variables::VariableSizes;

/// The most arguments, and values inside them, that are visited. The text of an operation bounds their number, but a fragment
/// may be spread many times.
const MAX_VISITS: usize = 200_000;

/// What the uses of variables may have together.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphql) struct VariableBounds {
    /// Values.
    pub(in crate::graphql) values: usize,
    /// Bytes of strings and keys.
    pub(in crate::graphql) bytes: usize,
}

/// Checks the sizes of the variables that `operation` uses, each counted once for each use. The operation has been measured,
/// so its fragments form no cycle.
///
/// # Errors
/// They exceed `bounds`.
pub(in crate::graphql) fn check(
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    operation: &OperationDefinition,
    sizes: &VariableSizes<'_>,
    bounds: VariableBounds,
) -> Result<(), ServerError> {
    let mut uses = Uses { fragments, sizes, bounds, left: bounds, visits: MAX_VISITS };
    uses.spend_directives(&operation.directives)?;
    uses.spend_set(&operation.selection_set.node)
}

struct Uses<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    sizes: &'a VariableSizes<'a>,
    bounds: VariableBounds,
    left: VariableBounds,
    visits: usize,
}

impl Uses<'_> {
    fn spend_set(&mut self, set: &SelectionSet) -> Result<(), ServerError> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.spend_directives(&field.node.directives)?;
                    for (_, argument) in &field.node.arguments {
                        self.spend_value(&argument.node)?;
                    }
                    self.spend_set(&field.node.selection_set.node)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.spend_directives(&fragment.node.directives)?;
                    self.spend_set(&fragment.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.spend_directives(&spread.node.directives)?;
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) {
                        self.spend_set(&fragment.node.selection_set.node)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn spend_directives(
        &mut self,
        directives: &[Positioned<Directive>],
    ) -> Result<(), ServerError> {
        let arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
        for (_, argument) in arguments {
            self.spend_value(&argument.node)?;
        }
        Ok(())
    }

    /// The parser limits the nesting of values.
    fn spend_value(&mut self, value: &Value) -> Result<(), ServerError> {
        self.visits = self.visits.checked_sub(1).ok_or_else(|| self.exceeded())?;
        match value {
            Value::Variable(name) => {
                let size = self.sizes.find(name);
                let values = self.left.values.checked_sub(size.values);
                let bytes = self.left.bytes.checked_sub(size.bytes);
                let (Some(values), Some(bytes)) = (values, bytes) else {
                    return Err(self.exceeded());
                };
                self.left = VariableBounds { values, bytes };
                Ok(())
            }
            Value::List(entries) => entries.iter().try_for_each(|entry| self.spend_value(entry)),
            Value::Object(fields) => fields.values().try_for_each(|field| self.spend_value(field)),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => Ok(()),
        }
    }

    fn exceeded(&self) -> ServerError {
        let VariableBounds { values, bytes } = self.bounds;
        let message = format!(
            "The variables have more than {values} values or {bytes} bytes, each counted as often as the operation uses \
             it. Use a large variable once."
        );
        refusal(message, None)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Variables, parser::parse_query};
    use serde_json::json;

    use super::*;

    fn is_allowed(text: &str, values: usize, bytes: usize) -> bool {
        let document = parse_query(text).unwrap();
        let operation = document.operations.iter().next().unwrap().1;
        let variables = Variables::from_json(json!({ "a": ["xx", "yy", 1], "b": "z" }));
        let sizes = VariableSizes::of(&variables);
        let bounds = VariableBounds { values, bytes };
        check(&document.fragments, &operation.node, &sizes, bounds).is_ok()
    }

    #[test]
    fn a_variable_counts_once_for_each_use() {
        for (text, values, bytes) in [
            ("query($a: [X]) { f(x: $a) }", 4, 4),
            ("query($a: [X]) { f(x: $a) g(x: [1, $a]) }", 8, 8),
            ("query($a: [X], $b: X) { f(x: {y: $a}) { g(x: $b) } }", 5, 5),
            ("query($b: X) { f @include(if: $b) ... @skip(if: $b) { g } }", 2, 2),
            ("query($a: X) { ...F ... { ...F } } fragment F on T { f(x: $a) }", 8, 8),
            ("query($missing: X) { f(x: $missing) }", 0, 0),
        ] {
            assert!(is_allowed(text, values, bytes), "{text}");
            assert!(values == 0 || !is_allowed(text, values - 1, bytes), "{text}");
            assert!(bytes == 0 || !is_allowed(text, values, bytes - 1), "{text}");
        }
    }

    #[test]
    fn the_arguments_that_are_visited_are_bounded() {
        let list = "1,".repeat(3_000);
        let spreads = |count: usize| {
            let spreads = "...F ".repeat(count);
            format!("{{ {spreads} }} fragment F on T {{ f(x: [{list}]) }}")
        };
        assert!(is_allowed(&spreads(60), 9, 9));
        assert!(!is_allowed(&spreads(70), 9, 9));
    }
}
