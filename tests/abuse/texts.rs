//! Texts of operations whose validation costs much more than their length.

use kit::{Answer, Client as _, Node as _, TestNode};
use serde_json::{Value, json};

/// The most bytes of an error of the server, with its code and place.
const ERROR_BYTES: usize = 2_000;

/// Returns a fragment with `count` variables that no operation declares.
fn many_variables(count: usize) -> String {
    let variables: String = (0..count).map(|n| format!("$a{n} ")).collect();
    format!("fragment F on Query {{ document(id: [{variables}]) {{ id }} }}")
}

fn expect_small_refusal(answer: &Answer) {
    let errors = answer.errors();
    assert!((1..=20).contains(&errors.len()), "{}", errors.len());
    for error in errors {
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        assert!(error.to_string().len() < ERROR_BYTES, "{error}");
    }
}

#[actix_web::test]
async fn an_error_is_not_written_for_each_operation_and_each_use() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let operations: String = (0..900).map(|n| format!("query a{n}{{...F}}")).collect();
    let text = format!("{operations} {}", many_variables(5_000));
    assert!(text.len() < 65_536, "{}", text.len());
    let body = json!({ "query": text, "operationName": "a1" });
    let refused = mallory.send(&body).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.text().len() < 20 * ERROR_BYTES);
    // One operation may have as many as its text holds, and is told about the first ones.
    let one = format!("{{ ...F }} {}", many_variables(5_000));
    expect_small_refusal(&mallory.run(&one, json!({})).await);
    node.stop().await;
}

#[actix_web::test]
async fn refusals_do_not_repeat_what_is_long() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let long = "n".repeat(60_000);
    for text in [
        format!("mutation {{ {long} }}"),
        format!("{{ document(id: {long}) {{ id }} }}"),
        format!("{{ me {{ ...{long} }} }}"),
        format!("query A($a: {long}) {{ me {{ id }} }}"),
    ] {
        expect_small_refusal(&mallory.run(&text, json!({})).await);
    }
    let body = json!({ "query": "query A { me { id } }", "operationName": "x".repeat(1_000_000) });
    let refused = mallory.send(&body).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.text().len() < ERROR_BYTES, "{}", refused.text().len());

    let subscription = "subscription($at: DateTime) { documentChanged(documentId: \"x\", sinceAt: $at) { version } }";
    let socket = mallory.connect().await;
    let list: Vec<Value> = vec![json!("long".repeat(100)); 2_000];
    expect_small_refusal(&socket.run(subscription, json!({ "at": list })).await);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_unused_fragment_is_refused_before_its_fragments_are_expanded() {
    let node = TestNode::start().await;
    let fields: String = (0..1_000).map(|n| format!("b{n}: x ")).collect();
    let uses: String = (0..490).map(|n| format!("c{n}: a {{ ...F }} ")).collect();
    let text =
        format!("{{ a }} fragment F on Query {{ {fields} }} fragment G on Query {{ {uses} }}");
    let refused = node.stranger().run(&text, json!({})).await;
    assert!(refused.errors()[0]["message"].as_str().unwrap().contains("too complex"));
    node.stop().await;
}
