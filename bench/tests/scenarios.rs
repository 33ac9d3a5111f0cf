//! Each scenario, for a second or two, against a server that the program starts itself.
//!
//! These tests judge what was counted, never how long it took.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_coscribe-bench");

/// Limits of time of the server that a busy machine must not reach.
const PATIENT: [(&str, &str); 8] = [
    ("COSCRIBE__SERVER__HEAD_WITHIN", "60s"),
    ("COSCRIBE__SERVER__BODY_WITHIN", "60s"),
    ("COSCRIBE__SESSION__INIT_WITHIN", "60s"),
    ("COSCRIBE__STORE__ACQUIRE_WITHIN", "60s"),
    ("COSCRIBE__STORE__BUSY_WITHIN", "60s"),
    ("COSCRIBE__STORE__ANSWER_WITHIN", "90s"),
    ("COSCRIBE__ROOM__LOAD_WITHIN", "60s"),
    ("COSCRIBE__ROOM__APPLY_WITHIN", "60s"),
];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--quick").envs(PATIENT);
    command
}

fn errors(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy);
    text.concat()
}

/// Runs a scenario and returns its result. Fails the test unless every promise was kept.
fn run(arguments: &[&str]) -> Value {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("result.json");
    let output = command(arguments).arg("--json").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let result: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(result["ok"], true);
    assert_eq!(result["scenario"], arguments[0]);
    let faults = ["lost", "repeated", "misrouted", "echoed", "refused", "unanswered"];
    for count in faults.into_iter().chain(["answered_again", "closed"]) {
        assert_eq!(result["counts"][count], 0, "{count}");
    }
    result
}

fn count(result: &Value, name: &str) -> u64 {
    result["counts"][name].as_u64().unwrap()
}

fn figure(result: &Value, name: &str) -> f64 {
    let figures = result["figures"].as_array().unwrap();
    let found = figures.iter().find(|figure| figure["name"] == name);
    found.and_then(|figure| figure["value"].as_f64()).unwrap()
}

/// Checks that everything arrived that was sent, except cursors that newer ones replaced.
fn expect_deliveries(result: &Value, sent: u64, expected: u64) {
    assert_eq!(count(result, "sent"), sent);
    assert_eq!(count(result, "expected"), expected);
    assert_eq!(count(result, "delivered") + count(result, "replaced"), expected);
    assert!(count(result, "delivered") > 0);
}

#[test]
fn pairs_receive_each_others_cursors() {
    let result = run(&["pairs", "--workers", "2", "--threads", "1"]);
    // 20 users, 5 moves a second, 2 s.
    expect_deliveries(&result, 200, 200);
    assert!(result["latency_ms"]["delivery"]["count"].as_u64().unwrap() > 0);
    assert!(result["hardware"]["cores"].as_u64().unwrap() > 0);
    assert_eq!((&result["threads"], &result["server_threads"]), (&json!(1), &json!(2)));
    assert_eq!(result["quick"], true);
    assert_eq!(result["load"], json!({ "documents": 10, "connections": 20, "rate": 5.0 }));
    // Without --server, it is built in the same way as this test.
    assert_eq!(result["profile"], result["server_profile"]);
    assert!(result["server"].as_str().unwrap().contains("coscribe"));
}

#[test]
fn an_audience_receives_every_cursor() {
    expect_deliveries(&run(&["hot"]), 20, 600);
}

#[test]
fn the_cursors_of_two_nodes_reach_each_other() {
    expect_deliveries(&run(&["nodes"]), 200, 200);
}

#[test]
fn idle_connections_still_receive_events() {
    let result = run(&["idle"]);
    assert_eq!(figure(&result, "connections"), 40.0);
}

#[test]
fn edits_reach_the_other_user_and_the_text_once() {
    let result = run(&["edits"]);
    expect_deliveries(&result, 128, 128);
    assert_eq!(count(&result, "delivered"), 128);
}

#[test]
fn updates_of_editors_reach_the_other_one_and_the_text_once() {
    let result = run(&["edits-yjs"]);
    assert_eq!(count(&result, "delivered"), 128);
}

