//! Measuring texts: their bounds hold after fragments are expanded.

use std::fmt::Write as _;

use async_graphql::parser::parse_query;

use super::*;

fn measured(text: &str) -> Result<usize, String> {
    let bounds = OperationBounds { selections: 100, depth: 5 };
    let size = measure(&parse_query(text).unwrap(), bounds);
    size.map(|size| size.written).map_err(|error| error.message)
}

fn expect_refused(text: &str, reason: &str) {
    let error = measured(text).unwrap_err();
    assert!(error.contains(reason), "{error}");
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
fn an_operation_within_bounds_is_counted_as_written() {
    assert_eq!(measured("{ a b { c d } }"), Ok(4));
    assert_eq!(measured("{ a ... { b } ...F ...F } fragment F on A { c }"), Ok(6));
    assert_eq!(measured("{ ...Missing }"), Ok(1));
    let bound = format!("{{ {} }}", "a ".repeat(100));
    assert_eq!(measured(&bound), Ok(100));
}

#[test]
fn fields_are_counted_as_often_as_their_fragment_is_spread() {
    expect_refused(&format!("{{ {} }}", "a ".repeat(101)), "more than 100");
    expect_refused(
        &format!("query A {{ {0} }} query B {{ {0} }}", "a ".repeat(51)),
        "more than 100",
    );
    // Spreads count as well: six of ten fields are 66.
    let ten = format!("fragment F on A {{ {} }}", "a ".repeat(10));
    assert!(measured(&format!("{{ {} }} {ten}", "...F ".repeat(9))).is_ok());
    expect_refused(&format!("{{ {} }} {ten}", "...F ".repeat(10)), "more than 100");
}

#[test]
fn a_small_text_that_expands_to_a_giant_one_is_refused() {
    let text = format!("{{ ...F0 }} {}", chain(30, 3));
    assert!(text.len() < 2_000);
    expect_refused(&text, "more than 100");
    // More than fits into a counter.
    expect_refused(&format!("{{ ...F0 }} {}", chain(60, 20)), "more than 100");
}

#[test]
fn type_names_of_one_selection_set_are_bounded() {
    let names = |count: usize| "__typename ".repeat(count);
    assert!(measured(&format!("{{ {} a {{ {} }} }}", names(32), names(32))).is_ok());
    expect_refused(&format!("{{ {} }}", names(33)), "`__typename` more than 32 times");
    let fragment = "fragment F on A { __typename ... { __typename } }";
    assert!(measured(&format!("{{ {} }} {fragment}", "...F ".repeat(16))).is_ok());
    expect_refused(&format!("{{ {} }} {fragment}", "...F ".repeat(17)), "Select it once");
}

#[test]
fn cycles_are_refused_in_used_and_unused_fragments() {
    expect_refused("{ ...F } fragment F on A { ...F }", "spread in itself");
    expect_refused(
        "{ ...F } fragment F on A { a { ...G } } fragment G on A { ... { ...F } }",
        "in itself",
    );
    expect_refused("{ a } fragment F on A { ...G } fragment G on A { ...F }", "spread in itself");
}

#[test]
fn unused_fragments_are_bounded() {
    expect_refused(&format!("{{ a }} fragment F on A {{ {} }}", "a ".repeat(100)), "more than 100");
    expect_refused("{ a } fragment F on A { a { a { a { a { a { a } } } } } }", "6 levels deep");
}

#[test]
fn unused_fragments_are_bounded_after_their_fragments_are_expanded() {
    let ten = format!("fragment F on A {{ {} }}", "a ".repeat(10));
    let many = format!("fragment G on A {{ {} }}", "...F ".repeat(10));
    expect_refused(&format!("{{ a }} {ten} {many}"), "more than 100");
}

#[test]
fn inputs_are_counted_as_often_as_their_fragment_is_spread() {
    let list = "$a ".repeat(13_000);
    let fragment = format!("fragment F on Query {{ a(x: [{list}]) }}");
    assert_eq!(measured(&format!("query A {{ ...F }} {fragment}")), Ok(2));
    let operations: String = (0..6).map(|n| format!("query A{n} {{ ...F }} ")).collect();
    expect_refused(&format!("{operations} {fragment}"), "arguments, variables and values");
    let spread = format!("{{ {} }} {fragment}", "...F ".repeat(6));
    expect_refused(&spread, "arguments, variables and values");
    let directives = format!("{{ a {} }}", "@b ".repeat(65_537));
    expect_refused(&directives, "arguments, variables and values");
    let variables: String = (0..40_000).map(|n| format!("$a{n}: A = [1] ")).collect();
    expect_refused(&format!("query A({variables}) {{ a }}"), "arguments, variables and values");
}

#[test]
fn names_are_bounded_wherever_they_stand() {
    let long = "n".repeat(129);
    for text in [
        format!("{{ {long} }}"),
        format!("{{ {long}: a }}"),
        format!("{{ a({long}: 1) }}"),
        format!("{{ a(x: {long}) }}"),
        format!("{{ a(x: [{{ {long}: 1 }}]) }}"),
        format!("{{ a(x: ${long}) }}"),
        format!("{{ a @{long} }}"),
        format!("{{ ...{long} }}"),
        format!("{{ ... on {long} {{ a }} }}"),
        format!("{{ a }} fragment {long} on A {{ a }}"),
        format!("{{ a }} fragment F on {long} {{ a }}"),
        format!("query {long} {{ a }}"),
        format!("query A(${long}: A) {{ a }}"),
        format!("query A($a: [{long}!]) {{ a }}"),
    ] {
        expect_refused(&text, "A name has 129 characters");
    }
    assert_eq!(measured(&format!("{{ {} }}", "n".repeat(128))), Ok(1));
}

#[test]
fn depth_counts_fields_inside_fragments() {
    assert_eq!(measured("{ a { a { ...F } } } fragment F on A { a { a { a } } }"), Ok(6));
    expect_refused("{ a { a { a { ...F } } } } fragment F on A { a { a { a } } }", "6 levels deep");
    expect_refused(&format!("{{ ...F0 }} {}", chain(63, 1)), "deeper than 64");
}

#[test]
fn thousands_of_fragments_are_refused_without_a_stack_overflow() {
    expect_refused(&format!("{{ ...F0 }} {}", chain(10_000, 1)), "");
    expect_refused(&format!("{{ a }} {}", chain(10_000, 1)), "");
    let mut flat = String::from("{ a }");
    for n in 0..10_000 {
        write!(flat, " fragment F{n} on A {{ a }}").unwrap();
    }
    expect_refused(&flat, "more than 100");
}
