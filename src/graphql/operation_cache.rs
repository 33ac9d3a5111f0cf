//! Operations by their text: parsed once, kept while they are in use.
//!
//! Clients send the same few texts again and again with other variables, and parsing is more than half of what a
//! small mutation costs. The cache is bounded by entries and by bytes of memory; what is used least goes first.

use std::{collections::HashSet, sync::Arc};

use async_graphql::{
    Name, Pos, Positioned, Request, Response, ServerError, Value, Variables,
    parser::{
        self, parse_query,
        types::{
            DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
            SelectionSet, VariableDefinition,
        },
    },
};
use async_graphql_value::Value as QueryValue;
use quick_cache::{Weighter, sync::Cache};

use super::validation::{
    expansion::{OperationBounds, measure},
    nulls, root_field,
};
use crate::{
    metrics::{Metrics, OperationKind},
    session::Limits,
};

/// A parsed text, which may hold several operations.
pub(super) struct Parsed {
    /// The text.
    pub(super) text: Arc<str>,
    document: ExecutableDocument,
    /// How many selections are written in the text.
    selections: usize,
}

impl Parsed {
    fn parse(text: Arc<str>, bounds: OperationBounds) -> Result<Self, ServerError> {
        let mut document = parse_query(&*text).map_err(in_one_line)?;
        // First of all: whatever else looks at the document follows its fragments as often as they are spread.
        let selections = measure(&document, bounds)?;
        root_field::take_out_of_fragments(&mut document);
        Ok(Self { text, document, selections })
    }

    /// A request that runs the operation called `name`.
    pub(super) fn request(&self, name: Option<&str>, variables: Variables) -> Request {
        // The text is not looked at again once it is parsed.
        let mut request = Request::new("").variables(variables);
        request.operation_name = name.map(str::to_owned);
        request.set_parsed_query(self.document.clone());
        request
    }

    /// Puts the nulls of the fields that failed into the response of the operation called `name`.
    pub(super) fn complete(&self, name: Option<&str>, response: &mut Response) {
        if let Ok(operation) = self.operation(name) {
            nulls::put_in(response, &self.document, &operation.node);
        }
    }

    /// What the operation called `name` does.
    ///
    /// # Errors
    /// No such operation, several to choose from, or a subscription with more or less than one root field
    /// (GraphQL, October 2021, section 5.2.3.1).
    pub(super) fn kind(&self, name: Option<&str>) -> Result<OperationKind, ServerError> {
        let operation = self.operation(name)?;
        match operation.node.ty {
            OperationType::Query => Ok(OperationKind::Query),
            OperationType::Mutation => Ok(OperationKind::Mutation),
            OperationType::Subscription => {
                root_field::check(&self.document.fragments, operation)?;
                Ok(OperationKind::Subscription)
            }
        }
    }

    /// Refuses to run the operation called `name` without a variable that it needs (section 6.1.2).
    ///
    /// # Errors
    /// Names the variable.
    pub(super) fn check_variables(
        &self,
        name: Option<&str>,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        let is_given = |name: &Name| variables.get(name).is_some_and(|value| *value != Value::Null);
        for definition in &self.operation(name)?.node.variable_definitions {
            let VariableDefinition { name, var_type, default_value, .. } = &definition.node;
            let is_needed = !var_type.node.nullable && default_value.is_none();
            if is_needed && !is_given(&name.node) {
                let message = format!("The variable `{}` is needed and has no value.", name.node);
                return Err(refusal(message, Some(definition.pos)));
            }
        }
        Ok(())
    }

    /// Those of `variables` that the operation called `name` declares. The others mean nothing, and subscriptions that
    /// differ in them only are one audience.
    ///
    /// # Errors
    /// No such operation, or several to choose from.
    pub(super) fn declared(
        &self,
        name: Option<&str>,
        mut variables: Variables,
    ) -> Result<Variables, ServerError> {
        let definitions = &self.operation(name)?.node.variable_definitions;
        let declared: HashSet<_> =
            definitions.iter().map(|definition| &definition.node.name.node).collect();
        variables.retain(|name, _value| declared.contains(name));
        Ok(variables)
    }

    /// The variable that says where the subscription called `name` begins, if one does.
    pub(super) fn since_variable(&self, name: Option<&str>) -> Option<&Name> {
        let set = &self.operation(name).ok()?.node.selection_set.node;
        let fields = set.items.iter().filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(&field.node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        });
        fields.flat_map(|field| &field.arguments).find_map(|(argument, value)| match &value.node {
            QueryValue::Variable(variable) if argument.node == "since" => Some(variable),
            _ => None,
        })
    }

    /// Whether the text has a field of this name anywhere.
    pub(super) fn mentions(&self, field: &str) -> bool {
        let operations = self.document.operations.iter().map(|(_, operation)| operation);
        let of_operations = operations.map(|operation| &operation.node.selection_set.node);
        let fragments = self.document.fragments.values();
        let of_fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
        of_operations.chain(of_fragments).any(|set| mentions(set, field))
    }

    fn operation(
        &self,
        name: Option<&str>,
    ) -> Result<&Positioned<OperationDefinition>, ServerError> {
        match (&self.document.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok(operation),
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
                operations.values().next().ok_or_else(|| refusal("There is no operation.", None))
            }
            (DocumentOperations::Multiple(_), None) => Err(refusal(
                "There are several operations. Say which one to run in `operationName`.",
                None,
            )),
            (DocumentOperations::Multiple(operations), Some(name)) => {
                operations.get(name).ok_or_else(|| unknown(name))
            }
            (DocumentOperations::Single(_), Some(name)) => Err(unknown(name)),
        }
    }
}

