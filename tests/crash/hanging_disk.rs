//! A disk that takes long to write what was synchronized: no edit is refused although it is stored.
//!
//! A library that is loaded before the C library makes `fsync` and `fdatasync` wait while a file exists.

use std::path::Path;

use kit::{Client as _, Node as _, expect_eventually};
use serde_json::json;
use tokio::process::Command;

use crate::SERVER;

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int when_released(const char *name, int file) {
    const char *hold = getenv("HOLD_FSYNC");
    while (hold && access(hold, F_OK) == 0) usleep(1000);
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file) { return when_released("fsync", file); }
int fdatasync(int file) { return when_released("fdatasync", file); }
"#;

/// Compiles the library in a folder.
async fn compile(folder: &Path) -> String {
    let (source, library) = (folder.join("hold.c"), folder.join("hold.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(compiler.status().await.unwrap().success(), "a C compiler is needed to link Rust");
    library.to_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_edit_whose_outcome_is_unknown_is_not_reported_as_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path()).await;
    let hold = folder.path().join("hold");
    let settings = [
        ("LD_PRELOAD", library.as_str()),
        ("HOLD_FSYNC", hold.to_str().unwrap()),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "3s"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "1s"),
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "3s"),
    ];
    let node = SERVER.start(folder.path(), &settings).await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let (alices_tab, bobs_tab) = (alice.open(document).await, bob.open(document).await);

    std::fs::write(&hold, "").unwrap();
    let delta = json!([{ "insert": "kept " }]);
    let answer = alices_tab.edit_as(document, 1, delta.clone(), json!("once")).await;
    assert_eq!(answer.code(), "UNKNOWN");
    // Others can still read.
    assert_eq!(bob.read_text(document).await, "Welcome.");
    std::fs::remove_file(&hold).unwrap();

    // Repeated with its name, it is stored once.
    expect_eventually("an answer", async || {
        alices_tab.edit_as(document, 1, delta.clone(), json!("once")).await.is_ok()
    })
    .await;
    for tab in [&alices_tab, &bobs_tab] {
        assert_eq!(tab.expect_version(2).await["content"], "kept Welcome.");
    }
    assert_eq!(alice.read_text(document).await, "kept Welcome.");
    drop((alices_tab, bobs_tab));
    node.stop().await;
}
