//! The schema agrees with the documentation, and keeps everything that existing clients use.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::collections::BTreeSet;

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{
            FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};
use coscribe::graphql::sdl;

const CONTRACT: &str = include_str!("contract.graphql");

#[test]
fn the_documented_schema_is_the_schema() {
    let documented = include_str!("../docs/schema.graphql");
    assert!(
        documented == sdl(),
        "docs/schema.graphql is out of date; run: cargo run -- schema > docs/schema.graphql"
    );
}

#[test]
fn the_schema_has_everything_in_the_contract() {
    let (promised, current) = (facts(CONTRACT), facts(&sdl()));
    let missing: Vec<_> = promised.difference(&current).collect();
    assert!(missing.is_empty(), "missing or different: {missing:#?}");
}

#[test]
fn no_new_argument_or_input_field_is_required() {
    let promised = facts(CONTRACT);
    let added: Vec<_> = facts(&sdl())
        .into_iter()
        .filter(|fact| fact.is_required_input() && !promised.contains(fact))
        .filter(|fact| promised.iter().any(|known| known.owner() == fact.owner()))
        .collect();
    assert!(added.is_empty(), "existing clients do not send these: {added:#?}");
}

#[test]
fn a_change_of_nullability_or_of_a_default_is_a_difference() {
    let one = facts("type Query { a(b: Int = 1, c: [ID!]): String! }");
    for other in [
        "type Query { a(b: Int = 1, c: [ID!]): String }",
        "type Query { a(b: Int = 2, c: [ID!]): String! }",
        "type Query { a(b: Int, c: [ID!]): String! }",
        "type Query { a(b: Int = 1, c: [ID]): String! }",
        "type Query { a(b: Int = 1): String! }",
        "input Query { a: String! }",
    ] {
        assert!(!one.is_subset(&facts(other)), "{other}");
    }
    assert!(
        one.is_subset(&facts("type Query { z: Int a(c: [ID!], b: Int = 1, d: Int): String! }"))
    );
}

/// One statement of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A type exists and has this kind.
    Type(String, &'static str),
    /// A type has a field, an enum value, a union member or an interface.
    Member(String, String),
    /// A field has an argument, or an input type has a field; with its default, if any.
    Input(String, String, Option<String>),
}

impl Fact {
    /// Returns whether clients must send it.
    fn is_required_input(&self) -> bool {
        matches!(self, Self::Input(_, named, None) if named.ends_with('!'))
    }

    /// Returns the field or type that it is about.
    fn owner(&self) -> &str {
        match self {
            Self::Type(owner, _) | Self::Member(owner, _) | Self::Input(owner, _, _) => owner,
        }
    }
}

/// Returns all statements of a schema, without descriptions and order.
fn facts(schema: &str) -> BTreeSet<Fact> {
    let definitions = parse_schema(schema).unwrap().definitions;
    let types = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    types.flat_map(facts_of_type).collect()
}

fn facts_of_type(TypeDefinition { name, kind, .. }: TypeDefinition) -> Vec<Fact> {
    let name = name.node.to_string();
    let member = |member: String| Fact::Member(name.clone(), member);
    let (kind, mut facts): (_, Vec<_>) = match kind {
        TypeKind::Scalar => ("scalar", vec![]),
        TypeKind::Object(object) => {
            let implemented = object.implements.into_iter().map(|on| member(on.node.to_string()));
            let fields = object.fields.into_iter().flat_map(|field| facts_of_field(&name, field));
            ("object", implemented.chain(fields).collect())
        }
        TypeKind::Interface(interface) => {
            let fields = interface.fields.into_iter();
            ("interface", fields.flat_map(|field| facts_of_field(&name, field)).collect())
        }
        TypeKind::Union(union) => {
            ("union", union.members.into_iter().map(|of| member(of.node.to_string())).collect())
        }
        TypeKind::Enum(values) => {
            let values = values.values.into_iter();
            ("enum", values.map(|value| member(value.node.value.node.to_string())).collect())
        }
        TypeKind::InputObject(input) => {
            ("input", input.fields.into_iter().map(|field| fact_of_input(&name, field)).collect())
        }
    };
    facts.push(Fact::Type(name, kind));
    facts
}

fn facts_of_field(owner: &str, field: Positioned<FieldDefinition>) -> Vec<Fact> {
    let FieldDefinition { name, arguments, ty, .. } = field.node;
    let path = format!("{owner}.{}", name.node);
    let mut facts: Vec<_> =
        arguments.into_iter().map(|argument| fact_of_input(&path, argument)).collect();
    facts.push(Fact::Member(owner.to_owned(), format!("{}: {}", name.node, ty.node)));
    facts
}

fn fact_of_input(owner: &str, input: Positioned<InputValueDefinition>) -> Fact {
    let InputValueDefinition { name, ty, default_value, .. } = input.node;
    let default = default_value.map(|value| value.node.to_string());
    Fact::Input(owner.to_owned(), format!("{}: {}", name.node, ty.node), default)
}
