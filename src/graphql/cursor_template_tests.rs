//! Templates write what the selection writes.

use std::sync::{Arc, LazyLock};

use async_graphql::Variables;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    domain::{Color, Event},
    graphql::{
        admission::SubscriptionOperation, mutation::Mutation, parsed_operations::ParsedOperations,
        query::Query, render::Renderer, schema::Schema, subscription::SubscriptionRoot,
        validation::expansion::OperationBounds,
    },
    room::{Render as _, SharedEvent},
};

/// The schema, which takes long to build.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::build(Query::default(), Mutation::default(), SubscriptionRoot).finish()
});

/// Returns a renderer of what `text` selects.
fn renderer(text: &str) -> Renderer {
    let bounds = OperationBounds { selections: 2_000, depth: 20 };
    Renderer::new(SubscriptionOperation {
        schema: SCHEMA.clone(),
        parsed: Arc::new(ParsedOperations::parse(text.into(), bounds).unwrap()),
        name: None,
        variables: Variables::from_json(
            json!({ "id": DocumentId::new().to_string(), "with": true }),
        ),
        max_event: 10_000,
    })
}

/// Returns what a renderer writes for a move.
fn rendered(renderer: &mut Renderer, moved: &CursorMove) -> String {
    let event = SharedEvent::new(Event::CursorMoved(Arc::new(moved.clone())));
    String::from_utf8(renderer.render(&event).unwrap().into()).unwrap()
}

fn subscription(fields: &str) -> String {
    format!(
        "subscription ($id: ID!, $with: Boolean!) {{ cursorMoved(documentId: $id) {{ {fields} }} }}
        fragment at on Position {{ line column }}
        fragment whole on CursorMove {{ user {{ id name }} cursor {{ line anchor {{ ...at }} }} }}
        fragment used on CursorMove {{ ...whole @include(if: $with) }}
        fragment all on CursorMove {{ ...used }}"
    )
}

/// The fields of a selection. The names are those that a template could mistake for values.
fn fields() -> impl Strategy<Value = String> {
    let alias = prop_oneof![
        Just(String::new()),
        Just("a: ".to_owned()),
        Just("line: ".to_owned()),
        Just(format!("_{}: ", SAMPLE_HEAD.0)),
        "[a-c]{1,2}: ",
    ];
    let anchor =
        prop_oneof![Just("{ line }"), Just("{ column b: line ...at }"), Just("{ __typename }")];
    let field = prop_oneof![
        Just("documentId".to_owned()),
        Just("sessionId".to_owned()),
        Just("color".to_owned()),
        Just("movedAt".to_owned()),
        Just("__typename".to_owned()),
        Just("user { name }".to_owned()),
        Just("user { n: name id __typename }".to_owned()),
        anchor.prop_map(|anchor| format!("cursor {{ column x: line line anchor {anchor} }}")),
    ];
    let directive = prop_oneof![Just(""), Just("@skip(if: $with)"), Just("@include(if: $with)")];
    let selected = (alias, field, directive).prop_map(|(alias, field, directive)| {
        let (name, rest) = field.split_once(' ').unwrap_or((&field, ""));
        format!("{alias}{name} {directive} {rest}")
    });
    prop::collection::vec(selected, 1..6).prop_map(|fields| fields.join(" ") + " ...all")
}

prop_compose! {
    fn moves()(
        positions in prop::array::uniform4(prop_oneof![0..i32::MAX, 0..200]),
        has_anchor: bool,
        name in "[ -~éß\u{1F600}\n\"\\\\]{0,12}",
        millis in 0..4_000_000_000_000_i64,
    ) -> CursorMove {
        let [line, column, anchor_line, anchor_column] = positions;
        let at = |line, column| Position::new(line, column).unwrap();
        let (document, user) = (DocumentId::new(), UserId::new());
        CursorMove {
            document,
            session: SessionId::new(),
            user: User { id: user, name: name.into() },
            color: Color::of(document, user),
            cursor: Cursor {
                head: at(line, column),
                anchor: has_anchor.then(|| at(anchor_line, anchor_column)),
            },
            at: DateTime::from_timestamp_millis(millis).unwrap(),
        }
    }
}

proptest! {
    #[test]
    fn moves_are_written_as_the_selection_writes_them(
        fields in fields(),
        moves in prop::collection::vec(moves(), 8..16),
    ) {
        let text = subscription(&fields);
        let (mut by_template, made_anew) = (renderer(&text), || renderer(&text));
        for moved in &moves {
            // A selection whose aliases clash is refused before it has an audience.
            let event = SharedEvent::new(Event::CursorMoved(Arc::new(moved.clone())));
            if let Ok(expected) = made_anew().render(&event) {
                let expected = String::from_utf8(expected.into()).unwrap();
                prop_assert_eq!(rendered(&mut by_template, moved), expected);
            }
        }
    }
}

#[test]
fn a_template_is_made_after_a_few_moves_for_carets_and_for_selections() {
    let mut templates = CursorTemplates::default();
    let caret = sample_of(&CursorMove {
        cursor: Cursor { head: Position::at(0, 0), anchor: None },
        ..a_move()
    });
    let line = |moved: &CursorMove| {
        let mut json = b"{\"line\":".to_vec();
        MoveValue::Line.write(moved, &mut json);
        json.push(b'}');
        Ok::<_, ()>(Bytes::from(json))
    };
    for _ in 0..MOVES_BEFORE {
        templates.note(&caret, &line(&caret).unwrap(), |_sample| -> Result<_, ()> {
            panic!("it is too early")
        });
    }
    assert_eq!(templates.render(&caret, 100), None);
    templates.note(&caret, &line(&caret).unwrap(), |sample| line(&sample));
    assert_eq!(templates.render(&caret, 100), Some(line(&caret).unwrap()));
    assert_eq!(templates.render(&caret, 5), None, "it is too long");
    assert_eq!(templates.render(&a_move(), 100), None, "it has an anchor");

    // A selection that the template does not match is never rendered by one.
    let wrong = Bytes::from_static(b"{\"line\":true}");
    templates.note(&a_move(), &wrong, |sample| line(&sample));
    assert_eq!(templates.render(&a_move(), 100), None);
    templates.note(&a_move(), &wrong, |_sample| -> Result<_, ()> { panic!("it is given up") });
}

/// A move with a selection of text.
fn a_move() -> CursorMove {
    let (document, user) = (DocumentId::new(), UserId::new());
    CursorMove {
        document,
        session: SessionId::new(),
        user: User { id: user, name: "Ana".into() },
        color: Color::of(document, user),
        cursor: Cursor { head: Position::at(1, 2), anchor: Some(Position::at(3, 4)) },
        at: Utc::now(),
    }
}
