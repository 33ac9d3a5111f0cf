//! Values for arguments: ordinary ones, with which an operation succeeds, and extreme ones.

use async_graphql::parser::types::{BaseType, Type, TypeKind};
use kit::PASSWORD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::sdl::{Argument, Field, Sdl, read_input};

/// Optional arguments that ordinary operations give: without them, they do nothing or less.
const GIVEN: [&str; 17] = [
    "DeltaOpInput.attributes",
    "DeltaOpInput.insert",
    "Mutation.askAgain.documentId",
    "Mutation.askAgain.userId",
    "Mutation.changeGroup.joining",
    "Mutation.createDocument.content",
    "Mutation.createDocument.metadata",
    "Mutation.deleteAccount.password",
    "Mutation.endDocumentTokens.tokenId",
    "Mutation.enterAsGuest.secret",
    "Mutation.grantAccess.userId",
    "Mutation.grantGroupAccess.source",
    "Mutation.openLink.secret",
    "Mutation.updateDocument.content",
    "Mutation.updateDocument.metadata",
    "Subscription.documentChanged.since",
    "__Type.fields.includeDeprecated",
];

/// The code units of a long text: more than the largest text of a document in these tests.
const LONG: usize = 40_000;

/// The entries of a long list.
const MANY: usize = 12_000;

/// The things that ordinary arguments name.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The document that operations are about.
    pub(crate) document: String,
    /// Another user, who has access to it.
    pub(crate) peer: String,
    /// The e-mail address of the caller.
    pub(crate) email: String,
    /// The e-mail address of an account that does not exist yet.
    pub(crate) new_email: String,
    /// The secret of an invitation to a document of another user.
    pub(crate) invitation: String,
    /// The secret of a link to it.
    pub(crate) link: String,
}

/// Chooses values for the arguments of a schema.
pub(crate) struct Values<'a> {
    /// The schema.
    pub(crate) sdl: &'a Sdl,
    /// The things that they name.
    pub(crate) names: Names,
}

impl Values<'_> {
    /// Returns the arguments that an ordinary operation gives to a field.
    pub(crate) fn given(field: &Field) -> impl Iterator<Item = &Argument> {
        field.arguments.iter().filter(|argument| is_given(argument))
    }

    /// Returns a value with which an operation succeeds.
    pub(crate) fn ordinary(&self, argument: &Argument) -> Value {
        self.ordinary_of(&argument.ty, argument)
    }

    /// Returns values at and beyond the limits, and of other types.
    pub(crate) fn extreme(&self, argument: &Argument) -> Vec<Value> {
        let mut nested = json!(0);
        for _ in 0..50 {
            nested = json!({ "a": [nested] });
        }
        let mut values = self.extreme_of(&argument.ty, argument);
        values.extend([Value::Null, json!(vec![0; MANY]), nested, json!("x".repeat(LONG))]);
        values
    }

    fn ordinary_of(&self, ty: &Type, argument: &Argument) -> Value {
        match &ty.base {
            BaseType::List(items) => json!([self.ordinary_of(items, argument)]),
            BaseType::Named(name) => match self.sdl.kind_of(name) {
                Some(TypeKind::Enum(values)) => json!(values.values[0].node.value.node.as_str()),
                Some(TypeKind::InputObject(_)) => {
                    let inputs = self.inputs(name);
                    object(inputs.iter().filter(|i| is_given(i)), |input| self.ordinary(input))
                }
                _ => self.scalar(name, argument),
            },
        }
    }

    fn scalar(&self, name: &str, argument: &Argument) -> Value {
        match name {
            "ID" => self.id(argument),
            "String" => self.text(argument),
            "Int" => json!(1),
            "Float" => json!(1.5),
            "Boolean" => json!(true),
            "DateTime" => json!("2026-11-27T00:00:00Z"),
            // A Yjs update without changes.
            "Bytes" => json!("AAA="),
            "JSON" => json!([{ "insert": "text" }]),
            "JSONObject" => json!({ "status": "draft", "pages": 3 }),
            _ => teach(argument, &format!("a value of the type {name}")),
        }
    }

    fn id(&self, argument: &Argument) -> Value {
        match argument.name.as_str() {
            "mutationId" => Value::Null,
            "userId" | "joining" | "leaving" | "handOverTo" | "author" => json!(self.names.peer),
            // There is none, which is an answer as well.
            "linkId" | "groupId" => json!(Uuid::nil()),
            _ if is_document(argument) => json!(self.names.document),
            _ => teach(argument, "what this ID names"),
        }
    }

    fn text(&self, argument: &Argument) -> Value {
        match (argument.owner.as_str(), argument.name.as_str()) {
            ("Mutation.register", "email") => json!(self.names.new_email),
            (_, "email") => json!(self.names.email),
            (_, "password" | "currentPassword" | "newPassword") => json!(PASSWORD),
            ("Meta.__type", "name") => json!("Document"),
            // The attacker is in a group of this application.
            ("Mutation.grantGroupAccess", "source") => json!("wiki"),
            ("Mutation.acceptInvitation", "secret") => json!(self.names.invitation),
            (_, "secret") => json!(self.names.link),
            (_, "after") => Value::Null,
            _ => json!("text"),
        }
    }

    fn extreme_of(&self, ty: &Type, argument: &Argument) -> Vec<Value> {
        match &ty.base {
            BaseType::List(items) => {
                let longest = self.extreme_of(items, argument).swap_remove(0);
                let ordinary = self.ordinary_of(items, argument);
                vec![json!(vec![ordinary; MANY]), json!([longest])]
            }
            BaseType::Named(name) => match self.sdl.kind_of(name) {
                Some(TypeKind::Enum(_)) => vec![json!("NO_SUCH_VALUE")],
                Some(TypeKind::InputObject(_)) => {
                    let inputs = self.inputs(name);
                    vec![object(inputs.iter(), |input| self.extreme(input).swap_remove(0))]
                }
                _ => extreme_scalars(name),
            },
        }
    }

    fn inputs(&self, name: &str) -> Vec<Argument> {
        let Some(TypeKind::InputObject(input)) = self.sdl.kind_of(name) else { return vec![] };
        input.fields.iter().map(|field| read_input(name, &field.node)).collect()
    }
}