#[test]
fn every_join_receives_the_whole_text() {
    let result = run(&["join"]);
    assert_eq!(count(&result, "delivered"), 20);
    assert!(result["latency_ms"]["open, Yjs"]["count"].as_u64().unwrap() > 0);
}

#[test]
fn a_stalled_listener_receives_everything_later() {
    let result = run(&["slow"]);
    // 40 changes to 4 fluent and 4 stalled listeners.
    expect_deliveries(&result, 40, 320);
}

#[test]
fn all_clients_come_back_after_a_storm() {
    let result = run(&["storm"]);
    assert!(figure(&result, "storms") >= 1.0);
    assert_eq!(count(&result, "delivered"), count(&result, "expected"));
}

#[test]
fn a_large_document_is_opened_and_edited() {
    let result = run(&["large"]);
    assert_eq!(result["latency_ms"]["open at once"]["count"], 6);
    assert_eq!(count(&result, "delivered"), 40);
}

#[test]
fn a_flush_of_agents_is_stored_while_a_user_types() {
    let result = run(&["flush"]);
    assert_eq!(figure(&result, "cells that were flushed"), 1200.0);
    assert_eq!(count(&result, "delivered"), 40);
}

#[test]
fn acknowledged_edits_survive_faults_of_a_cluster() {
    let result = run(&["faults"]);
    assert!(figure(&result, "acknowledged edits") > 0.0);
    for fault in ["kill a node", "stop Redis", "lock a row", "no connections"] {
        assert!(result["latency_ms"][fault]["count"].as_u64().unwrap() > 0, "{fault}");
    }
}

#[test]
fn acknowledged_edits_survive_faults_of_one_node() {
    let result = run(&["faults", "--database", "sqlite"]);
    assert_eq!(
        figure(&result, "acknowledged edits"),
        figure(&result, "of these in the texts, once each")
    );
    assert_eq!(result["notes"].as_array().unwrap().len(), 2, "two faults do not apply");
}

#[test]
fn a_picture_shows_each_distribution() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("result.svg");
    let output = command(&["pairs"]).arg("--svg").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let picture = fs::read_to_string(file).unwrap();
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<polyline").count(), 2);
}

#[test]
fn a_deployment_that_cannot_be_reached_is_named() {
    // Nothing listens on the port of the discard service.
    let output = command(&["pairs", "--url", "http://127.0.0.1:9"]).output().unwrap();
    assert!(!output.status.success());
    assert!(errors(&output).contains("cannot be reached"), "{}", errors(&output));
}

#[test]
fn the_secret_is_read_from_the_environment_and_not_shown() {
    let output = command(&["--help"]).env("COSCRIBE_BENCH_SECRET", "hush").output().unwrap();
    let help = errors(&output);
    assert!(help.contains("COSCRIBE_BENCH_SECRET") && !help.contains("hush"), "{help}");
}

#[test]
fn a_password_in_the_address_of_a_deployment_is_refused_and_not_shown() {
    let output = command(&["pairs", "--url", "http://ann:hush@127.0.0.1:9"]).output().unwrap();
    assert!(!output.status.success());
    let message = errors(&output);
    assert!(message.contains("remove it from --url") && !message.contains("hush"), "{message}");
}

#[test]
fn a_result_that_cannot_be_written_is_found_before_the_run() {
    let file = "/no/such/folder/result.json";
    let output =
        command(&["pairs", "--url", "http://127.0.0.1:9", "--json", file]).output().unwrap();
    assert!(!output.status.success());
    assert!(errors(&output).contains("its folder does not exist"), "{}", errors(&output));
}

#[test]
fn a_server_that_is_no_program_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("server");
    fs::write(&file, "").unwrap();
    let output = command(&["pairs", "--server", file.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success());
    let message = errors(&output);
    assert!(message.contains("server cannot be run"), "{message}");
    let missing = command(&["pairs", "--server", "/no/such/server"]).output().unwrap();
    assert!(errors(&missing).contains("correct --server"), "{}", errors(&missing));
}
