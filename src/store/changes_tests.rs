//! Changes and deletions, one after another and at once.

use std::{future::poll_fn, pin::pin, task::Poll};

use entity::{document, document_access};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    Accepted, ChangeRequest, Store, StoreError,
    testing::{TestStore, edit, text, title, wish},
};
use crate::domain::{
    AccessLevel::{Edit, Owner, View},
    ChangeKind, DocumentId, SessionId, UserId, Version,
};

fn steps(accepted: &Accepted) -> Vec<(ChangeKind, i64)> {
    accepted.changes.iter().map(|change| (change.kind, change.version.number())).collect()
}

#[tokio::test]
async fn an_edit_is_stored_under_the_next_version() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let session = SessionId::new();

    let request =
        ChangeRequest { session: Some(session), ..edit(bo, document, "höher 🎈", Some(1)) };
    let accepted = store.change_document(request).await.unwrap();

    let [change] = &accepted.changes[..] else { panic!("{:?}", accepted.changes) };
    assert_eq!((change.kind, change.version.number()), (ChangeKind::Edited, 2));
    assert_eq!((change.document, change.session), (document, Some(session)));
    assert_eq!(change.author.as_ref().map(|user| (user.id, &*user.name)), Some((bo, "bo")));
    assert_eq!((&*change.title, &*change.content), ("Plan", "höher 🎈"));
    assert_eq!(change.at, accepted.document.updated_at);
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!(stored, accepted.document);
    assert!(stored.updated_at > stored.created_at);
}

#[tokio::test]
async fn title_and_text_together_are_two_versions() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    let request = ChangeRequest { title: Some(title("New")), ..edit(ana, document, "two", None) };
    let accepted = store.change_document(request).await.unwrap();

    assert_eq!(steps(&accepted), [(ChangeKind::Renamed, 2), (ChangeKind::Edited, 3)]);
    let told: Vec<_> =
        accepted.changes.iter().map(|change| (&*change.title, &*change.content)).collect();
    assert_eq!(told, [("New", "one"), ("New", "two")]);
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!(stored, accepted.document);
    assert_eq!(stored.version, Version::new(3));
}

#[tokio::test]
async fn a_new_title_leaves_the_text_alone() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    let request = ChangeRequest {
        title: Some(title("New")),
        content: Some(text("one")),
        ..wish(ana, document)
    };
    let accepted = store.change_document(request).await.unwrap();

    assert_eq!(steps(&accepted), [(ChangeKind::Renamed, 2)]);
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((&*stored.title, &*stored.content), ("New", "one"));
}

#[tokio::test]
async fn what_is_not_different_makes_no_version() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let before = store.document(ana).await;

    let same = ChangeRequest { title: Some(title("Plan")), ..edit(ana, before.id, "one", Some(1)) };
    for request in [same, wish(ana, before.id)] {
        let accepted = store.change_document(request).await.unwrap();
        assert_eq!(accepted, Accepted { document: before.clone(), changes: vec![] });
    }
    let (stored, _) = store.find_document(ana, before.id).await.unwrap().unwrap();
    assert_eq!(stored, before);
}

#[tokio::test]
async fn a_change_needs_the_right_to_edit() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, View).await;

    let strangers = [UserId::new(), store.user("cy").await, bo];
    for author in strangers {
        let change = store.change_document(edit(author, document, "two", Some(99))).await;
        assert!(matches!(change, Err(StoreError::Denied)), "and nothing is told of the head");
    }
    let nowhere = store.change_document(edit(ana, DocumentId::new(), "two", None)).await;
    assert!(matches!(nowhere, Err(StoreError::Denied)));

    store.grant_access(ana, document, bo, Edit).await.unwrap();
    store.change_document(edit(bo, document, "two", None)).await.unwrap();
    store.revoke_access(ana, document, bo).await.unwrap();
    let change = store.change_document(edit(bo, document, "three", None)).await;
    assert!(matches!(change, Err(StoreError::Denied)));
}

#[tokio::test]
async fn a_base_that_is_not_the_head_is_refused_with_the_head() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    store.change_document(edit(ana, document, "two", Some(1))).await.unwrap();

    for base in [1, 0, -7] {
        let change = store.change_document(edit(ana, document, "three", Some(base))).await;
        assert!(matches!(change, Err(StoreError::Conflict { head }) if head == Version::new(2)));
    }
    for base in [3, i64::MAX] {
        let change = store.change_document(edit(ana, document, "three", Some(base))).await;
        assert!(
            matches!(change, Err(StoreError::BaseInFuture { head }) if head == Version::new(2))
        );
    }
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((&*stored.content, stored.version.number()), ("two", 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_with_one_base_exactly_one_wins() {
    let store = TestStore::new().await;
    // One of them as another process, with a connection of its own.
    let other = store.open_again("rw").await.unwrap();
    let ana = store.user("ana").await;
    for round in 1..=10 {
        let document = store.document(ana).await.id;
        let change = |store: &Store, content: &str| {
            let (store, request) = (store.clone(), edit(ana, document, content, Some(1)));
            tokio::spawn(async move { store.change_document(request).await })
        };

        let tasks = [change(&store, "mine"), change(&store, "his"), change(&other, "hers")];

        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(accepted) => {
                    won += 1;
                    assert_eq!(steps(&accepted), [(ChangeKind::Edited, 2)]);
                }
                Err(StoreError::Conflict { head }) => assert_eq!(head, Version::new(2)),
                // The other process had the file longer than we wait in these tests.
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(won, 1, "in round {round}");
    }
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_at_once_give_versions_without_a_hole() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Store::clone(&store);
            let request = edit(ana, document, &format!("text {number}"), None);
            tokio::spawn(async move { store.change_document(request).await })
        })
        .collect();

    let mut born = Vec::new();
    for task in tasks {
        let accepted = task.await.unwrap().unwrap();
        born.push((accepted.changes[0].version.number(), accepted.changes[0].content.clone()));
    }

    born.sort_unstable();
    let versions: Vec<_> = born.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (2..=21).collect::<Vec<_>>());
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((stored.version.number(), &stored.content), (21, &born[19].1));
}

