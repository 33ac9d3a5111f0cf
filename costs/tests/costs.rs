//! Each scenario, with a few operations and without counting. The program judges each message that arrives.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::process::Command;

/// Runs a scenario, which fails unless the node does what it expects.
fn run(scenario: &str) {
    let program = env!("CARGO_BIN_EXE_coscribe-costs");
    let output =
        Command::new(program).args(["run", scenario, "--operations", "2"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_cursor_is_received() {
    run("cursor");
}

#[test]
fn an_edit_is_stored_and_received() {
    run("edit");
}

#[test]
fn an_update_is_stored_and_received() {
    run("sync");
}

#[test]
fn a_cursor_reaches_each_subscriber() {
    run("delivery");
}

#[test]
fn a_session_joins_and_leaves() {
    run("join");
}

#[test]
fn a_client_connects_and_closes() {
    run("connect");
}
