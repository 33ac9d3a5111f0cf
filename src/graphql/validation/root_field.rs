//! The single root field of a subscription (GraphQL, October 2021, section 5.2.3.1).
//!
//! The field may stand in a fragment, or in a fragment inside a fragment. The executor looks only at plain fields, so
//! [`inline_fragments`] replaces the fragment by the field before the operation runs.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, ServerError,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

use super::refusal::refusal;

/// The type of the root fields of subscriptions.
const ROOT: &str = "Subscription";

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Checks that a subscription has exactly one root field, without `@skip` or `@include`.
///
/// # Errors
/// States the number of root fields, or points to the directive.
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
        "A subscription selects exactly one root field; this one selects {fields}. Send a \
         subscription for each."
    );
    Err(refusal(message, Some(operation.pos)))
}

/// Adds the number of fields of a selection set, after fragments are expanded. Fragments may form a cycle, so each one is
/// visited once. One that is spread again counts as two fields, which is enough to refuse the subscription.
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

/// Refuses `@skip` and `@include`, which could leave a subscription without a field.
fn refuse_conditions(directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
    let conditional = |directive: &&Positioned<Directive>| {
        matches!(directive.node.name.node.as_str(), "skip" | "include")
    };
    match directives.iter().find(conditional) {
        Some(directive) => Err(refusal(
            "The root field of a subscription cannot have `@skip` or `@include`. Remove the directive.",
            Some(directive.pos),
        )),
        None => Ok(()),
    }
}

/// Replaces fragments at the root of subscriptions by the field in them. Leaves invalid root selections as they are, for
/// validation to refuse.
pub(in crate::graphql) fn inline_fragments(document: &mut ExecutableDocument) {
    let mut inlined = HashSet::new();
    for operation in operations(&mut document.operations) {
        let set = &mut operation.node.selection_set.node;
        if operation.node.ty == OperationType::Subscription
            && let Some(field) = only_field(&document.fragments, set, &mut inlined)
        {
            let pos = field.pos;
            set.items = vec![Positioned::new(Selection::Field(field), pos)];
        }
    }
    if !inlined.is_empty() {
        // Validation refuses unused fragments, so those that are unused now must go.
        let used = used_fragments(document);
        document.fragments.retain(|name, _| used.contains(name) || !inlined.contains(name));
    }
}

fn operations(operations: &mut DocumentOperations) -> Vec<&mut Positioned<OperationDefinition>> {
    match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    }
}

/// Returns the only field of a set, which may stand in fragments. Adds the names of these fragments to `inlined`.
fn only_field<'a>(
    fragments: &'a Fragments,
    mut set: &'a SelectionSet,
    inlined: &mut HashSet<Name>,
) -> Option<Positioned<Field>> {
    let mut path = HashSet::new();
    loop {
        let [selection] = &set.items[..] else { return None };
        let (directives, condition) = match &selection.node {
            Selection::Field(field) => {
                inlined.extend(path);
                return Some(field.clone());
            }
            Selection::InlineFragment(fragment) => {
                set = &fragment.node.selection_set.node;
                (&fragment.node.directives, fragment.node.type_condition.as_ref())
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let fragment = fragments.get(name).filter(|_| path.insert(name.clone()))?;
                set = &fragment.node.selection_set.node;
                (&spread.node.directives, Some(&fragment.node.type_condition))
            }
        };
        let applies = condition.is_none_or(|condition| condition.node.on.node == ROOT);
        if !applies || !directives.is_empty() {
            return None;
        }
    }
}

/// Returns the fragments that operations spread, directly or through others.
fn used_fragments(document: &ExecutableDocument) -> HashSet<Name> {
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
    fn a_subscription_has_one_root_field_after_expansion() {
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

    /// Returns the root selections and the remaining fragments after inlining.
    fn inlined(text: &str) -> (Vec<String>, Vec<String>) {
        let mut document = parse_query(text).unwrap();
        inline_fragments(&mut document);
        let (_, operation) = document.operations.iter().next().unwrap();
        let roots = operation.node.selection_set.node.items.iter().map(|root| match &root.node {
            Selection::Field(field) => field.node.name.node.to_string(),
            Selection::InlineFragment(_) => "...".to_owned(),
            Selection::FragmentSpread(spread) => format!("...{}", spread.node.fragment_name.node),
        });
        let mut remaining: Vec<_> = document.fragments.keys().map(ToString::to_string).collect();
        remaining.sort();
        (roots.collect(), remaining)
    }

    #[test]
    fn a_root_field_replaces_its_fragments() {
        let text = "subscription { ... { ...F } } fragment F on Subscription { ...G }
            fragment G on Subscription { a { ...H } } fragment H on A { b } fragment I on A { b }";
        // I stays, for validation to refuse as unused.
        assert_eq!(inlined(text), (vec!["a".into()], vec!["H".into(), "I".into()]));
    }

    #[test]
    fn invalid_root_selections_are_left_to_validation() {
        for (text, root) in [
            ("query { ...F } fragment F on Query { a }", "...F"),
            ("subscription { ...F } fragment F on Query { a }", "...F"),
            ("subscription { ...F } fragment F on Subscription { ...F }", "...F"),
            ("subscription { ...F @odd } fragment F on Subscription { a }", "...F"),
            ("subscription { ... on Query { a } }", "..."),
        ] {
            assert_eq!(inlined(text).0, [root], "{text}");
        }
    }
}
