//! The change log: assigning versions, finding edits by their ids, paging, and the end of a document.

use std::{future::poll_fn, pin::pin, task::Poll};

use entity::{document, document_access, document_snapshot};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    Batch, CommitError, NewChange, NewReceipt, Receipt, Store, StoreError,
    test_store::{TestStore, batch, change_in, deleted, edited, snapshot},
};
use crate::domain::{
    AccessLevel::{Edit, Owner, View},
    Change, ChangeKind, DocumentId, EditId, Fingerprint, SessionId, UserId, Version,
};

pub(super) const ALL: usize = usize::MAX;

impl TestStore {
    pub(super) async fn changes(
        &self,
        document: DocumentId,
        after: i64,
        bytes: usize,
    ) -> Vec<Change> {
        let up_to = Version::new(i64::MAX);
        self.list_changes(document, Version::new(after), up_to, bytes).await.unwrap()
    }
}

pub(super) fn versions(changes: &[Change]) -> Vec<i64> {
    changes.iter().map(|change| change.version.number()).collect()
}

fn with_edit(change: NewChange, id: &EditId, fingerprint: u8) -> NewChange {
    NewChange { edit: Some((id.clone(), Fingerprint([fingerprint; 16]))), ..change }
}

#[tokio::test]
async fn stored_changes_are_read_unchanged() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let session = SessionId::new();
    let renamed = NewChange {
        kind: ChangeKind::Renamed,
        session: Some(session),
        title: "New".into(),
        delta: None,
        update: None,
        ..edited(bo, "one")
    };
    let edit = NewChange { title: "New".into(), ..edited(ana, "höher 🎈") };

    let committed = store.commit(batch(document, 1, vec![renamed, edit.clone()])).await.unwrap();

    assert_eq!(&*committed.authors[&bo].name, "bo");
    let store = store.restart().await;
    let changes = store.changes(document, 1, ALL).await;
    assert_eq!(versions(&changes), [2, 3]);
    let [first, second] = &changes[..] else { panic!() };
    assert_eq!(
        (first.kind, &*first.title, first.session),
        (ChangeKind::Renamed, "New", Some(session))
    );
    assert_eq!((first.author.as_ref(), first.at), (committed.authors.get(&bo), committed.at));
    assert_eq!(
        (second.kind, &second.delta, &second.update),
        (ChangeKind::Edited, &edit.delta, &edit.update)
    );
    let (found, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((found.version.number(), &*found.title, found.size), (3, "New", "höher 🎈".len()));
    assert_eq!(found.updated_at, committed.at);
}

#[tokio::test]
async fn a_batch_with_an_unauthorized_author_is_refused_as_a_whole() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, UserId::new());
    let document = store.shared(ana, bo, View).await;
    let changes = || vec![edited(ana, "a"), edited(bo, "b"), edited(cy, "c")];

    let refused = store.commit(batch(document, 1, changes())).await;
    assert!(matches!(refused, Err(CommitError::Denied(users)) if users == [bo, cy]));
    assert!(store.changes(document, 0, ALL).await.is_empty());
    let unknown_document = store.commit(batch(DocumentId::new(), 1, vec![edited(ana, "a")])).await;
    assert!(matches!(unknown_document, Err(CommitError::Denied(users)) if users == [ana]));

    store.grant_access(ana, document, bo, Edit).await.unwrap();
    store.commit(batch(document, 1, vec![edited(bo, "b")])).await.unwrap();
    store.revoke_access(ana, document, bo).await.unwrap();
    let refused = store.commit(batch(document, 2, vec![edited(bo, "b")])).await;
    assert!(matches!(refused, Err(CommitError::Denied(_))));
}

