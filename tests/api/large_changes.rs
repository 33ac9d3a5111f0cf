//! Large changes: rendered beside the room, and received by every subscriber in order.

use kit::{Client as _, Node as _, Pair, RawSocket};
use serde_json::{Value, json};

/// The text of a large change, with characters that JSON escapes.
fn long() -> String {
    "A \"long\" line.\n".repeat(20_000)
}

const CONTENT: &str = "subscription ($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
        version content delta { retain insert delete } update
    }
}";

const DELTA: &str = "subscription ($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
        version delta { retain insert delete }
    }
}";

const VERSION: &str = "subscription ($id: ID!) { documentChanged(documentId: $id) { version } }";

/// Receives the changes from version 2 up to `last`, in order.
async fn changes(socket: &mut RawSocket, id: &str, last: i64) -> Vec<Value> {
    let mut changes = vec![];
    for version in 2..=last {
        let change = socket.expect_next(id).await;
        assert_eq!(change["version"], version);
        changes.push(change);
    }
    changes
}

#[actix_web::test]
async fn every_subscriber_receives_a_large_change_and_those_after_it_in_order() {
    let pair = Pair::start().await;
    let mut sockets = vec![];
    // Two of one audience with different ids, and others of it.
    for (id, operation) in [("1", CONTENT), ("\"2\"", CONTENT), ("3", DELTA), ("4", VERSION)] {
        let mut socket = pair.bob.connect_raw().await;
        let variables = json!({ "id": pair.document });
        let before = pair.node.seats().await;
        socket.start_with(id, operation, variables).await;
        pair.node.expect_seats(before + 1).await;
        sockets.push((id, socket));
    }
    let text = long();
    pair.alice.insert(pair.document, &text).await;
    for _ in 0..5 {
        pair.alice.insert(pair.document, "x").await;
    }
    pair.alice.insert(pair.document, &text).await;
    let last = pair.alice.insert(pair.document, "y").await;
    assert_eq!(last, 9);

    let mut received = vec![];
    for (id, socket) in &mut sockets {
        received.push(changes(socket, id, last).await);
    }
    assert_eq!(received[0], received[1]);
    assert_eq!(received[0][0]["content"], format!("{text}Welcome."));
    assert_eq!(received[0][7]["content"], pair.alice.read_text(pair.document).await);
    for (all, deltas) in received[0].iter().zip(&received[2]) {
        assert_eq!(all["delta"], deltas["delta"]);
    }
    // A replay sends the same.
    let mut late = pair.bob.connect_raw().await;
    late.start_with("late", CONTENT, json!({ "id": pair.document, "since": 1 })).await;
    assert_eq!(changes(&mut late, "late", last).await, received[0]);
    pair.stop((sockets, late)).await;
}
