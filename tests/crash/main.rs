//! A node that is killed: every acknowledged edit is stored once, and a repeated one is not stored twice.
//!
//! Several authors write to a node process, which is killed after a random number of acknowledgements while other edits are
//! in flight. `COSCRIBE_CRASH_SEED` repeats the random numbers of a run, `COSCRIBE_CRASH_ROUNDS` sets the number of kills.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails its test"
)]

mod author;
mod full_disk;
mod hanging_disk;
mod surroundings;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use coscribe::domain::DocumentId;
use futures_util::future::{join, join_all};
use kit::{Client as _, Node as _, Person, Program, Random, number};

use author::{Author, Edits, try_write, version};

const AUTHORS: usize = 6;
const DOCUMENTS: usize = 3;

/// The server's binary.
const SERVER: Program = Program::new(env!("CARGO_BIN_EXE_coscribe"));

/// A snapshot every few changes, and no limit that a test reaches.
const SETTINGS: &[(&str, &str)] = &[
    ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "7"),
    ("COSCRIBE__ROOM__LINGER", "10ms"),
    ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
    ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8"),
    ("COSCRIBE__AUTH__ARGON2_PASSES", "1"),
];

#[tokio::test]
async fn every_acknowledged_edit_is_stored_once_after_a_kill() {
    let seed = number("COSCRIBE_CRASH_SEED").unwrap_or_else(|| {
        u64::from_le_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap())
    });
    let rounds = number("COSCRIBE_CRASH_ROUNDS").unwrap_or(15);
    println!("COSCRIBE_CRASH_SEED={seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let first = SERVER.start(folder.path(), SETTINGS).await;
    let alice = first.person("Alice").await;
    // Several documents, so that commits are shared.
    let mut documents = Vec::new();
    for _ in 0..DOCUMENTS {
        documents.push(TestDocument::create(&alice).await);
    }
    first.kill().await;

    for round in 0..rounds {
        let node = SERVER.start(folder.path(), SETTINGS).await;
        let edits_before_kill = random.below(60);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let person = alice.at(&node);
        let authors = (0..AUTHORS).map(|number| {
            let document = &documents[number % DOCUMENTS];
            Author {
                name: format!("{round}.{number}"),
                person: person.clone(),
                document: document.id,
                base: document.base,
                edits: Arc::clone(&document.edits),
                acknowledged: Arc::clone(&acknowledged),
            }
        });
        let kill = async {
            while acknowledged.load(Ordering::SeqCst) < edits_before_kill {
                tokio::task::yield_now().await;
            }
            node.kill().await;
        };
        join(join_all(authors.map(Author::write_until_the_node_dies)), kill).await;

        let node = SERVER.start(folder.path(), SETTINGS).await;
        for document in &mut documents {
            document.settle(&alice.at(&node)).await;
        }
        node.kill().await;
    }

    let edits: usize = documents.iter().map(|document| document.edits.lock().unwrap().len()).sum();
    println!("{rounds} kills, {edits} edits acknowledged and found once");
    assert!(edits > 0);
}

/// A document and its edits.
struct TestDocument {
    id: DocumentId,
    /// The base version of the next round's edits.
    base: i64,
    edits: Edits,
}

impl TestDocument {
    async fn create(owner: &Person) -> Self {
        let id = owner.create_document("Plan", "Begin.").await;
        Self { id, base: 1, edits: Edits::default() }
    }

    /// Repeats the edits that were not acknowledged, then looks for all of them.
    async fn settle(&mut self, person: &Person) {
        let unacknowledged: Vec<_> = {
            let edits = self.edits.lock().unwrap();
            let unacknowledged = edits.iter().filter(|(_, version)| version.is_none());
            unacknowledged.map(|(mark, _)| mark.clone()).collect()
        };
        for mark in unacknowledged {
            let write =
                async || version(try_write(person, self.id, self.base, &mark).await.unwrap());
            let stored = write().await;
            // A second repetition changes nothing.
            assert_eq!(write().await, stored, "{mark}");
            self.edits.lock().unwrap().insert(mark, Some(stored));
        }
        let document = person.read(self.id).await;
        let head = document["version"].as_i64().unwrap();
        check(&self.edits.lock().unwrap(), head, document["content"].as_str().unwrap());
        self.base = head;
    }
}

/// Checks that every edit is in the text once, and that the edits have all versions without a gap.
fn check(edits: &HashMap<String, Option<i64>>, head: i64, text: &str) {
    let (mut lost, mut duplicated) = (vec![], vec![]);
    for mark in edits.keys() {
        match text.matches(&format!("<{mark}>")).count() {
            0 => lost.push(mark),
            1 => {}
            _ => duplicated.push(mark),
        }
    }
    assert_eq!((lost, duplicated), (vec![], vec![]), "{edits:?}");
    let mut versions: Vec<i64> = edits.values().map(|version| version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=head).collect::<Vec<_>>(), "one version for each edit, and no other");
}