#[tokio::test]
async fn each_version_is_assigned_once() {
    let store = TestStore::new().await;
    let other = store.open_again("rw").await.unwrap();
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    other.commit(batch(document, 1, vec![edited(ana, "other")])).await.unwrap();
    for base in [1, 0, 3] {
        let late = store.commit(batch(document, base, vec![edited(ana, "late")])).await;
        assert!(matches!(late, Err(CommitError::Overtaken)), "{late:?}");
    }
    store.commit(batch(document, 2, vec![edited(ana, "third")])).await.unwrap();
    assert_eq!(versions(&store.changes(document, 0, ALL).await), [2, 3]);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_leave_no_gap_and_no_duplicate() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    // Two stores write, as two nodes would.
    let other = store.open_again("rw").await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = if number % 2 == 0 { Store::clone(&store) } else { other.clone() };
            tokio::spawn(async move {
                let change = edited(ana, &number.to_string());
                while let Err(error) = change_in(&store, document, change.clone()).await {
                    // With SQLite, the other store may have the file locked for a moment.
                    let is_busy = matches!(error, CommitError::Store(StoreError::Unavailable(_)));
                    assert!(is_busy || matches!(error, CommitError::Overtaken), "{error:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }

    let changes = store.changes(document, 1, ALL).await;
    assert_eq!(versions(&changes), (2..=21).collect::<Vec<_>>());
    let mut written: Vec<_> = changes.iter().map(|change| change.update.clone()).collect();
    written.sort_unstable();
    written.dedup();
    assert_eq!(written.len(), 20, "each change is stored once");
    other.close().await;
}

#[tokio::test]
async fn an_edit_is_found_by_its_id_and_stored_once() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let id = EditId::new("an id").unwrap();
    let changes = vec![edited(ana, "a"), with_edit(edited(ana, "b"), &id, 7)];
    let at = store.commit(batch(document, 1, changes)).await.unwrap().at;

    let store = store.restart().await;
    let fingerprint = Some(Fingerprint([7; 16]));
    let receipt = Receipt { version: Version::new(3), title: "Plan".into(), at, fingerprint };
    assert_eq!(store.find_receipt(document, ana, &id).await, Some(receipt));
    assert_eq!(
        store.find_receipt(document, bo, &id).await,
        None,
        "edit ids are scoped to their author"
    );
    let again = store.commit(batch(document, 3, vec![with_edit(edited(ana, "b"), &id, 7)])).await;
    assert!(matches!(again, Err(CommitError::Repeated)), "{again:?}");
    store.commit(batch(document, 3, vec![with_edit(edited(bo, "b"), &id, 7)])).await.unwrap();
    assert_eq!(versions(&store.changes(document, 1, ALL).await), [2, 3, 4]);
}

#[tokio::test]
async fn an_edit_that_changed_nothing_is_found_too() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let (edit, fingerprint) = (EditId::unique(), Fingerprint([1; 16]));
    let (version, title) = (Version::FIRST, "Old");
    let receipt =
        NewReceipt { author: ana, edit: edit.clone(), fingerprint, version, title: title.into() };
    let nothing = Batch { receipts: vec![receipt], ..batch(document, 1, vec![]) };

    let at = store.commit(nothing.clone()).await.unwrap().at;

    let found = store.find_receipt(document, ana, &edit).await;
    let receipt = Receipt { version, title: title.into(), at, fingerprint: Some(fingerprint) };
    assert_eq!(found, Some(receipt));
    assert!(matches!(store.commit(nothing).await, Err(CommitError::Repeated)));
    assert!(store.changes(document, 0, ALL).await.is_empty());
}

#[tokio::test]
async fn a_page_is_limited_in_bytes_but_has_at_least_one_change() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let long = "x".repeat(1_000);
    let changes = (0..3).map(|_| edited(ana, &long)).collect();
    store.commit(batch(document, 1, changes)).await.unwrap();

    assert_eq!(versions(&store.changes(document, 1, 1).await), [2]);
    assert_eq!(versions(&store.changes(document, 1, 5_000).await), [2, 3]);
    assert_eq!(versions(&store.changes(document, 2, ALL).await), [3, 4]);
    assert!(store.changes(document, 4, ALL).await.is_empty());
    let (two, three) = (Version::new(2), Version::new(3));
    let page = store.list_changes(document, two, three, ALL).await.unwrap();
    assert_eq!(versions(&page), [3]);
}

/// Polls `work` at most `polls` times and then drops it. With `late`, drops it only when it has been woken again.
async fn cancel_after<F: Future>(work: F, polls: u32, late: bool) {
    let mut work = pin!(work);
    let mut polled = 0;
    poll_fn(|ctx| {
        if polled == polls {
            return Poll::Ready(());
        }
        polled += 1;
        match work.as_mut().poll(ctx) {
            Poll::Pending if late || polled < polls => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_batch_is_stored_completely_or_not_at_all() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for polls in 1..20 {
        for late in [false, true] {
            let base = store.find_head(document).await.unwrap().unwrap().version.number();
            let two = batch(document, base, vec![edited(ana, "a"), edited(ana, "b")]);
            cancel_after(store.commit(two), polls, late).await;

            // Whether or not it was stored, the next write succeeds once it has ended.
            while let Err(error) = store.change(document, edited(ana, "after")).await {
                assert!(matches!(error, CommitError::Overtaken), "{error:?}");
            }
        }
    }
    let store = store.restart().await;
    let head = store.find_head(document).await.unwrap().unwrap().version.number();
    let changes = store.changes(document, 1, ALL).await;
    assert_eq!(versions(&changes), (2..=head).collect::<Vec<_>>());
    let of = |text: &str| {
        changes.iter().filter(|change| change.update.as_deref() == Some(text.as_bytes())).count()
    };
    assert_eq!(of("a"), of("b"));
    assert_eq!(of("after"), 38);
}

#[tokio::test]
async fn a_purged_document_leaves_a_tombstone_and_its_last_change() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Owner).await;
    store.change(document, edited(ana, "secret")).await.unwrap();

    let committed = store.change(document, deleted(bo)).await.unwrap();
    store.purge(ana, document).await.unwrap();

    let store = store.restart().await;
    let row = document::Entity::find_by_id(document.uuid()).one(&store.readers).await.unwrap();
    let row = row.unwrap();
    assert_eq!((&*row.title, &*row.content, row.size, row.version), ("", "", 0, 3));
    assert_eq!((row.deleted_at, row.updated_at), (Some(committed.at), committed.at));
    let remaining = store.changes(document, 0, ALL).await;
    assert_eq!(
        remaining.iter().map(|change| change.kind).collect::<Vec<_>>(),
        [ChangeKind::Deleted]
    );
    let of_document = document_snapshot::Column::DocumentId.eq(document.uuid());
    let snapshots = document_snapshot::Entity::find().filter(of_document);
    assert_eq!(snapshots.count(&store.readers).await.unwrap(), 0);
    let grants = document_access::Entity::find()
        .filter(document_access::Column::DocumentId.eq(document.uuid()));
    assert_eq!(grants.count(&store.readers).await.unwrap(), 0);

    for user in [ana, bo] {
        let change = store.commit(batch(document, 3, vec![edited(user, "back")])).await;
        assert!(matches!(change, Err(CommitError::Denied(_))));
        let grant = store.grant_access(user, document, bo, View).await;
        assert!(matches!(grant, Err(StoreError::Denied)));
    }
    store.store_snapshot(snapshot(document, Version::new(3), vec![1], 0)).await.unwrap();
    assert!(store.find_snapshot(document, Version::new(3)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_long_log_is_deleted_in_slices_after_the_document() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for base in [1, 601] {
        let changes = (0..600).map(|_| edited(ana, "secret")).collect();
        store.commit(batch(document, base, changes)).await.unwrap();
    }
    store.store_snapshot(snapshot(document, Version::new(900), vec![1], 0)).await.unwrap();
    assert!(!store.purge_some().await.unwrap(), "nothing is deleted yet");

    store.commit(batch(document, 1_201, vec![deleted(ana)])).await.unwrap();
    assert!(!store.purge_some().await.unwrap(), "it is in the bin");
    store.purge(ana, document).await.unwrap();

    assert!(store.find_head(document).await.unwrap().is_none());
    assert!(store.find_snapshot(document, Version::new(900)).await.unwrap().is_none());
    assert_eq!(store.find_deletion(document).await.unwrap().unwrap().version.number(), 1_202);
    let mut slices = 0;
    while store.purge_some().await.unwrap() {
        slices += 1;
    }
    // The snapshots, the changes twice, and the entry of the list.
    assert_eq!(slices, 4);
    let of_document = document_snapshot::Column::DocumentId.eq(document.uuid());
    let snapshots = document_snapshot::Entity::find().filter(of_document);
    assert_eq!(snapshots.count(&store.readers).await.unwrap(), 0);
    assert_eq!(versions(&store.changes(document, 0, ALL).await), [1_202], "the deletion stays");
}

#[tokio::test]
async fn edits_of_a_deleted_document_are_not_found_although_its_log_is_kept() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let [change, unchanged, deletion] = [(); 3].map(|()| EditId::unique());
    let mut changes = vec![with_edit(edited(ana, "first"), &change, 1)];
    // Too long to be deleted together with the document.
    changes.extend((0..1_000).map(|_| edited(ana, "more")));
    let receipt = NewReceipt {
        author: ana,
        edit: unchanged.clone(),
        fingerprint: Fingerprint([2; 16]),
        version: Version::FIRST,
        title: "Plan".into(),
    };
    let receipts = vec![receipt];
    store.commit(Batch { receipts, ..batch(document, 1, changes) }).await.unwrap();
    for edit in [&change, &unchanged] {
        assert!(store.find_receipt(document, ana, edit).await.is_some());
    }

    store.change(document, with_edit(deleted(ana), &deletion, 3)).await.unwrap();

    assert!(!store.changes(document, 1, ALL).await.is_empty());
    for edit in [&change, &unchanged] {
        assert_eq!(store.find_receipt(document, ana, edit).await, None);
    }
    // A node that does not know the outcome of the deletion finds it.
    let found = store.find_receipt(document, ana, &deletion).await.unwrap();
    assert_eq!(found.version.number(), 1_003);
}

#[tokio::test]
async fn only_owners_can_delete_a_document() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    for actor in [bo, UserId::new()] {
        let deletion = store.change(document, deleted(actor)).await;
        assert!(matches!(deletion, Err(CommitError::Denied(_))));
    }
    assert!(store.find_document(ana, document).await.unwrap().is_some());
}
