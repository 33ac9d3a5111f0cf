//! kill -9 at any moment: every acknowledged edit is there once, and one that is repeated is not there twice.
//!
//! A real process, several writers, and a death at a random number of acknowledgements, while others are on their way.
//! `COSCRIBE_CRASH_SEED` replays a run's choices and `COSCRIBE_CRASH_ROUNDS` makes it longer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a helper that cannot go on has found what the test looks for"
)]

mod full_disk;
mod server;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use serde_json::json;

use server::{Account, Server};
use writer::{Writer, write};

const WRITERS: usize = 6;
const DOCUMENTS: usize = 3;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The next random number (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::test]
async fn after_a_kill_every_acknowledged_edit_is_there_once() {
    let mut seed = number("COSCRIBE_CRASH_SEED").unwrap_or_else(|| {
        u64::from_le_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap())
    });
    let rounds = number("COSCRIBE_CRASH_ROUNDS").unwrap_or(15);
    println!("COSCRIBE_CRASH_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path()).await;
    let account = Account::register(&first).await;
    // Several, so that commits are shared.
    let mut documents = Vec::new();
    for _ in 0..DOCUMENTS {
        documents.push(Document::create(&account, &first).await);
    }
    first.kill().await;

    for round in 0..rounds {
        let server = Server::start(folder.path()).await;
        let dies_after = usize::try_from(next(&mut seed) % 60).unwrap();
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let address = server.address();
        let writers = (0..WRITERS).map(|writer| Writer {
            name: format!("{round}.{writer}"),
            account: account.clone(),
            address,
            document: documents[writer % DOCUMENTS].id.clone(),
            base: documents[writer % DOCUMENTS].base,
            edits: Arc::clone(&documents[writer % DOCUMENTS].edits),
            acknowledged: Arc::clone(&acknowledged),
        });
        let death = async {
            while acknowledged.load(Ordering::SeqCst) < dies_after {
                tokio::task::yield_now().await;
            }
            server.kill().await;
        };
        let (_, ()) = futures_util::future::join(join_all(writers.map(Writer::run)), death).await;

        // It comes back.
        let server = Server::start(folder.path()).await;
        for document in &mut documents {
            document.settle(&account, &server).await;
        }
        server.kill().await;
    }

    let edits: usize = documents.iter().map(|document| document.edits.lock().unwrap().len()).sum();
    println!("{rounds} kills, {edits} edits acknowledged, {edits} found, 0 lost, 0 doubled");
    assert!(edits > 0);
}

/// One that is written to, and what was written.
struct Document {
    id: String,
    /// The version that the next round writes for.
    base: i64,
    /// What each edit was answered, if it was; by its mark, which is its name too.
    edits: Arc<Mutex<HashMap<String, Option<i64>>>>,
}

impl Document {
    async fn create(account: &Account, server: &Server) -> Self {
        Self { id: account.create_document(server).await, base: 1, edits: Arc::default() }
    }

    /// Whoever got no answer asks again; then everything is looked for.
    async fn settle(&mut self, account: &Account, server: &Server) {
        let unanswered: Vec<_> = {
            let edits = self.edits.lock().unwrap();
            let unanswered = edits.iter().filter(|(_, answer)| answer.is_none());
            unanswered.map(|(mark, _)| mark.clone()).collect()
        };
        for mark in unanswered {
            let write = || write(account, server.address(), &self.id, self.base, &mark);
            let version = write().await.unwrap();
            // And again, which changes nothing.
            let again = write().await.unwrap();
            assert_eq!(version, again, "{mark}");
            self.edits.lock().unwrap().insert(mark, Some(version));
        }
        let (version, text) = account.read(server, &self.id).await;
        check(&self.edits.lock().unwrap(), version, &text);
        self.base = version;
    }
}

/// Every edit is in the text once, and has a version of its own without a hole between them.
fn check(edits: &HashMap<String, Option<i64>>, head: i64, text: &str) {
    let (mut lost, mut doubled) = (vec![], vec![]);
    for mark in edits.keys() {
        match text.matches(&format!("<{mark}>")).count() {
            0 => lost.push(mark),
            1 => {}
            _ => doubled.push(mark),
        }
    }
    assert_eq!((lost, doubled), (vec![], vec![]), "{}", json!(edits));
    let mut versions: Vec<i64> = edits.values().map(|version| version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(
        versions,
        (2..=head).collect::<Vec<_>>(),
        "each has a version, and there are no others"
    );
}
