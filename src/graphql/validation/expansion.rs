//! How large an operation is once its fragments are put in.
//!
//! A fragment may be spread many times, and the fragments in it as well, so a text of two kilobytes can stand for more
//! fields than anybody could walk through. Validation and execution do walk through them; so before they begin, every
//! fragment is measured once here, and what would become too large or too deep is refused.
//!
//! The work is linear in the text. It follows the text with recursion, which ends at [`NESTED`] levels.

use std::collections::{HashMap, hash_map::Entry};

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use crate::graphql::operation_cache::refusal;

/// How deep selections may stand in each other, with fragments and conditions counted as well as fields.
const NESTED: usize = 64;

/// How large an operation may become.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphql) struct OperationBounds {
    /// Selections, each as often as fragments make it.
    pub(in crate::graphql) selections: usize,
    /// Fields that stand in each other.
    pub(in crate::graphql) depth: usize,
}

/// Measures a text, and says how many selections are written in it.
///
/// # Errors
/// With its fragments put in, the text passes the bounds, or never ends.
pub(in crate::graphql) fn measure(
    document: &ExecutableDocument,
    bounds: OperationBounds,
) -> Result<usize, ServerError> {
    let mut measuring =
        Measuring { fragments: &document.fragments, measured: HashMap::new(), written: 0 };
    let mut selections = 0_usize;
    for (_, Positioned { node: operation, pos }) in document.operations.iter() {
        let extent = measuring.set(&operation.selection_set.node, 1, *pos)?;
        selections = selections.saturating_add(extent.selections);
        bounds.check(selections, extent.depth, *pos)?;
    }
    // What no operation uses is refused by validation, which looks at it first.
    for (name, Positioned { pos, .. }) in &document.fragments {
        let extent = measuring.fragment(name, 1, *pos)?;
        bounds.check(measuring.written, extent.depth, *pos)?;
    }
    Ok(measuring.written)
}

impl OperationBounds {
    fn check(self, selections: usize, depth: usize, at: Pos) -> Result<(), ServerError> {
        if selections > self.selections {
            let message = format!(
                "The operation is too complex: it selects more than {} fields, with its fragments put in. Ask for less at a time.",
                self.selections
            );
            return Err(refusal(message, Some(at)));
        }
        if depth > self.depth {
            let message = format!(
                "The operation has fields nested {depth} deep; at most {} are allowed.",
                self.depth
            );
            return Err(refusal(message, Some(at)));
        }
        Ok(())
    }
}

fn too_nested(at: Pos) -> ServerError {
    let message =
        format!("The operation is nested deeper than {NESTED} levels, with its fragments put in.");
    refusal(message, Some(at))
}

/// What a selection set comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Selections, fragments put in.
    selections: usize,
    /// Fields that stand in each other.
    depth: usize,
    /// Selection sets that stand in each other, of fragments too.
    nested: usize,
}

struct Measuring<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// None of a fragment that is being measured: to meet it again is to go round in a circle.
    measured: HashMap<&'a Name, Option<Extent>>,
    /// Selections as they are written.
    written: usize,
}

