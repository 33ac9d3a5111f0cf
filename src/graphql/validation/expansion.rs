//! Limits the size of an operation after its fragments are expanded.
//!
//! A fragment may be spread many times, and so may the fragments inside it: a text of two kilobytes can stand for more
//! fields than could ever be visited. Validation and execution visit them all. Therefore each fragment is measured here
//! once, before they begin, and an operation that would become too large or too deep is refused.
//!
//! The work is linear in the length of the text. The recursion ends at [`MAX_NESTING`] levels.

use std::collections::{HashMap, hash_map::Entry};

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use super::{
    inputs::{check_bare, check_name, count_arguments, count_directives, count_variables},
    refusal::refusal,
};

/// The most arguments, directives, variables and values in them. A text of 64 KiB has fewer, but a fragment may be spread
/// many times.
const MAX_INPUTS: usize = 65_536;

/// The most levels of nested selection sets, of fields and fragments alike.
const MAX_NESTING: usize = 64;

/// The most selections of `__typename` in one selection set, those of its fragments included. The library resolves them
/// without counting them in the budget of the answer.
const MAX_TYPE_NAMES: usize = 32;

/// The most that an operation may select.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphql) struct OperationBounds {
    /// Selections, each counted as often as its fragment is spread.
    pub(in crate::graphql) selections: usize,
    /// Levels of nested fields.
    pub(in crate::graphql) depth: usize,
}

/// The size of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) struct TextSize {
    /// Selections as written.
    pub(in crate::graphql) written: usize,
    /// Selections of all operations, each counted as often as its fragment is spread.
    pub(in crate::graphql) selections: usize,
    /// Arguments, directives, variables and values in them, counted in the same way.
    pub(in crate::graphql) inputs: usize,
}

impl TextSize {
    /// The selections of a text that takes long to validate. Pages select some dozens.
    const MAX_SMALL: usize = 100;
    /// This many inputs take as long as one selection.
    const INPUTS_PER_SELECTION: usize = 16;

    /// Whether validation takes so long that others must not wait for many such texts.
    pub(in crate::graphql) fn is_large(self) -> bool {
        self.selections + self.inputs / Self::INPUTS_PER_SELECTION > Self::MAX_SMALL
    }
}

/// Checks the expanded size of a text and returns it.
///
/// # Errors
/// The expanded text exceeds `bounds` or has too long a name, or a fragment spreads itself.
pub(in crate::graphql) fn measure(
    document: &ExecutableDocument,
    bounds: OperationBounds,
) -> Result<TextSize, ServerError> {
    let mut measurement =
        Measurement { fragments: &document.fragments, measured: HashMap::new(), written: 0 };
    let mut whole = TextSize { written: 0, selections: 0, inputs: 0 };
    for (name, Positioned { node: operation, pos }) in document.operations.iter() {
        name.map_or(Ok(()), |name| check_bare(name, Some(*pos)))?;
        let size = measurement.measure_set(&operation.selection_set.node, 1, *pos)?;
        let own = count_directives(&operation.directives)?
            + count_variables(&operation.variable_definitions)?;
        whole.selections = whole.selections.saturating_add(size.selections);
        whole.inputs = whole.inputs.saturating_add(size.inputs).saturating_add(own);
        bounds.check(whole.selections, size.depth, *pos)?;
        check_inputs(whole.inputs, *pos)?;
    }
    // Validation visits every fragment by itself, and refuses unused ones only afterwards.
    let (mut selections, mut inputs) = (whole.selections, whole.inputs);
    for (name, Positioned { pos, .. }) in &document.fragments {
        let is_used = measurement.measured.contains_key(name);
        let size = measurement.measure_fragment(name, 1, *pos)?;
        if !is_used {
            selections = selections.saturating_add(size.selections);
            inputs = inputs.saturating_add(size.inputs);
        }
        bounds.check(selections.max(measurement.written), size.depth, *pos)?;
        check_inputs(inputs, *pos)?;
    }
    Ok(TextSize { written: measurement.written, ..whole })
}

/// Returns the number of selections of an operation, each counted as often as its fragment is spread. The operation has been
/// measured, so its fragments form no cycle and the number is bounded.
pub(in crate::graphql) fn expanded_selections(
    document: &ExecutableDocument,
    set: &SelectionSet,
) -> usize {
    let count = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(field) => expanded_selections(document, &field.node.selection_set.node),
        Selection::InlineFragment(fragment) => {
            expanded_selections(document, &fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.map_or(0, |fragment| {
                expanded_selections(document, &fragment.node.selection_set.node)
            })
        }
    };
    set.items.iter().map(|selection| 1 + count(selection)).sum()
}

/// Returns the number of selections below `__schema` and `__type`, these included, as [`expanded_selections`] counts them.
pub(in crate::graphql) fn introspection_selections(
    document: &ExecutableDocument,
    set: &SelectionSet,
) -> usize {
    let count = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(field) if ["__schema", "__type"].contains(&&*field.node.name.node) => {
            1 + expanded_selections(document, &field.node.selection_set.node)
        }
        Selection::Field(_) => 0,
        Selection::InlineFragment(fragment) => {
            introspection_selections(document, &fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.map_or(0, |fragment| {
                introspection_selections(document, &fragment.node.selection_set.node)
            })
        }
    };
    set.items.iter().map(count).sum()
}

