//! What surrounds the process: its log, and other processes.

use std::{
    io::{self, Read as _},
    path::Path,
    process::Stdio,
};

use kit::{Client as _, Node as _, NodeProcess, within};
use serde_json::Value;

use crate::{SERVER, SETTINGS};

/// The metric of log lines that were not written.
const DROPPED: &str = "coscribe_log_lines_dropped_total";

/// Shows that a node serves requests, sockets and editors, and stops in order.
async fn expect_service(node: NodeProcess) {
    let (alice, bob, document) = node.alice_and_bob().await;
    let tab = bob.open(document).await;
    let editor = alice.open_editor(document).await;
    tab.expect_joined(&alice).await;
    editor.insert(0, "Served. ").await;
    assert_eq!(tab.expect_change().await["content"], "Served. Welcome.");
    assert_eq!(alice.read_text(document).await, "Served. Welcome.");
    drop((tab, editor));
    node.stop().await;
}

#[tokio::test]
async fn a_life_in_order_leaves_no_error_in_the_log_and_one_line_per_migration() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, log) = io::pipe().unwrap();
    // The working directory has no file for the environment.
    let settings = [SETTINGS, &[("COSCRIBE_ENV", "production")]].concat();
    let node = SERVER.start_with_log(folder.path(), &settings, log.into()).await;
    expect_service(node).await;

    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors, Vec::<&Value>::new());
    let names: Vec<_> =
        lines.iter().filter_map(|line| line["migration"].as_str().map(str::to_owned)).collect();
    assert!(!names.is_empty());
    for name in names {
        assert_eq!(log.matches(&name).count(), 1, "{name} in\n{log}");
    }
}

#[tokio::test]
async fn a_node_serves_although_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let everything = [SETTINGS, &[("COSCRIBE__TELEMETRY__FILTER", "trace")]].concat();
    let node = SERVER.start_with_unread_log(folder.path(), &everything).await;
    let alice = node.person("Alice").await;

    // The pipe is full after a few requests, and the lines that wait after some hundred.
    node.expect_metric_that("lines that are dropped", DROPPED, |lines| lines > 0).await;

    assert_eq!(node.get("/healthz").await.status, 200);
    assert_eq!(node.get("/readyz").await.status, 200);
    drop(alice);
    node.stop().await;
}

#[tokio::test]
async fn a_node_serves_on_when_the_reader_of_its_log_dies() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = SERVER.start_with_unread_log(folder.path(), SETTINGS).await;
    node.close_log();

    // Every line from now on is lost, and counted.
    node.person("Carol").await;
    node.expect_metric_that("lines that are dropped", DROPPED, |lines| lines > 0).await;
    expect_service(node).await;
}

#[tokio::test]
async fn a_node_serves_without_standard_input_and_error() {
    let folder = tempfile::tempdir().unwrap();
    let node = SERVER.start_without_log(folder.path(), SETTINGS).await;

    // Otherwise the database or a socket would have the number 2, and a stray message would be written into it.
    let [input, _output, error] = node.standard_files();
    assert_eq!([&*input, &*error], [Path::new("/dev/null"); 2]);
    expect_service(node).await;
}

#[tokio::test]
async fn a_node_serves_without_standard_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let node = SERVER.start_without_output(folder.path(), SETTINGS).await;

    let [input, output, _error] = node.standard_files();
    assert_eq!([&*input, &*output], [Path::new("/dev/null"); 2]);
    expect_service(node).await;
}

#[tokio::test]
async fn a_node_serves_on_when_its_terminal_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let node = SERVER.start(folder.path(), SETTINGS).await;

    node.signal("HUP");
    node.signal("HUP");

    expect_service(node).await;
}

#[tokio::test]
async fn a_command_whose_reader_has_gone_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["schema"][..], &["migrate", "up"], &["migrate", "status"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = SERVER.command(folder.path());
        let child = command.args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = within("the end of a command", child.wait_with_output()).await.unwrap();

        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !errors.contains("panicked"), "{arguments:?}: {errors}");
    }
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
