//! The schema as the generated tests read it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{
            BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind,
            TypeSystemDefinition,
        },
    },
};

/// The introspection types, which every schema has and no SDL lists. From the specification of GraphQL, section 4.2.
const INTROSPECTION: &str = "
    type __Schema { description: String types: [__Type!]! queryType: __Type! mutationType: __Type
        subscriptionType: __Type directives: [__Directive!]! }
    type __Type { kind: __TypeKind! name: String description: String
        fields(includeDeprecated: Boolean): [__Field!] interfaces: [__Type!] possibleTypes: [__Type!]
        enumValues(includeDeprecated: Boolean): [__EnumValue!]
        inputFields(includeDeprecated: Boolean): [__InputValue!] ofType: __Type specifiedByURL: String }
    type __Field { name: String! description: String args(includeDeprecated: Boolean): [__InputValue!]!
        type: __Type! isDeprecated: Boolean! deprecationReason: String }
    type __InputValue { name: String! description: String type: __Type! defaultValue: String
        isDeprecated: Boolean! deprecationReason: String }
    type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
    enum __TypeKind { SCALAR OBJECT }
    type __Directive { name: String! description: String isRepeatable: Boolean! locations: [String!]!
        args(includeDeprecated: Boolean): [__InputValue!]! }
    type Meta { __schema: __Schema! __type(name: String!): __Type }";

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads.
    Query,
    /// It changes something.
    Mutation,
    /// It sends events.
    Subscription,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 3] = [Self::Query, Self::Mutation, Self::Subscription];

    /// Returns the name of its root type.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Mutation => "Mutation",
            Self::Subscription => "Subscription",
        }
    }

    /// Returns the keyword that begins its operations.
    pub(crate) fn keyword(self) -> String {
        self.root().to_lowercase()
    }
}

/// A field of an object or interface type.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The type that has the field.
    pub(crate) owner: String,
    /// The name.
    pub(crate) name: String,
    /// The description, empty if there is none.
    pub(crate) description: String,
    /// The arguments.
    pub(crate) arguments: Vec<Argument>,
    /// The type of its value, without lists and nullability.
    pub(crate) result: String,
}

impl Field {
    /// Returns `Owner.name`.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.owner, self.name)
    }
}

/// An argument of a field, or a field of an input type.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    /// The field or the input type.
    pub(crate) owner: String,
    /// The name.
    pub(crate) name: String,
    /// The type.
    pub(crate) ty: Type,
    /// Whether it must be given.
    pub(crate) is_required: bool,
}

/// The types of a schema by their names.
pub(crate) struct Sdl {
    types: BTreeMap<String, TypeKind>,
}

impl Sdl {
    /// Reads the schema of the server, with the introspection types.
    pub(crate) fn of_the_server() -> Self {
        let mut sdl = Self::parse(&coscribe::graphql::sdl());
        sdl.types.extend(Self::parse(INTROSPECTION).types);
        sdl
    }

