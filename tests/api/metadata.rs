//! The metadata of documents: setting it, reading it, and finding documents by it.

use kit::{Client as _, Node as _, Pair, Person, TestNode};
use serde_json::{Value, json};

const READ: &str = "query($id: ID!) { document(id: $id) { version metadata } }";

async fn create(person: &Person, title: &str, metadata: Value) -> Value {
    let operation = "mutation($title: String!, $metadata: JSONObject) {
        createDocument(title: $title, metadata: $metadata) { id metadata } }";
    person.run(operation, json!({ "title": title, "metadata": metadata })).await.value()
}

#[actix_web::test]
async fn a_change_of_the_metadata_reaches_subscribers_as_renamed() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let read = async || pair.alice.run(READ, json!({ "id": document })).await.value();
    assert_eq!(read().await, json!({ "version": 1, "metadata": {} }));
    let draft = json!({ "status": "draft", "reviewers": [{ "name": "Zoë" }], "pages": 3 });

    let changed = bobs_tab.update(*document, json!({ "metadata": draft })).await.value();

    assert_eq!(changed["version"], 2);
    let change = alices_tab.expect_version(2).await;
    assert_eq!((&change["kind"], &change["title"]), (&json!("RENAMED"), &json!("Project Alpha")));
    assert_eq!(change["content"], "Welcome.");
    assert_eq!(read().await, json!({ "version": 2, "metadata": draft }));
    // The same metadata changes nothing, and a title leaves it.
    let same = bobs_tab.update(*document, json!({ "metadata": draft })).await.value();
    assert_eq!(same["version"], 2);
    bobs_tab.rename(*document, "New").await.value();
    assert_eq!(read().await, json!({ "version": 3, "metadata": draft }));
    alices_tab.expect_version(3).await;
    let all = json!({ "title": "Newer", "content": "Hello", "metadata": { "status": "final" } });
    assert_eq!(bobs_tab.update(*document, all).await.value()["version"], 5);
    let renamed = alices_tab.expect_version(4).await;
    assert_eq!((&renamed["kind"], &renamed["title"]), (&json!("RENAMED"), &json!("Newer")));
    assert_eq!(alices_tab.expect_version(5).await["content"], "Hello");
    assert_eq!(read().await["metadata"], json!({ "status": "final" }));
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn an_operation_reads_the_metadata_that_each_of_its_mutations_has_set() {
    let Pair { node, alice, document, .. } = Pair::start().await;
    let operation = "mutation($id: ID!) {
        a: updateDocument(id: $id, metadata: { status: \"draft\" }) { metadata }
        b: updateDocument(id: $id, metadata: { status: \"final\" }) { metadata } }";

    let reply = alice.send(&json!({ "query": operation, "variables": { "id": document } })).await;

    let expected = json!({
        "a": { "metadata": { "status": "draft" } }, "b": { "metadata": { "status": "final" } }
    });
    assert_eq!(reply.json()["data"], expected);
    node.stop().await;
}

#[actix_web::test]
async fn documents_are_listed_by_their_metadata() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut drafts = vec![];
    for number in 0..3 {
        let draft = create(&alice, "Draft", json!({ "status": "draft", "number": number })).await;
        drafts.insert(0, draft["id"].clone());
        create(&alice, "Final", json!({ "status": "final", "number": number })).await;
    }
    let operation = "query($metadata: JSONObject, $after: String) {
        documents(first: 2, orderBy: CREATED, metadata: $metadata, after: $after) {
            nodes { id metadata } pageInfo { hasNextPage endCursor } } }";
    let list = async |metadata: Value, after: Value| {
        let variables = json!({ "metadata": metadata, "after": after });
        alice.run(operation, variables).await
    };

    let first = list(json!({ "status": "draft" }), Value::Null).await.value();

    assert_eq!(first["nodes"][0]["id"], drafts[0]);
    assert_eq!(first["nodes"][1]["metadata"], json!({ "status": "draft", "number": 1 }));
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let after = first["pageInfo"]["endCursor"].clone();
    let second = list(json!({ "status": "draft" }), after).await.value();
    assert_eq!(second["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(second["nodes"][0]["id"], drafts[2]);
    let one = list(json!({ "status": "draft", "number": 0.0 }), Value::Null).await.value();
    assert_eq!(one["nodes"][0]["id"], drafts[2]);
    for refused in [json!({ "a": null }), json!({ "a": [] }), json!({ "a": "x".repeat(201) })] {
        assert_eq!(list(refused, Value::Null).await.code(), "BAD_USER_INPUT");
    }
    node.stop().await;
}

#[actix_web::test]
async fn metadata_that_breaks_a_rule_is_refused() {
    let Pair { node, alice, document, .. } = Pair::start().await;
    let mut deep = json!({});
    for _ in 0..8 {
        deep = json!({ "a": deep });
    }
    for bad in [
        json!({ "text": "x".repeat(16 * 1024) }),
        json!({ "": 1 }),
        deep,
        json!([]),
        json!("draft"),
        json!(1),
    ] {
        let refused = alice.update(document, json!({ "metadata": bad })).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{bad:.60}");
    }
    assert_eq!(alice.read_version(document).await, 1);
    node.stop().await;
}
