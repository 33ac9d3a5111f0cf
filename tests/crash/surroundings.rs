//! What surrounds the process: its log, and other processes.

use kit::Node as _;

use crate::{SERVER, SETTINGS};

#[tokio::test]
async fn a_node_serves_although_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let everything = [SETTINGS, &[("COSCRIBE__TELEMETRY__FILTER", "trace")]].concat();
    let node = SERVER.start_with_unread_log(folder.path(), &everything).await;
    let alice = node.person("Alice").await;

    // The pipe is full after a few requests, and the lines that wait after some hundred.
    let dropped = "coscribe_log_lines_dropped_total";
    node.expect_metric_that("lines that are dropped", dropped, |lines| lines > 0).await;

    assert_eq!(node.get("/healthz").await.status, 200);
    assert_eq!(node.get("/readyz").await.status, 200);
    drop(alice);
    node.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = SERVER.start(folder.path(), SETTINGS).await;

    let second = SERVER.run(folder.path(), &["--host", "127.0.0.1", "--port", "0"]).await;

    assert!(!second.status.success());
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains("Another coscribe serves the database"), "{error}");
    assert!(error.contains("coscribe.db"), "{error}");
    // Commands still work, and so does the first server.
    let status = SERVER.run(folder.path(), &["migrate", "status"]).await;
    assert!(status.status.success());
    assert_eq!(first.get("/readyz").await.status, 200);
    first.stop().await;
    SERVER.start(folder.path(), SETTINGS).await.stop().await;
}
