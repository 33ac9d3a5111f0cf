//! A part of PostgreSQL that fails: dead connections, a locked row, a server that became read-only. What does not depend
//! on the part goes on.

use coscribe::domain::DocumentId;
use futures_util::{future::join_all, join};
use kit::{
    Answer, Client, HttpReply, Network, Node as _, Pair, Proxy, TestDatabase, expect_eventually,
    http_client, within,
};
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::database::start_behind_proxy_with;

/// Deadlines that a test can wait for.
const SHORT_WAITS: [(&str, &str); 5] = [
    ("COSCRIBE__STORE__ACQUIRE_WITHIN", "2s"),
    ("COSCRIBE__STORE__BUSY_WITHIN", "3s"),
    ("COSCRIBE__STORE__ANSWER_WITHIN", "4s"),
    ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
    ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
];

/// Alice and Bob on a node that reaches its database through a proxy.
async fn start_behind_proxy() -> (Pair, Proxy) {
    start_behind_proxy_with(&SHORT_WAITS).await
}

/// Inserts a mark at the beginning of a text.
async fn write(client: &impl Client, document: DocumentId, mark: &str) -> Answer {
    client.edit_as(document, 1, json!([{ "insert": mark }]), json!(mark)).await
}

async fn read(pair: &Pair) -> Answer {
    let operation = "query($id: ID!) { document(id: $id) { version } }";
    pair.alice.run(operation, json!({ "id": pair.document })).await
}

async fn create(pair: &Pair) -> Answer {
    let operation = "mutation { createDocument(title: \"Notes\") { id } }";
    pair.alice.run(operation, json!({})).await
}

/// The answer of `/readyz`.
async fn readiness(pair: &Pair) -> HttpReply {
    HttpReply::to(http_client().get(pair.node.url("/readyz"))).await
}

#[actix_web::test]
async fn connections_that_bring_nothing_are_replaced() {
    let waits = [
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "3s"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "2s"),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "3s"),
    ];
    let (pair, proxy) = start_behind_proxy_with(&waits).await;
    // Every connection of every pool has been used.
    join_all((0..40).map(|_| pair.alice.read(pair.document))).await;
    join_all((0..20).map(|_| create(&pair))).await;
    write(&pair.alice, pair.document, "before").await.value();

    proxy.freeze_connections();
    // As many operations at once as there are connections: each of them waits for an answer in vain.
    let mut attempts = 0;
    let recovery = async {
        loop {
            attempts += 1;
            let mark = format!("attempt {attempts}");
            let reads = join_all((0..10).map(|_| read(&pair)));
            let (edit, reads) = join!(write(&pair.alice, pair.document, &mark), reads);
            if edit.is_ok() && reads.iter().all(Answer::is_ok) {
                return;
            }
        }
    };
    within("reads and edits over new connections", recovery).await;
    create(&pair).await.value();
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_locked_document_delays_no_other() {
    let pair = Pair::start_in(&SHORT_WAITS, TestDatabase::require().await).await;
    let other = pair.alice.create_document("Other", "text").await;
    write(&pair.alice, pair.document, "before").await.value();
    write(&pair.alice, other, "before").await.value();

    let lock = pair.node.database().lock_document(&pair.document.to_string()).await;
    let waiting = async { (write(&pair.alice, pair.document, "locked").await, Instant::now()) };
    let others = async {
        for edit in 0..10 {
            write(&pair.alice, other, &format!("edit {edit}")).await.value();
        }
        let done = Instant::now();
        drop(lock);
        done
    };
    let ((answer, answered), others_done) = join!(waiting, others);
    assert!(others_done <= answered, "the others do not wait for the lock");
    answer.value();
    pair.stop(()).await;
}

#[actix_web::test]
async fn edits_of_a_locked_document_are_refused_after_their_own_deadline() {
    let pair = Pair::start_in(&SHORT_WAITS, TestDatabase::require().await).await;
    // More locked documents than connections that wait for locks.
    let mut documents = vec![];
    for _ in 0..6 {
        documents.push(pair.alice.create_document("Locked", "text").await);
    }
    let mut locks = vec![];
    for document in &documents {
        locks.push(pair.node.database().lock_document(&document.to_string()).await);
    }
    let free = pair.document;
    let refused = join_all(documents.iter().map(|document| write(&pair.alice, *document, "x")));
    let others = async {
        for edit in 0..10 {
            write(&pair.alice, free, &format!("edit {edit}")).await.value();
        }
        Instant::now()
    };
    let refused = async { (refused.await, Instant::now()) };
    let ((refused, refused_at), others_done) = join!(refused, others);
    assert!(others_done < refused_at);
    for answer in refused {
        assert_eq!(answer.code(), "UNAVAILABLE");
    }
    // Grants wait for the same lock, and fail as well.
    let grant = pair.alice.grant(documents[0], &pair.bob, "VIEW").await;
    assert_eq!(grant.code(), "UNAVAILABLE");
    drop(locks);
    for document in documents {
        write(&pair.alice, document, "later").await.value();
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_read_only_database_is_reported_and_left_when_it_can_be_written_again() {
    let (pair, proxy) = start_behind_proxy().await;
    write(&pair.alice, pair.document, "before").await.value();

    // A failover: every connection breaks, and new ones lead to a server that is still read-only.
    pair.node.database().set_read_only(true).await;
    proxy.set(Network::Cut);
    assert_eq!(write(&pair.alice, pair.document, "meanwhile").await.code(), "UNAVAILABLE");
    proxy.set(Network::Up);
    expect_eventually("an edit that is refused", async || {
        let answer = write(&pair.alice, pair.document, "meanwhile").await;
        !answer.is_ok() && answer.code() == "UNAVAILABLE"
    })
    .await;
    let unready = json!({ "status": "unready", "because": "database_read_only" });
    expect_eventually("a node that is not ready", async || {
        let reply = readiness(&pair).await;
        reply.status == 503 && reply.json() == unready
    })
    .await;

    // The connections stay as they are; only new ones can write.
    pair.node.database().set_read_only(false).await;
    expect_eventually("an edit that is stored", async || {
        write(&pair.alice, pair.document, "after").await.is_ok()
    })
    .await;
    expect_eventually("a node that is ready", async || readiness(&pair).await.status == 200).await;
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_write_in_a_database_that_does_not_answer_fails_in_time() {
    let (pair, proxy) = start_behind_proxy().await;
    pair.alice.read(pair.document).await;
    proxy.set(Network::Stalled);
    let began = Instant::now();
    let (grant, revocation, creation) = join!(
        pair.alice.grant(pair.document, &pair.bob, "VIEW"),
        pair.alice.revoke(pair.document, &pair.bob),
        create(&pair),
    );
    for answer in [grant, revocation, creation] {
        assert_eq!(answer.code(), "UNAVAILABLE");
    }
    // Two deadlines, one after the other, and not one for each statement.
    assert!(began.elapsed() < Duration::from_secs(30));
    proxy.set(Network::Up);
    pair.stop(()).await;
}
