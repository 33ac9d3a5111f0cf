//! The history: how changes are grouped into entries, and how entries are paged.

use std::time::Duration;

use chrono::TimeDelta;
use entity::document_change;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{
    HistoryEntry, HistoryPage, NewChange, NewNamedVersion,
    test_store::{TestStore, batch, edited},
};
use crate::domain::{
    AccessLevel::Edit, ChangeKind, DocumentId, UserId, Version, VersionName, VersionRange,
};

impl TestStore {
    /// Stores changes by these authors, each this number of seconds after the previous one.
    async fn write(&self, document: DocumentId, changes: &[(UserId, i64)]) {
        let mut at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for (version, (author, pause)) in (1..).zip(changes) {
            let text = format!("{version}");
            self.commit(batch(document, version, vec![edited(*author, &text)])).await.unwrap();
            at += TimeDelta::seconds(*pause);
            let row = document_change::ActiveModel {
                document_id: Set(document.uuid()),
                version: Set(version + 1),
                at: Set(at),
                ..Default::default()
            };
            row.update(&self.writer).await.unwrap();
        }
    }

    async fn history(&self, document: DocumentId, before: Option<i64>, count: u32) -> HistoryPage {
        self.list_history(document, before.map(Version::new), count).await.unwrap()
    }
}

fn ranges(page: &HistoryPage) -> Vec<(i64, i64, String)> {
    let name = |entry: &HistoryEntry| {
        entry.author.as_ref().map_or("?".to_owned(), |user| user.name.to_string())
    };
    let range = |entry: &HistoryEntry| (entry.from.number(), entry.to.number(), name(entry));
    page.entries.iter().map(range).collect()
}

fn range(from: i64, to: i64, name: &str) -> (i64, i64, String) {
    (from, to, name.to_owned())
}

#[tokio::test]
async fn an_entry_ends_at_another_author_or_a_long_pause() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let changes = [(ana, 0), (ana, 10), (bo, 1), (ana, 1), (ana, 300), (ana, 301)];
    store.write(document, &changes).await;

    let page = store.history(document, None, 20).await;
    let all = [
        range(7, 7, "ana"),
        range(5, 6, "ana"),
        range(4, 4, "bo"),
        range(2, 3, "ana"),
        range(1, 1, "ana"),
    ];
    assert_eq!((ranges(&page), page.has_next), (all.to_vec(), false));
    let entry = &page.entries[1];
    assert_eq!((entry.ended_at - entry.started_at).to_std(), Ok(Duration::from_secs(300)));

    // Reading it page by page returns the same entries.
    let (mut before, mut read) = (None, Vec::new());
    loop {
        let page = store.history(document, before, 2).await;
        before = page.entries.last().map(|entry| entry.from.number());
        read.extend(ranges(&page));
        if !page.has_next {
            break;
        }
    }
    assert_eq!(read, all);
    assert_eq!(store.history(document, Some(1), 2).await.entries, []);
}

#[tokio::test]
async fn creating_a_document_counts_as_a_change_by_the_owner() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    assert_eq!(ranges(&store.history(document, None, 5).await), [range(1, 1, "ana")]);
    store.commit(batch(document, 1, vec![edited(ana, "x")])).await.unwrap();
    assert_eq!(ranges(&store.history(document, None, 5).await), [range(1, 2, "ana")]);
    assert_eq!(store.history(DocumentId::new(), None, 5).await.entries, []);
}

#[tokio::test]
async fn changes_that_are_no_longer_kept_are_left_out() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for version in 1..5 {
        store.commit(batch(document, version, vec![edited(ana, "x")])).await.unwrap();
    }
    document_change::Entity::delete_many()
        .filter(document_change::Column::Version.lte(3))
        .exec(&store.writer)
        .await
        .unwrap();
    assert_eq!(ranges(&store.history(document, None, 5).await), [range(4, 5, "ana")]);
}

#[tokio::test]
async fn a_change_that_takes_others_back_is_an_entry_of_its_own() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let taken = VersionRange { from: Version::new(2), to: Version::new(3) };
    let reversal = NewChange { takes_back: Some(taken), ..edited(ana, "back") };
    let changes = vec![edited(ana, "a"), edited(ana, "b"), reversal, edited(ana, "c")];
    store.commit(batch(document, 1, changes)).await.unwrap();

    let page = store.history(document, None, 20).await;

    let expected = [range(5, 5, "ana"), range(4, 4, "ana"), range(1, 3, "ana")];
    assert_eq!(ranges(&page), expected);
    let taken_back: Vec<_> = page.entries.iter().map(|entry| entry.takes_back).collect();
    assert_eq!(taken_back, [None, Some(taken), None]);
}

#[tokio::test]
async fn a_compaction_is_an_entry_of_its_own() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let compacted = NewChange { kind: ChangeKind::Compacted, ..edited(ana, "x") };
    let changes = vec![edited(ana, "a"), compacted, edited(ana, "b")];
    store.commit(batch(document, 1, changes)).await.unwrap();
    let expected = [range(4, 4, "ana"), range(3, 3, "ana"), range(1, 2, "ana")];
    assert_eq!(ranges(&store.history(document, None, 20).await), expected);
}

#[tokio::test]
async fn an_entry_has_the_name_of_its_newest_named_version() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let changes = vec![edited(ana, "a"), edited(bo, "b"), edited(bo, "c"), edited(bo, "d")];
    store.commit(batch(document, 1, changes)).await.unwrap();
    for (version, name) in [(3, "Draft"), (4, "Final")] {
        let new = NewNamedVersion {
            actor: bo,
            document,
            version: Version::new(version),
            at: None,
            name: VersionName::new(name).unwrap(),
            state: vec![1],
        };
        store.name_version(new).await.unwrap();
    }
    let page = store.history(document, None, 20).await;
    let names: Vec<_> = page.entries.iter().map(|entry| entry.name.as_deref()).collect();
    assert_eq!(names, [Some("Final"), None]);
}

#[tokio::test]
async fn an_entry_is_found_up_to_one_of_its_versions() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let changes = vec![edited(bo, "a"), edited(bo, "b"), edited(ana, "c")];
    store.commit(batch(document, 1, changes)).await.unwrap();
    let found = async |version| {
        let entry = store.find_entry_up_to(document, Version::new(version)).await.unwrap();
        entry.map(|entry| (entry.from.number(), entry.to.number()))
    };
    for (version, entry) in [(1, (1, 1)), (2, (2, 2)), (3, (2, 3)), (4, (4, 4))] {
        assert_eq!(found(version).await, Some(entry));
    }
    assert_eq!(found(5).await, None);
    document_change::Entity::delete_many()
        .filter(document_change::Column::Version.lte(2))
        .exec(&store.writer)
        .await
        .unwrap();
    assert_eq!(found(2).await, None);
    assert_eq!(found(3).await, Some((3, 3)));
}
