//! Lists of documents, page by page.

use kit::{Answer, Client, Node as _, Pair, TestNode};
use serde_json::{Value, json};

const LIST: &str = "query($first: Int, $after: String) { documents(first: $first, after: $after) {
    edges { cursor node { id } } nodes { id title version access owner { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn list(client: &impl Client, page: Value) -> Answer {
    client.run(LIST, page).await
}

fn titles(page: &Value) -> Vec<&str> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["title"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn documents_are_listed_in_pages_latest_change_first() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut newest_first = vec![];
    for number in 0..25 {
        let title = format!("Document {number}");
        alice.create_document(&title, "").await;
        newest_first.insert(0, title);
    }

    let mut listed = vec![];
    let mut after = Value::Null;
    for (expected, more) in [(10, true), (10, true), (5, false)] {
        let page = list(&alice, json!({ "first": 10, "after": after })).await.value();
        let cursors: Vec<_> = page["edges"].as_array().unwrap().iter().collect();
        assert_eq!(cursors.len(), expected);
        assert_eq!(page["pageInfo"]["hasNextPage"], more);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        assert_eq!(page["pageInfo"]["startCursor"], page["edges"][0]["cursor"]);
        assert_eq!(page["pageInfo"]["endCursor"], cursors[expected - 1]["cursor"]);
        listed.extend(titles(&page).into_iter().map(str::to_owned));
        after = page["pageInfo"]["endCursor"].clone();
        // A document created between two pages moves none of the others.
        alice.create_document("Created meanwhile", "").await;
    }

    assert_eq!(listed, newest_first);
    let beyond = list(&alice, json!({ "after": after })).await.value();
    assert_eq!(beyond["nodes"], json!([]));
    assert_eq!(
        beyond["pageInfo"],
        json!({
            "hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null
        })
    );
    node.stop().await;
}

#[actix_web::test]
async fn a_list_has_every_accessible_document_and_a_change_moves_one_first() {
    let Pair { node, alice, bob, document: shared } = Pair::start().await;
    bob.create_document("Bob's own", "").await;
    alice.create_document("Alice's own", "").await;
    assert_eq!(titles(&list(&bob, json!({})).await.value()), ["Bob's own", "Project Alpha"]);

    alice.write(shared, "Changed").await.value();

    let page = list(&bob, json!({})).await.value();
    assert_eq!(titles(&page), ["Project Alpha", "Bob's own"]);
    assert_eq!(page["nodes"][0]["access"], "EDIT");
    assert_eq!(page["nodes"][0]["owner"]["name"], "Alice");
    assert_eq!(page["nodes"][1]["access"], "OWNER");

    alice.revoke(shared, &bob).await.value();
    assert_eq!(titles(&list(&bob, json!({})).await.value()), ["Bob's own"]);
    node.stop().await;
}

#[actix_web::test]
async fn invalid_page_sizes_and_cursors_are_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    alice.create_document("Notes", "").await;

    for good in
        [json!({}), json!({ "first": null }), json!({ "first": 1 }), json!({ "first": 100 })]
    {
        assert_eq!(titles(&list(&alice, good).await.value()), ["Notes"]);
    }
    for bad in [
        json!({ "first": 0 }),
        json!({ "first": -1 }),
        json!({ "first": 101 }),
        json!({ "after": "" }),
        json!({ "after": "no cursor" }),
        json!({ "after": "AAAA" }),
    ] {
        assert_eq!(list(&alice, bad.clone()).await.code(), "BAD_USER_INPUT", "{bad}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_deleted_document_is_not_listed() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    alice.create_document("Notes", "").await;

    alice.delete(document).await.value();

    assert_eq!(titles(&list(&alice, json!({})).await.value()), ["Notes"]);
    assert_eq!(titles(&list(&bob, json!({})).await.value()), [""; 0]);
    node.stop().await;
}
