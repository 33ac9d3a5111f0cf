//! The server recognizes moves of a cursor, and answers them as the schema does.

use kit::{Client as _, Pair};
use serde_json::{Value, json};

const MOVE: &str = "mutation Move($document: ID!, $to: CursorInput!) {
    moved: updateCursor(documentId: $document, cursor: $to) }";

#[actix_web::test]
async fn a_recognized_move_is_answered_as_the_schema_answers_it() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (tab, bobs_tab) = (alice.open(*document).await, bob.open(*document).await);
    tab.expect_joined(bob).await;
    let closed = alice.create_document("Closed", "").await;
    let forbidden = bob.create_document("Bob's", "").await;
    let at = |line: i64, column: i64| json!({ "line": line, "column": column });
    let (here, plain) = (json!(document), at(1, 2));
    let with = |key: &str, value: Value| {
        let mut cursor = at(3, 4);
        cursor[key] = value;
        json!({ "document": here, "to": cursor })
    };

    // A text that is known is recognized. With a comment, it is another text.
    tab.run(MOVE, json!({ "document": here, "to": plain })).await.value();
    bobs_tab.expect_cursor().await;
    let moves = [
        json!({ "document": here, "to": plain }),
        json!({ "document": here, "to": plain, "unused": 1 }),
        with("anchor", json!(null)),
        with("anchor", at(0, i64::from(i32::MAX))),
    ];
    let errors = [
        with("line", json!(-1)),
        with("line", json!(i64::from(i32::MAX) + 1)),
        with("line", json!("1")),
        with("line", json!(1.5)),
        with("more", json!(1)),
        with("anchor", json!({ "line": 1 })),
        with("anchor", at(-1, 0)),
        json!({ "document": "no id", "to": plain }),
        json!({ "document": 7, "to": plain }),
        json!({ "document": closed, "to": plain }),
        json!({ "document": forbidden, "to": plain }),
        json!({ "document": here, "to": null }),
        json!({ "document": here }),
        json!({ "to": plain }),
    ];
    for (number, variables) in moves.iter().chain(&errors).enumerate() {
        let recognized = tab.run(MOVE, variables.clone()).await;
        let by_schema = tab.run(&format!("{MOVE} # {number}"), variables.clone()).await;
        assert_eq!(recognized, by_schema, "{variables}");
        assert_eq!(recognized.is_ok(), number < moves.len(), "{variables}");
        if recognized.is_ok() {
            assert_eq!(recognized.value(), true);
            let shown = [bobs_tab.expect_cursor().await, bobs_tab.expect_cursor().await];
            assert_eq!(shown[0]["cursor"], shown[1]["cursor"]);
            assert_eq!(shown[0]["cursor"]["line"], variables["to"]["line"]);
        }
    }
    bobs_tab.assert_nothing_unread();
    pair.stop((tab, bobs_tab)).await;
}
