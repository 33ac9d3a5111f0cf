//! Operations that select one field of the schema as often as they can.

use serde_json::{Map, Value, json};

use super::{
    arguments::Values,
    sdl::{Argument, Field, Kind, Sdl},
};

/// How an operation repeats a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Under different aliases.
    Aliases,
    /// Under the same name. The server merges what it gets.
    Copies,
    /// By fragments, each of which spreads the next one twice.
    Fragments,
}

/// Which field of a path is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeat {
    /// The index of the field in the path.
    pub(crate) depth: usize,
    /// How often it is selected, at least 1. Fragments round it down to a power of two.
    pub(crate) times: usize,
    /// How it is repeated.
    pub(crate) form: Form,
}

impl Repeat {
    /// Everything is selected once.
    pub(crate) const ONCE: Self = Self { depth: 0, times: 1, form: Form::Copies };
}

/// An operation and its variables.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The text.
    pub(crate) text: String,
    /// The variables.
    pub(crate) variables: Value,
}

/// Builds the operations that select the last field of a path.
pub(crate) struct Builder<'a> {
    /// The kind of the operations.
    pub(crate) kind: Kind,
    /// The path.
    pub(crate) path: &'a [Field],
    /// The selection below the last field; empty if its value has no fields.
    pub(crate) below: String,
    /// Values for arguments.
    pub(crate) values: &'a Values<'a>,
}

impl<'a> Builder<'a> {
    /// Selects as little as possible below the last field.
    pub(crate) fn new(kind: Kind, path: &'a [Field], values: &'a Values<'a>) -> Self {
        let result = &path[path.len() - 1].result;
        Self { kind, path, below: least(values.sdl, result), values }
    }

    /// Selects everything below the last field.
    pub(crate) fn with_everything(kind: Kind, path: &'a [Field], values: &'a Values<'a>) -> Self {
        let below = values.sdl.everything(&path[path.len() - 1].result);
        Self { below, ..Self::new(kind, path, values) }
    }

    /// Builds the operation with ordinary arguments.
    pub(crate) fn build(&self, repeat: Repeat) -> Operation {
        self.build_with(repeat, None)
    }

    /// Builds the operation with this value for an argument of the last field, and ordinary other arguments.
    pub(crate) fn build_with(
        &self,
        repeat: Repeat,
        special: Option<(&Argument, Value)>,
    ) -> Operation {
        let (mut declared, mut variables) = (String::new(), Map::new());
        for (depth, argument) in self.arguments(special.as_ref().map(|(argument, _)| *argument)) {
            let name = variable(depth, argument);
            declared.push_str(&format!("${name}: {} ", argument.ty));
            let value = match &special {
                Some((chosen, value)) if is_last(self.path, depth, argument, chosen) => {
                    value.clone()
                }
                _ => self.values.ordinary(argument),
            };
            variables.insert(name, value);
        }
        let special = special.map(|(argument, _)| argument);
        let mut fragments = String::new();
        let selection = self.selection(0, repeat, special, &mut fragments);
        let declared =
            if declared.is_empty() { String::new() } else { format!("({})", declared.trim_end()) };
        let text = format!("{} {declared} {{ {selection} }} {fragments}", self.kind.keyword());
        Operation { text, variables: json!(variables) }
    }

    /// Returns the arguments that the operation gives, with the depth of their field.
    fn arguments<'b>(
        &'b self,
        special: Option<&'b Argument>,
    ) -> impl Iterator<Item = (usize, &'b Argument)> {
        self.path.iter().enumerate().flat_map(move |(depth, field)| {
            let special = special.filter(move |chosen| {
                depth + 1 == self.path.len()
                    && !Values::given(field).any(|given| given.name == chosen.name)
            });
            Values::given(field).chain(special).map(move |argument| (depth, argument))
        })
    }

    fn selection(
        &self,
        depth: usize,
        repeat: Repeat,
        special: Option<&Argument>,
        fragments: &mut String,
    ) -> String {
        let Some(field) = self.path.get(depth) else { return self.below.clone() };
        let arguments: Vec<_> = self
            .arguments(special)
            .filter(|(of, _)| *of == depth)
            .map(|(_, argument)| format!("{}: ${}", argument.name, variable(depth, argument)))
            .collect();
        let arguments = match arguments.is_empty() {
            true => String::new(),
            false => format!("({})", arguments.join(" ")),
        };
        let below = self.selection(depth + 1, repeat, special, fragments);
        let below = match depth + 1 < self.path.len() {
            true => format!("{{ {below} }}"),
            false => below,
        };
        let call = format!("{}{arguments} {below}", field.name);
        match repeat.depth == depth {
            true => repeated(self.kind, field, &call, repeat, fragments),
            false => call,
        }
    }
}

/// Returns a selection that selects `call` as often as `repeat` says.
fn repeated(
    kind: Kind,
    field: &Field,
    call: &str,
    repeat: Repeat,
    fragments: &mut String,
) -> String {
    match repeat.form {
        Form::Aliases => (0..repeat.times).map(|n| format!("a{n}:{call} ")).collect(),
        Form::Copies => format!("{call} ").repeat(repeat.times),
        Form::Fragments => {
            let owner = if field.owner == "Meta" { kind.root() } else { &field.owner };
            let levels = repeat.times.ilog2();
            for level in 0..levels {
                let next = level + 1;
                fragments.push_str(&format!(
                    "fragment F{level} on {owner} {{ ...F{next} ...F{next} }} "
                ));
            }
            fragments.push_str(&format!("fragment F{levels} on {owner} {{ a:{call} b:{call} }} "));
            "...F0".to_owned()
        }
    }
}

/// Returns the smallest selection of a value of this type.
fn least(sdl: &Sdl, owner: &str) -> String {
    if !sdl.is_object(owner) {
        return String::new();
    }
    let fields = sdl.fields(owner);
    let plain = fields.iter().find(|field| !sdl.is_object(&field.result));
    let field = plain.unwrap_or(&fields[0]);
    format!("{{ {} {} }}", field.name, least(sdl, &field.result))
}

fn variable(depth: usize, argument: &Argument) -> String {
    format!("{}{depth}", argument.name)
}

fn is_last(path: &[Field], depth: usize, argument: &Argument, chosen: &Argument) -> bool {
    depth + 1 == path.len() && argument.name == chosen.name
}