fn mentions(set: &SelectionSet, wanted: &str) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            field.node.name.node == wanted || mentions(&field.node.selection_set.node, wanted)
        }
        Selection::InlineFragment(fragment) => mentions(&fragment.node.selection_set.node, wanted),
        Selection::FragmentSpread(_) => false,
    })
}

/// The parser draws the place of a syntax error with lines of text; clients get the place in `locations` anyway.
fn in_one_line(error: parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    let reason = error.message.lines().last().unwrap_or_default().trim_start();
    let reason = reason.strip_prefix("= ").unwrap_or(reason);
    error.message = format!("The operation is not GraphQL: {reason}.");
    error
}

fn unknown(name: &str) -> ServerError {
    refusal(format!("There is no operation called \"{name}\" in the text."), None)
}

pub(super) fn refusal(message: impl Into<String>, at: Option<Pos>) -> ServerError {
    ServerError::new(message, at)
}

/// The parsed texts that are in use.
pub(super) struct OperationCache {
    cache: Cache<Arc<str>, Arc<Parsed>, ParsedWeight>,
    longest: usize,
    bounds: OperationBounds,
    metrics: Metrics,
}

/// An entry weighs about its bytes of memory, but no less than its share of the entries, so that one bound keeps both.
#[derive(Clone)]
struct ParsedWeight {
    least: u64,
}

impl ParsedWeight {
    /// What one selection takes once it is parsed.
    const SELECTION: u64 = 256;
    /// What a byte of text takes at most as part of something else: a value of one digit and a comma.
    const BYTE: u64 = 32;
}

impl Weighter<Arc<str>, Arc<Parsed>> for ParsedWeight {
    fn weight(&self, text: &Arc<str>, parsed: &Arc<Parsed>) -> u64 {
        let bytes = text.len() as u64 * Self::BYTE + parsed.selections as u64 * Self::SELECTION;
        bytes.max(self.least)
    }
}

impl OperationCache {
    /// An empty cache.
    pub(super) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let (entries, bytes) =
            (limits.operation_cache_entries.max(1), limits.operation_cache_bytes as u64);
        let least = (bytes / entries as u64).max(1);
        let cache = Cache::with_weighter(entries, bytes, ParsedWeight { least });
        let bounds = OperationBounds {
            selections: limits.operation_complexity,
            depth: limits.operation_depth,
        };
        Self { cache, longest: limits.operation_text, bounds, metrics }
    }

    /// The parsed form of `text`.
    ///
    /// # Errors
    /// It is too long or too large, or no GraphQL.
    pub(super) fn parsed(&self, text: String) -> Result<Arc<Parsed>, ServerError> {
        if let Some(parsed) = self.cache.get(text.as_str()) {
            self.metrics.operation_cache_hit();
            return Ok(parsed);
        }
        self.metrics.operation_cache_missed();
        if text.len() > self.longest {
            let message = format!(
                "The operation has {} bytes of text; at most {} are allowed. Put values into variables.",
                text.len(),
                self.longest
            );
            return Err(refusal(message, None));
        }
        let text: Arc<str> = text.into();
        let parsed = Arc::new(Parsed::parse(Arc::clone(&text), self.bounds)?);
        self.cache.insert(text, Arc::clone(&parsed));
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Parsed, ServerError> {
        Parsed::parse(text.into(), OperationBounds { selections: 2_000, depth: 20 })
    }

    #[test]
    fn an_operation_is_chosen_by_name() {
        let parsed = parsed("query A { a } mutation B { b }").unwrap();
        assert_eq!(parsed.kind(Some("B")).unwrap(), OperationKind::Mutation);
        assert!(parsed.kind(None).is_err());
        assert!(parsed.kind(Some("C")).is_err());
    }

    #[test]
    fn variables_that_are_not_declared_are_left_out() {
        let parsed = parsed("query A($a: Int) { a(b: $a) } query B { a }").unwrap();
        let declared = |name: &str, variables: serde_json::Value| {
            parsed.declared(Some(name), Variables::from_json(variables)).unwrap()
        };
        let one = declared("A", serde_json::json!({ "a": 1, "b": 2 }));
        let other = declared("A", serde_json::json!({ "c": [3], "a": 1 }));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"a":1}"#);
        assert_eq!(serde_json::to_string(&other).unwrap(), r#"{"a":1}"#);
        assert!(declared("B", serde_json::json!({ "a": 1 })).is_empty());
    }

    #[test]
    fn what_is_no_graphql_is_refused_in_one_line_with_its_place() {
        let error = parsed("{").map(|_parsed| ()).unwrap_err();
        assert_eq!(error.message, "The operation is not GraphQL: expected selection.");
        assert_eq!(error.locations, vec![Pos { line: 1, column: 2 }]);
        let error = parsed("{ a } { b }").map(|_parsed| ()).unwrap_err();
        assert_eq!(error.message.lines().count(), 1, "{}", error.message);
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        let deep = "{a".repeat(10_000);
        assert!(parsed(&deep).is_err());
        let closed = format!("{}{}", "{a".repeat(5_000), "}".repeat(5_000));
        assert!(parsed(&closed).is_err());
        let list = format!("{{a(x:{}1{})}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parsed(&list).is_err());
    }

    #[test]
    fn what_a_cached_operation_weighs_grows_with_what_is_parsed() {
        let weight = |text: &str| {
            let parsed = Arc::new(parsed(text).unwrap());
            ParsedWeight { least: 4_096 }.weight(&Arc::clone(&parsed.text), &parsed)
        };
        assert_eq!(weight("{ a }"), 4_096);
        assert!(weight(&format!("{{ {} }}", "a ".repeat(2_000))) > 500_000);
        assert!(weight(&format!("{{ a(x: [{}]) }}", "1,".repeat(30_000))) > 1_500_000);
    }
}