    /// Reads a schema.
    pub(crate) fn parse(text: &str) -> Self {
        let definitions = parse_schema(text).unwrap().definitions.into_iter();
        let types = definitions.filter_map(|definition| match definition {
            TypeSystemDefinition::Type(Positioned { node, .. }) => {
                let TypeDefinition { name, kind, .. } = node;
                Some((name.node.to_string(), kind))
            }
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self { types: types.collect() }
    }

    /// Returns a type by its name.
    pub(crate) fn kind_of(&self, name: &str) -> Option<&TypeKind> {
        self.types.get(name)
    }

    /// Returns the fields of an object or interface type, or nothing for any other type. Queries also have the introspection fields.
    pub(crate) fn fields(&self, owner: &str) -> Vec<Field> {
        let mut fields = self.declared_fields(owner);
        if owner == Kind::Query.root() {
            fields.extend(self.declared_fields("Meta"));
        }
        fields
    }

    /// Returns the paths from a root type to every field that its operations can select, each by the shortest way.
    pub(crate) fn paths(&self, kind: Kind) -> Vec<Vec<Field>> {
        let mut paths: Vec<Vec<Field>> = vec![];
        let mut seen = BTreeSet::from([kind.root().to_owned()]);
        let mut waiting = VecDeque::from([(kind.root().to_owned(), vec![])]);
        while let Some((owner, way)) = waiting.pop_front() {
            for field in self.fields(&owner) {
                let path: Vec<Field> = way.iter().cloned().chain([field.clone()]).collect();
                if self.is_object(&field.result) && seen.insert(field.result.clone()) {
                    waiting.push_back((field.result, path.clone()));
                }
                paths.push(path);
            }
        }
        paths
    }

    /// Returns whether values of a type have fields.
    pub(crate) fn is_object(&self, name: &str) -> bool {
        match self.kind_of(name) {
            Some(TypeKind::Object(_) | TypeKind::Interface(_)) => true,
            Some(TypeKind::Union(_)) => {
                panic!("{name}: teach tests/abuse/schema/sdl.rs to walk unions")
            }
            _ => false,
        }
    }

    /// Returns a selection of everything below a type, each type once on a path; empty for a type without fields.
    pub(crate) fn everything(&self, owner: &str) -> String {
        self.everything_below(owner, &mut vec![])
    }

    fn everything_below(&self, owner: &str, above: &mut Vec<String>) -> String {
        if !self.is_object(owner) {
            return String::new();
        }
        above.push(owner.to_owned());
        let mut selection = String::new();
        for field in self.fields(owner) {
            let is_above = above.contains(&field.result);
            if !is_above && !field.arguments.iter().any(|argument| argument.is_required) {
                let below = self.everything_below(&field.result, above);
                selection.push_str(&format!("{} {below} ", field.name));
            }
        }
        for object in self.implementers(owner) {
            if !above.contains(&object) {
                let below = self.everything_below(&object, above);
                selection.push_str(&format!("... on {object} {below} "));
            }
        }
        above.pop();
        format!("{{ {selection}}}")
    }

    fn declared_fields(&self, owner: &str) -> Vec<Field> {
        let fields = match self.types.get(owner) {
            Some(TypeKind::Object(object)) => &object.fields,
            Some(TypeKind::Interface(interface)) => &interface.fields,
            _ => return vec![],
        };
        fields.iter().map(|field| read_field(owner, &field.node)).collect()
    }

    /// Returns the object types that implement an interface.
    fn implementers(&self, interface: &str) -> Vec<String> {
        let implements = |kind: &TypeKind| match kind {
            TypeKind::Object(object) => object.implements.iter().any(|on| on.node == interface),
            _ => false,
        };
        let names = self.types.iter().filter(|(_, kind)| implements(kind));
        names.map(|(name, _)| name.clone()).collect()
    }
}

fn read_field(owner: &str, field: &FieldDefinition) -> Field {
    let description = field.description.as_ref().map_or("", |text| &text.node);
    let title = format!("{owner}.{}", field.name.node);
    Field {
        owner: owner.to_owned(),
        name: field.name.node.to_string(),
        description: description.to_owned(),
        arguments: field.arguments.iter().map(|input| read_input(&title, &input.node)).collect(),
        result: name_of(&field.ty.node).to_owned(),
    }
}

/// Reads an argument of the field, or a field of the input type `owner`.
pub(crate) fn read_input(owner: &str, input: &InputValueDefinition) -> Argument {
    Argument {
        owner: owner.to_owned(),
        name: input.name.node.to_string(),
        ty: input.ty.node.clone(),
        is_required: !input.ty.node.nullable && input.default_value.is_none(),
    }
}

/// Returns the name of a type, without lists and nullability.
pub(crate) fn name_of(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(items) => name_of(items),
    }
}

#[test]
fn everything_below_an_interface_has_the_fields_of_its_objects() {
    let sdl = Sdl::parse(
        "interface Node { id: ID! } type A implements Node { id: ID! b: B! }
         type B implements Node { id: ID! a: A! } type C { id: ID! }",
    );
    let written = sdl.everything("Node").split_whitespace().collect::<Vec<_>>().join(" ");
    let b = "... on B { id a { id } }";
    assert_eq!(written, format!("{{ id ... on A {{ id b {{ id }} }} {b} }}"));
}
