use std::future::pending;

use futures_util::{future::join_all, poll};
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{DisplayName, Email, Title, UserId},
    editing::{Replica, document_load::LoadBounds},
    memory::{DocumentMemory, MemoryBounds},
    metrics::Metrics,
    store::{Batch, NewAccount, NewChange, test_store},
};

/// A store with a document whose log has one change.
async fn changed_document() -> (Store, Head, DocumentId, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let store = Store::open(&test_store::options(url)).await.unwrap();
    store.migrate_up().await.unwrap();
    let account = NewAccount {
        name: DisplayName::new("Ana").unwrap(),
        email: Email::new("ana@example.org").unwrap(),
        password_hash: "hash".into(),
    };
    let owner = store.create_account(account, Party::Node).await.unwrap().id;
    let state = Replica::of("").state();
    let created = store.create_document(owner, Title::new("Plan").unwrap(), 0, state).await;
    let document = created.unwrap().id;
    let renamed = NewChange {
        kind: ChangeKind::Renamed,
        author: owner,
        session: None,
        edit: None,
        title: "Plans".into(),
        metadata: None,
        delta: None,
        update: None,
        takes_back: None,
        size: 0,
    };
    let batch = Batch {
        document,
        base: Version::FIRST,
        base_at: None,
        changes: vec![renamed],
        receipts: vec![],
        other_authors: vec![],
    };
    store.commit(batch).await.unwrap();
    let head = store.find_head(document).await.unwrap().unwrap();
    (store, head, document, folder)
}

fn loader(store: &Store) -> DocumentLoader {
    let memory = MemoryBounds { of_user: usize::MAX / 2, of_node: usize::MAX / 2 };
    let memory = DocumentMemory::new(memory, Metrics::new());
    let bounds = LoadBounds { at_once: 1, within: MAX_WAIT, structs: 1_000 };
    DocumentLoader::new(store.clone(), bounds, memory, Metrics::new())
}

fn user() -> Party {
    Party::User(UserId::new())
}

#[tokio::test]
async fn pages_that_wait_for_texts_do_not_delay_others() {
    let (store, head, document, _folder) = changed_document().await;
    let loader = loader(&store);
    let turns = ReplayTurns::new();
    let mut texts = vec![];
    for party in [user(), user()] {
        for _ in 0..MAX_TURNS_OF_USER {
            texts.push(turn_of(&turns.with_texts, party).await.unwrap());
        }
    }
    let missing = |next, wants_content| MissingChanges {
        document,
        party: user(),
        next,
        head: head.clone(),
        wants_content,
    };
    let next = Version::new(2);

    let plain = missing(next, false);
    let (changes, _turn) = plain.read(&store, &loader, &turns).await.unwrap().unwrap();
    assert_eq!(changes.iter().map(|change| change.kind).collect::<Vec<_>>(), [ChangeKind::Renamed]);

    // The log has no row for the first version, so this one needs the text.
    let (filled, lost) = (missing(next, true), missing(Version::FIRST, false));
    let mut filling = Box::pin(filled.read(&store, &loader, &turns));
    let mut resync = Box::pin(lost.read(&store, &loader, &turns));
    assert!(poll!(&mut filling).is_pending() && poll!(&mut resync).is_pending());
    texts.clear();
    let (changes, _turn) = filling.await.unwrap().unwrap();
    assert_eq!(changes.first().unwrap().content.clone().unwrap().to_string(), "");
    let (changes, _turn) = resync.await.unwrap().unwrap();
    assert_eq!(changes.first().unwrap().kind, ChangeKind::Resync);
}

#[tokio::test]
async fn a_page_waits_for_the_reads_of_its_user_and_not_for_those_of_others() {
    let (store, head, document, _folder) = changed_document().await;
    let loader = loader(&store);
    let turns = ReplayTurns::new();
    let mallory = user();
    let mut held = Box::pin(join_all((0..100).map(|_| store.read_for(mallory, pending::<()>()))));
    assert!(poll!(&mut held).is_pending());
    let missing = |party, next, wants_content| MissingChanges {
        document,
        party,
        next: Version::new(next),
        head: head.clone(),
        wants_content,
    };
    let other = missing(user(), 2, false);
    assert!(other.read(&store, &loader, &turns).await.unwrap().is_some());
    let (page, lost) = (missing(mallory, 2, false), missing(mallory, 1, true));
    let mut reads = [&page, &lost].map(|missing| Box::pin(missing.read(&store, &loader, &turns)));
    // Without a turn they would have to wait for the database only, which would answer.
    let others = async {
        for _ in 0..10 {
            store.read_for(user(), store.find_head(document)).await.unwrap().unwrap();
        }
    };
    let mut others = Box::pin(others);
    let [page, lost] = &mut reads;
    tokio::select! {
        biased;
        _ = page => panic!("a page was read"),
        _ = lost => panic!("a text was read"),
        () = &mut others => {}
    }
    drop(held);
    for read in reads {
        assert!(read.await.unwrap().is_some());
    }
}