#[tokio::test]
async fn a_change_that_others_always_forestall_ends_as_a_conflict() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    // SQLite lets nobody come between, so a trigger stands in: no row is updated.
    let forestall =
        "CREATE TRIGGER forestall BEFORE UPDATE ON document BEGIN SELECT RAISE(IGNORE); END";
    store.writer.execute_unprepared(forestall).await.unwrap();

    let change = store.change_document(edit(ana, document, "two", None)).await;
    assert!(matches!(change, Err(StoreError::Conflict { head: Version::FIRST })));
    let deletion = store.delete_document(ana, document, None).await;
    assert!(matches!(deletion, Err(StoreError::Conflict { head: Version::FIRST })));

    store.writer.execute_unprepared("DROP TRIGGER forestall").await.unwrap();
    store.change_document(edit(ana, document, "two", Some(1))).await.unwrap();
}

/// Polls `work` at most `polls` times and then drops it; with `late`, not until it could go on.
async fn give_up<F: Future>(work: F, polls: u32, late: bool) {
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
async fn a_change_given_up_half_way_is_stored_as_a_whole_or_not_at_all() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for polls in 1..20 {
        for late in [false, true] {
            let content = format!("given up after {polls}, {late}");
            give_up(store.change_document(edit(ana, document, &content, None)), polls, late).await;

            // Whatever became of it, the next writer finds a head to go on from.
            let head = store.change_document(wish(ana, document)).await.unwrap().document.version;
            let next = edit(ana, document, &format!("after {polls}, {late}"), Some(head.number()));
            let accepted = store.change_document(next).await.unwrap();
            assert_eq!(accepted.document.version, head.next());
        }
    }
    let last = store.change_document(wish(ana, document)).await.unwrap().document;
    let store = store.restart().await;
    let (stored, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!(stored, last);
    assert!(stored.version.number() > 39, "some were stored as well: {}", stored.version);
}

#[tokio::test]
async fn a_deleted_document_leaves_a_tombstone() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Owner).await;
    let session = SessionId::new();

    let change = store.delete_document(bo, document, Some(session)).await.unwrap();

    assert_eq!((change.kind, change.version.number()), (ChangeKind::Deleted, 2));
    assert_eq!((&*change.title, &*change.content), ("Plan", ""));
    assert_eq!(change.author.map(|user| user.id), Some(bo));
    assert_eq!(change.session, Some(session));
    let store = store.restart().await;
    let row = document::Entity::find_by_id(document.uuid()).one(&store.readers).await.unwrap();
    let row = row.unwrap();
    assert_eq!((&*row.title, &*row.content, row.version), ("", "", 2));
    assert_eq!((row.deleted_at, row.updated_at), (Some(change.at), change.at));
    let grants = document_access::Entity::find()
        .filter(document_access::Column::DocumentId.eq(document.uuid()))
        .count(&store.readers)
        .await
        .unwrap();
    assert_eq!(grants, 0);
}

#[tokio::test]
async fn nothing_can_be_done_with_a_deleted_document() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.delete_document(ana, document, None).await.unwrap();

    for user in [ana, bo] {
        let change = store.change_document(edit(user, document, "back", None)).await;
        assert!(matches!(change, Err(StoreError::Denied)));
        let again = store.delete_document(user, document, None).await;
        assert!(matches!(again, Err(StoreError::Denied)));
        let grant = store.grant_access(user, document, bo, View).await;
        assert!(matches!(grant, Err(StoreError::Denied)));
        let revoke = store.revoke_access(user, document, bo).await;
        assert!(matches!(revoke, Err(StoreError::Denied)));
    }
    assert!(store.list_collaborators(document).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_owners_delete() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;

    for actor in [bo, UserId::new()] {
        let deletion = store.delete_document(actor, document, None).await;
        assert!(matches!(deletion, Err(StoreError::Denied)));
    }
    assert_eq!(store.access_level(bo, document).await.unwrap(), Some(Edit));
    assert!(store.find_document(ana, document).await.unwrap().is_some());
}
