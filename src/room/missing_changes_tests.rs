use futures_util::poll;
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
        delta: None,
        update: None,
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

fn user() -> Party {
    Party::User(UserId::new())
}

#[tokio::test]
async fn pages_that_wait_for_texts_do_not_delay_others() {
    let (store, head, document, _folder) = changed_document().await;
    let memory = MemoryBounds { of_user: usize::MAX / 2, of_node: usize::MAX / 2 };
    let memory = DocumentMemory::new(memory, Metrics::new());
    let bounds = LoadBounds { at_once: 1, within: MAX_WAIT, structs: 1_000 };
    let loader = DocumentLoader::new(store.clone(), bounds, memory, Metrics::new());
    let turns = ReplayTurns::new();
    let mut texts = vec![];
    for party in [user(), user()] {
        for _ in 0..OF_USER {
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