impl OperationBounds {
    fn check(self, selections: usize, depth: usize, at: Pos) -> Result<(), ServerError> {
        if selections > self.selections {
            let message = format!(
                "The operation is too complex: it selects more than {} fields after its \
                 fragments are expanded. Select less at a time.",
                self.selections
            );
            return Err(refusal(message, Some(at)));
        }
        if depth > self.depth {
            let message = format!(
                "The operation has fields nested {depth} levels deep; at most {} are allowed. Select \
                 fewer levels at a time.",
                self.depth
            );
            return Err(refusal(message, Some(at)));
        }
        Ok(())
    }
}

fn check_inputs(inputs: usize, at: Pos) -> Result<(), ServerError> {
    if inputs > MAX_INPUTS {
        let message = format!(
            "The operation has more than {MAX_INPUTS} arguments, variables and values after its fragments are expanded. Send \
             long values in `variables`, or split the operation."
        );
        return Err(refusal(message, Some(at)));
    }
    Ok(())
}

fn too_nested(at: Pos) -> ServerError {
    let message = format!(
        "The operation is nested deeper than {MAX_NESTING} levels after its fragments are \
         expanded. Select fewer levels at a time."
    );
    refusal(message, Some(at))
}

fn too_many_type_names(at: Pos) -> ServerError {
    let message = format!(
        "A selection set has `__typename` more than {MAX_TYPE_NAMES} times after its fragments are \
         expanded. Select it once."
    );
    refusal(message, Some(at))
}

/// The size of a selection set after its fragments are expanded.
#[derive(Debug, Clone, Copy, Default)]
struct ExpandedSize {
    selections: usize,
    /// Arguments, directives, variables and values in them.
    inputs: usize,
    /// Levels of nested fields.
    depth: usize,
    /// Levels of nested selection sets, of fields and fragments alike.
    nesting: usize,
    /// Selections of `__typename` on the first level of fields.
    type_names: usize,
}

/// Measures each fragment once.
struct Measurement<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// The sizes of fragments. `None` while a fragment is being measured: reaching it again means a cycle.
    measured: HashMap<&'a Name, Option<ExpandedSize>>,
    /// Selections as written.
    written: usize,
}

impl<'a> Measurement<'a> {
    fn measure_set(
        &mut self,
        set: &'a SelectionSet,
        level: usize,
        at: Pos,
    ) -> Result<ExpandedSize, ServerError> {
        if level > MAX_NESTING {
            return Err(too_nested(at));
        }
        let mut whole = ExpandedSize::default();
        for Positioned { node: selection, pos } in &set.items {
            self.written += 1;
            let (one, directives) = match selection {
                Selection::Field(Positioned { node: field, .. }) => {
                    check_name(&field.name)?;
                    field.alias.iter().try_for_each(check_name)?;
                    let below = self.measure_set(&field.selection_set.node, level + 1, *pos)?;
                    let inputs = below.inputs.saturating_add(count_arguments(&field.arguments)?);
                    let type_names = usize::from(field.name.node == "__typename");
                    let size = ExpandedSize { depth: below.depth + 1, inputs, type_names, ..below };
                    (size, &field.directives)
                }
                Selection::InlineFragment(Positioned { node: fragment, .. }) => {
                    let condition = fragment.type_condition.iter();
                    condition.map(|condition| &condition.node.on).try_for_each(check_name)?;
                    let size = self.measure_set(&fragment.selection_set.node, level + 1, *pos)?;
                    (size, &fragment.directives)
                }
                Selection::FragmentSpread(Positioned { node: spread, .. }) => {
                    check_name(&spread.fragment_name)?;
                    let size =
                        self.measure_fragment(&spread.fragment_name.node, level + 1, *pos)?;
                    (size, &spread.directives)
                }
            };
            let inputs = one.inputs.saturating_add(count_directives(directives)?);
            whole.inputs = whole.inputs.saturating_add(inputs);
            whole.selections = whole.selections.saturating_add(one.selections).saturating_add(1);
            whole.depth = whole.depth.max(one.depth);
            whole.nesting = whole.nesting.max(one.nesting);
            whole.type_names = whole.type_names.saturating_add(one.type_names);
            if whole.type_names > MAX_TYPE_NAMES {
                return Err(too_many_type_names(*pos));
            }
        }
        whole.nesting += 1;
        // A fragment that was measured before adds levels that this recursion did not count.
        if whole.nesting > MAX_NESTING { Err(too_nested(at)) } else { Ok(whole) }
    }

    /// A fragment that does not exist counts as empty. Validation refuses it.
    fn measure_fragment(
        &mut self,
        name: &Name,
        level: usize,
        at: Pos,
    ) -> Result<ExpandedSize, ServerError> {
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(ExpandedSize::default());
        };
        match self.measured.entry(name) {
            Entry::Occupied(measured) => {
                return measured.get().ok_or_else(|| {
                    refusal(format!(
                            "The fragment `{name}` is spread in itself, directly or through others. Remove the cycle."
                        ), Some(at))
                });
            }
            Entry::Vacant(unmeasured) => {
                unmeasured.insert(None);
            }
        }
        check_bare(name, Some(fragment.pos))?;
        check_name(&fragment.node.type_condition.node.on)?;
        let mut size = self.measure_set(&fragment.node.selection_set.node, level, at)?;
        size.inputs = size.inputs.saturating_add(count_directives(&fragment.node.directives)?);
        self.measured.insert(name, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
#[path = "expansion_tests.rs"]
mod tests;
