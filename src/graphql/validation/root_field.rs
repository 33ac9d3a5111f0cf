//! The one root field of a subscription (GraphQL, October 2021, section 5.2.3.1).
//!
//! The field may stand in a fragment, or in a fragment of a fragment. The executor looks at plain fields only, so
//! [`take_out_of_fragments`] puts such a field in the place of the fragment before the operation is run.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, ServerError,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

use crate::graphql::operation_cache::refusal;

/// The type whose fields are the roots of subscriptions.
const ROOT: &str = "Subscription";

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Refuses a subscription with more or less than one root field, or with one that may be left out.
///
/// # Errors
/// Says how many there are.
pub(in crate::graphql) fn check(
    fragments: &Fragments,
    operation: &Positioned<OperationDefinition>,
) -> Result<(), ServerError> {
    let (mut fields, mut seen) = (0, HashSet::new());
    count(fragments, &operation.node.selection_set.node, &mut fields, &mut seen)?;
    if fields == 1 {
        return Ok(());
    }
    let message = format!(
        "A subscription selects exactly one root field; this one selects {fields}. Send one subscription for each."
    );
    Err(refusal(message, Some(operation.pos)))
}

/// Counts the fields of a selection set, fragments expanded. Each fragment is looked into once, since they may form
/// a cycle; spread again, it counts as many.
fn count<'a>(
    fragments: &'a Fragments,
    set: &'a SelectionSet,
    fields: &mut usize,
    seen: &mut HashSet<&'a Name>,
) -> Result<(), ServerError> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                refuse_conditions(&field.node.directives)?;
                *fields += 1;
            }
            Selection::InlineFragment(fragment) => {
                refuse_conditions(&fragment.node.directives)?;
                count(fragments, &fragment.node.selection_set.node, fields, seen)?;
            }
            Selection::FragmentSpread(spread) => {
                refuse_conditions(&spread.node.directives)?;
                let name = &spread.node.fragment_name.node;
                match fragments.get(name) {
                    Some(fragment) if seen.insert(name) => {
                        count(fragments, &fragment.node.selection_set.node, fields, seen)?;
                    }
                    Some(_spread_again) => *fields += 2,
                    None => {}
                }
            }
        }
    }
    Ok(())
}

/// A root field that may be left out would make a subscription of nothing.
fn refuse_conditions(directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
    let conditional = |directive: &&Positioned<Directive>| {
        matches!(directive.node.name.node.as_str(), "skip" | "include")
    };
    match directives.iter().find(conditional) {
        Some(directive) => Err(refusal(
            "The root field of a subscription cannot be skipped or included. Leave the directive out.",
            Some(directive.pos),
        )),
        None => Ok(()),
    }
}

/// Puts the root fields of subscriptions in the place of the fragments that they stand in. Whatever is not a root
/// field in good order stays as it is, and validation will say so.
pub(in crate::graphql) fn take_out_of_fragments(document: &mut ExecutableDocument) {
    let mut passed = HashSet::new();
    for operation in operations(&mut document.operations) {
        let set = &mut operation.node.selection_set.node;
        if operation.node.ty == OperationType::Subscription
            && let Some(field) = only_field(&document.fragments, set, &mut passed)
        {
            let pos = field.pos;
            set.items = vec![Positioned::new(Selection::Field(field), pos)];
        }
    }
    if !passed.is_empty() {
        // Validation objects to a fragment that nothing uses.
        let used = used(document);
        document.fragments.retain(|name, _| used.contains(name) || !passed.contains(name));
    }
}

fn operations(operations: &mut DocumentOperations) -> Vec<&mut Positioned<OperationDefinition>> {
    match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    }
}

/// The only field of a set, if it stands there or in fragments, whose names are then noted in `passed`.
fn only_field<'a>(
    fragments: &'a Fragments,
    mut set: &'a SelectionSet,
    passed: &mut HashSet<Name>,
) -> Option<Positioned<Field>> {
    let mut way = HashSet::new();
    loop {
        let [selection] = &set.items[..] else { return None };
        let (directives, condition) = match &selection.node {
            Selection::Field(field) => {
                passed.extend(way);
                return Some(field.clone());
            }
            Selection::InlineFragment(fragment) => {
                set = &fragment.node.selection_set.node;
                (&fragment.node.directives, fragment.node.type_condition.as_ref())
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let fragment = fragments.get(name).filter(|_| way.insert(name.clone()))?;
                set = &fragment.node.selection_set.node;
                (&spread.node.directives, Some(&fragment.node.type_condition))
            }
        };
        let fits = condition.is_none_or(|condition| condition.node.on.node == ROOT);
        if !fits || !directives.is_empty() {
            return None;
        }
    }
}

/// The fragments that are spread somewhere, directly or through others.
fn used(document: &ExecutableDocument) -> HashSet<Name> {
    let mut used = HashSet::new();
    let mut sets: Vec<_> = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node)
        .collect();
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => {
                    sets.push(&fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if used.insert(name.clone())
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        sets.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn checked(text: &str) -> Result<(), ServerError> {
        let document = parse_query(text).unwrap();
        document
            .operations
            .iter()
            .try_for_each(|(_, operation)| check(&document.fragments, operation))
    }

    #[test]
    fn there_is_one_root_field_with_fragments_expanded() {
        for good in [
            "subscription { a }",
            "subscription { ...F } fragment F on Subscription { a }",
            "subscription { ... on Subscription { a { b c } } }",
            "subscription { ...F } fragment F on Subscription { ...G } fragment G on Subscription { a }",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "subscription { a b }",
            "subscription { a ...F } fragment F on Subscription { b }",
            "subscription { x: a y: a }",
            "subscription { ...F ...F } fragment F on Subscription { a }",
            "subscription { ...F } fragment F on Subscription { ...F }",
            "subscription($c: Boolean!) { a @skip(if: $c) }",
            "subscription($c: Boolean!) { ... @include(if: $c) { a } }",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    /// The root selections and the fragments that are left.
    fn taken_out(text: &str) -> (Vec<String>, Vec<String>) {
        let mut document = parse_query(text).unwrap();
        take_out_of_fragments(&mut document);
        let (_, operation) = document.operations.iter().next().unwrap();
        let roots = operation.node.selection_set.node.items.iter().map(|root| match &root.node {
            Selection::Field(field) => field.node.name.node.to_string(),
            Selection::InlineFragment(_) => "...".to_owned(),
            Selection::FragmentSpread(spread) => format!("...{}", spread.node.fragment_name.node),
        });
        let mut left: Vec<_> = document.fragments.keys().map(ToString::to_string).collect();
        left.sort();
        (roots.collect(), left)
    }

    #[test]
    fn a_root_field_takes_the_place_of_its_fragments() {
        let text = "subscription { ... { ...F } } fragment F on Subscription { ...G }
            fragment G on Subscription { a { ...H } } fragment H on A { b } fragment I on A { b }";
        // Nobody uses I, and validation has to say so.
        assert_eq!(taken_out(text), (vec!["a".into()], vec!["H".into(), "I".into()]));
    }

    #[test]
    fn what_is_not_in_order_stays_as_it_is() {
        for (text, root) in [
            ("query { ...F } fragment F on Query { a }", "...F"),
            ("subscription { ...F } fragment F on Query { a }", "...F"),
            ("subscription { ...F } fragment F on Subscription { ...F }", "...F"),
            ("subscription { ...F @odd } fragment F on Subscription { a }", "...F"),
            ("subscription { ... on Query { a } }", "..."),
        ] {
            assert_eq!(taken_out(text).0, [root], "{text}");
        }
    }
}