impl<'a> Measuring<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize, at: Pos) -> Result<Extent, ServerError> {
        if level > NESTED {
            return Err(too_nested(at));
        }
        let mut whole = Extent::default();
        for Positioned { node: selection, pos } in &set.items {
            self.written += 1;
            let one = match selection {
                Selection::Field(field) => {
                    let below = self.set(&field.node.selection_set.node, level + 1, *pos)?;
                    Extent { depth: below.depth + 1, ..below }
                }
                Selection::InlineFragment(fragment) => {
                    self.set(&fragment.node.selection_set.node, level + 1, *pos)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level + 1, *pos)?
                }
            };
            whole.selections = whole.selections.saturating_add(one.selections).saturating_add(1);
            whole.depth = whole.depth.max(one.depth);
            whole.nested = whole.nested.max(one.nested);
        }
        whole.nested += 1;
        // Fragments that were measured before add levels that were not gone through.
        if whole.nested > NESTED { Err(too_nested(at)) } else { Ok(whole) }
    }

    /// One that is not there counts for nothing, and validation will say so.
    fn fragment(&mut self, name: &Name, level: usize, at: Pos) -> Result<Extent, ServerError> {
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Extent::default());
        };
        match self.measured.entry(name) {
            Entry::Occupied(known) => {
                return known.get().ok_or_else(|| {
                    refusal(format!("The fragment `{name}` is spread in itself."), Some(at))
                });
            }
            Entry::Vacant(unknown) => {
                unknown.insert(None);
            }
        }
        let extent = self.set(&fragment.node.selection_set.node, level, at)?;
        self.measured.insert(name, Some(extent));
        Ok(extent)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use async_graphql::parser::parse_query;

    use super::*;

    fn measured(text: &str) -> Result<usize, String> {
        let bounds = OperationBounds { selections: 100, depth: 5 };
        measure(&parse_query(text).unwrap(), bounds).map_err(|error| error.message)
    }

    fn refused(text: &str, why: &str) {
        let error = measured(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    /// A chain of `count` fragments, each of which spreads the next one `times` times.
    fn chain(count: usize, times: usize) -> String {
        let mut text = String::new();
        for n in 0..count {
            let next = format!("...F{} ", n + 1).repeat(times);
            write!(text, "fragment F{n} on Query {{ {next} }} ").unwrap();
        }
        text + &format!("fragment F{count} on Query {{ a }}")
    }

    #[test]
    fn what_fits_is_counted_as_it_is_written() {
        assert_eq!(measured("{ a b { c d } }"), Ok(4));
        assert_eq!(measured("{ a ... { b } ...F ...F } fragment F on A { c }"), Ok(6));
        assert_eq!(measured("{ ...Missing }"), Ok(1));
        let bound = format!("{{ {} }}", "a ".repeat(100));
        assert_eq!(measured(&bound), Ok(100));
    }

    #[test]
    fn fields_are_counted_as_often_as_fragments_make_them() {
        refused(&format!("{{ {} }}", "a ".repeat(101)), "more than 100");
        refused(&format!("query A {{ {0} }} query B {{ {0} }}", "a ".repeat(51)), "more than 100");
        // Spreads count as well: six of ten fields are 66.
        let ten = format!("fragment F on A {{ {} }}", "a ".repeat(10));
        assert!(measured(&format!("{{ {} }} {ten}", "...F ".repeat(9))).is_ok());
        refused(&format!("{{ {} }} {ten}", "...F ".repeat(10)), "more than 100");
    }

    #[test]
    fn a_small_text_that_stands_for_a_giant_one_is_refused_at_once() {
        let text = format!("{{ ...F0 }} {}", chain(30, 3));
        assert!(text.len() < 2_000);
        refused(&text, "more than 100");
        // More than can be counted.
        refused(&format!("{{ ...F0 }} {}", chain(60, 20)), "more than 100");
    }

    #[test]
    fn circles_are_refused_wherever_they_are() {
        refused("{ ...F } fragment F on A { ...F }", "spread in itself");
        refused(
            "{ ...F } fragment F on A { a { ...G } } fragment G on A { ... { ...F } }",
            "in itself",
        );
        refused("{ a } fragment F on A { ...G } fragment G on A { ...F }", "spread in itself");
    }

    #[test]
    fn what_nobody_uses_is_bounded_too() {
        refused(&format!("{{ a }} fragment F on A {{ {} }}", "a ".repeat(100)), "more than 100");
        refused("{ a } fragment F on A { a { a { a { a { a { a } } } } } }", "6 deep");
    }

    #[test]
    fn depth_goes_through_fragments() {
        assert_eq!(measured("{ a { a { ...F } } } fragment F on A { a { a { a } } }"), Ok(6));
        refused("{ a { a { a { ...F } } } } fragment F on A { a { a { a } } }", "6 deep");
        refused(&format!("{{ ...F0 }} {}", chain(63, 1)), "deeper than 64");
    }

    #[test]
    fn thousands_of_fragments_end_in_an_error_and_not_on_the_stack() {
        refused(&format!("{{ ...F0 }} {}", chain(10_000, 1)), "");
        refused(&format!("{{ a }} {}", chain(10_000, 1)), "");
        let mut flat = String::from("{ a }");
        for n in 0..10_000 {
            write!(flat, " fragment F{n} on A {{ a }}").unwrap();
        }
        refused(&flat, "more than 100");
    }
}