/// Returns whether an argument names a document.
pub(crate) fn is_document(argument: &Argument) -> bool {
    super::sdl::name_of(&argument.ty) == "ID" && ["id", "documentId"].contains(&&*argument.name)
}

fn is_given(argument: &Argument) -> bool {
    let title = format!("{}.{}", argument.owner, argument.name);
    argument.is_required || GIVEN.contains(&&*title)
}

fn extreme_scalars(name: &str) -> Vec<Value> {
    match name {
        // Six bytes of JSON for each code unit.
        "ID" | "String" | "DateTime" => vec![json!("\u{1}".repeat(LONG)), json!("")],
        "Bytes" => vec![json!("A".repeat(LONG)), json!("not base64!"), json!("")],
        "JSONObject" => {
            let members = (0..MANY).map(|number| (number.to_string(), json!(number)));
            vec![
                json!({ "text": "\u{1}".repeat(LONG) }),
                Value::Object(members.collect()),
                json!({}),
            ]
        }
        "Int" | "Float" => vec![json!(i32::MAX), json!(i32::MIN), json!(0), json!(100)],
        _ => vec![json!(false)],
    }
}

fn object<'a>(
    inputs: impl Iterator<Item = &'a Argument>,
    value: impl Fn(&Argument) -> Value,
) -> Value {
    let fields = inputs.map(|input| (input.name.clone(), value(input)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn teach(argument: &Argument, what: &str) -> Value {
    panic!(
        "{}.{} is new: teach `Values` in tests/abuse/schema/arguments.rs {what}, so that operations with it are tested",
        argument.owner, argument.name
    )
}

#[test]
#[should_panic(
    expected = "teach `Values` in tests/abuse/schema/arguments.rs a value of the type Colour"
)]
fn an_argument_of_an_unknown_type_fails_with_what_to_do() {
    let sdl = Sdl::parse("scalar Colour type Query { a(b: [Colour!]): Int }");
    let names = ["d", "p", "e", "n", "i", "l"].map(str::to_owned);
    let [document, peer, email, new_email, invitation, link] = names;
    let names = Names { document, peer, email, new_email, invitation, link };
    let values = Values { sdl: &sdl, names };
    values.ordinary(&sdl.fields("Query")[0].arguments[0]);
}
