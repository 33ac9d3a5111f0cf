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

/// Reads all documents in the order of creation, 50 a page. Calls `between` after each page with the number of pages so far.
async fn walk(client: &impl Client, between: impl AsyncFn(usize)) -> Vec<Value> {
    let operation =
        "query($after: String) { documents(first: 50, after: $after, orderBy: CREATED) {
        nodes { id } pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after) = (vec![], Value::Null);
    for pages in 1.. {
        let page = client.run(operation, json!({ "after": after })).await.value();
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()));
        between(pages).await;
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    seen
}

#[actix_web::test]
async fn all_documents_are_listed_once_while_each_of_them_is_edited() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "1000000"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut documents = vec![];
    for number in 0..250 {
        documents.insert(0, alice.create_document(&format!("Document {number}"), "").await);
    }

    // After each of the five pages, a fifth of the documents on all of them.
    let edit_some = async |pages: usize| {
        for document in documents.iter().skip(pages - 1).step_by(5) {
            alice.rename(*document, &format!("Renamed after page {pages}")).await.value();
        }
        alice.create_document("Created meanwhile", "").await;
    };
    let seen = walk(&alice, edit_some).await;

    let expected: Vec<_> = documents.iter().map(|document| json!(document)).collect();
    assert_eq!(seen, expected);
    for document in documents {
        assert_eq!(alice.read_version(document).await, 2);
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_cursor_of_one_order_is_refused_in_another() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    alice.create_document("Notes", "").await;
    let operation = "query($after: String, $order: DocumentOrder!) {
        documents(after: $after, orderBy: $order) { pageInfo { endCursor } } }";
    let page = async |order: &str, after: Value| {
        alice.run(operation, json!({ "order": order, "after": after })).await
    };
    for (order, other) in [("UPDATED", "CREATED"), ("CREATED", "UPDATED")] {
        let first = page(order, Value::Null).await.value();
        let cursor = &first["pageInfo"]["endCursor"];
        assert!(page(order, cursor.clone()).await.is_ok(), "{order}");
        let refused = page(other, cursor.clone()).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        let message = refused.error()["message"].as_str().unwrap();
        assert!(message.contains("another order"), "{message}");
    }
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
