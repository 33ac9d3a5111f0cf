//! The edits of a plan, each under an id of its own, so that it may be repeated.

use kit::{Person, within};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::sites::LiveNodes;

/// Waits until an edit is acknowledged. Returns its version, if it was not given up.
pub(super) async fn expect_version(edit: JoinHandle<Option<i64>>) -> Option<i64> {
    within("the acknowledgement of an edit", edit).await.unwrap()
}

/// Sends an edit to one node after another until it is acknowledged. Returns its version. Where changes may be lost, an
/// edit of a lost version is given up.
pub(super) async fn edit_until_acknowledged(
    person: Person,
    alive: LiveNodes,
    first: usize,
    variables: Value,
    may_lose: bool,
) -> Option<i64> {
    let operation = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID!) {
        editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version } }";
    for attempt in first.. {
        tokio::task::yield_now().await;
        let Some(address) = alive.choose(attempt) else { continue };
        // A killed node does not answer.
        let answer = person.at_address(address).try_run(operation, variables.clone()).await;
        let Some(answer) = answer else { continue };
        if answer.is_ok() {
            return answer.value()["version"].as_i64();
        }
        match answer.code() {
            "UNAVAILABLE" | "UNKNOWN" => {}
            "CONFLICT" | "BAD_USER_INPUT" if may_lose => return None,
            code => panic!("{code}"),
        }
    }
    unreachable!("there is always another attempt")
}
