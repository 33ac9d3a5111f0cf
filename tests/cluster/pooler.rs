//! PostgreSQL behind pgbouncer.

use futures_util::future::join_all;
use kit::{Client as _, Pair, PgBouncer, TestDatabase};

use crate::SERVER;

#[actix_web::test]
async fn a_node_works_behind_a_pooler_in_session_mode() {
    let database = TestDatabase::require().await;
    let pooler = PgBouncer::start(&database.url_with(""), "session").await;
    let settings = [
        ("COSCRIBE__STORE__URL", pooler.url()),
        ("JWT_SECRET", "a secret of a test, which is long enough"),
    ];
    let pair = Pair::start_in(&settings, database).await;

    join_all((0..20).map(|_| pair.alice.create_document("Notes", "text"))).await;
    assert_eq!(pair.alice.insert(pair.document, "a").await, 2);

    pair.stop(()).await;
}

#[actix_web::test]
async fn a_pooler_in_transaction_mode_is_refused_by_name() {
    let database = TestDatabase::require().await;
    let pooler = PgBouncer::start(&database.url_with(""), "transaction").await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = SERVER.command(folder.path());
    command.env("DATABASE_URL", pooler.url());
    command.env("JWT_SECRET", "a secret of a test, which is long enough");

    let output = kit::within("the end of the node", command.output()).await.unwrap();

    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("transaction mode"), "{error}");
    assert!(error.contains("pool_mode = session"), "{error}");
}
