//! Documents: creating, finding and listing them page by page.

use chrono::{DateTime, Utc};
use entity::document;
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, DbBackend, EntityTrait, QueryFilter, sea_query::Expr,
};

use super::{
    DocumentFilter, DocumentOrder, DocumentQuery, PageCursor, Snapshot, SnapshotState, StoreError,
    documents::{MAX_PAGE_BYTES, select_candidates},
    test_store::{TestStore, deleted as deletion, edited, title},
};
use crate::domain::{AccessLevel, DocumentId, UserId, Version};

impl TestStore {
    async fn set_updated_at(&self, document: DocumentId, at: DateTime<Utc>) {
        document::Entity::update_many()
            .col_expr(document::Column::UpdatedAt, Expr::value(at))
            .filter(document::Column::Id.eq(document.uuid()))
            .exec(&self.writer)
            .await
            .unwrap();
    }

    /// Lists all documents of `viewer` in pages of `first`. Returns their ids and the number of pages.
    async fn list_all(
        &self,
        viewer: UserId,
        order: DocumentOrder,
        first: u32,
    ) -> (Vec<DocumentId>, usize) {
        let (mut ids, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let query = DocumentQuery { order, after, ..DocumentQuery::newest(first) };
            let page = self.list_documents(viewer, query).await.unwrap();
            assert!(page.documents.len() <= first as usize);
            pages += 1;
            ids.extend(page.documents.iter().map(|(document, _)| document.id));
            if !page.has_next {
                return (ids, pages);
            }
            // A client sends the cursor back as text.
            let cursor = PageCursor::after(&page.documents.last().unwrap().0, order).to_string();
            after = Some(PageCursor::parse(&cursor, order).unwrap());
        }
    }
}

#[tokio::test]
async fn a_created_document_is_found_unchanged() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let state = vec![0, 255, 7];

    let created =
        store.create_document(ana, title("日本語 — Plan"), 12, state.clone()).await.unwrap();

    assert_eq!((created.version, created.owner, created.size), (Version::FIRST, ana, 12));
    let snapshot = store.find_snapshot(created.id, created.version).await.unwrap();
    let state = SnapshotState::Yjs(state);
    assert_eq!(snapshot, Some(Snapshot { version: created.version, state }));
    assert_eq!(created.created_at, created.updated_at);
    let found = store.find_document(ana, created.id).await.unwrap();
    assert_eq!(found, Some((created, AccessLevel::Owner)));
}

#[tokio::test]
async fn a_document_needs_an_owner_with_an_account() {
    let store = TestStore::new().await;
    let created = store.create_document(UserId::new(), title("Plan"), 0, vec![]).await;
    assert!(matches!(created, Err(StoreError::NoSuchUser)));
}

#[tokio::test]
async fn a_document_without_access_looks_like_one_that_does_not_exist() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (hidden, deleted) = (store.document(ana).await.id, store.document(ana).await.id);
    let shared = store.shared(ana, bo, AccessLevel::View).await;
    store.change(deleted, deletion(ana)).await.unwrap();

    for document in [hidden, deleted, DocumentId::new()] {
        assert_eq!(store.find_document(bo, document).await.unwrap(), None);
    }
    assert_eq!(store.find_document(ana, deleted).await.unwrap(), None);
    assert_eq!(store.find_document(UserId::new(), hidden).await.unwrap(), None);
    let (_, level) = store.find_document(bo, shared).await.unwrap().unwrap();
    assert_eq!(level, AccessLevel::View);
}

#[tokio::test]
async fn the_list_contains_owned_and_granted_documents_newest_change_first() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let own = store.document(bo).await.id;
    let shared = store.shared(ana, bo, AccessLevel::Edit).await;
    store.document(ana).await;
    let deleted = store.document(bo).await.id;
    store.change(deleted, deletion(bo)).await.unwrap();
    store.change(own, edited(bo, "changed last")).await.unwrap();

    let page = store.list_documents(bo, DocumentQuery::newest(20)).await.unwrap();

    let listed: Vec<_> =
        page.documents.iter().map(|(document, level)| (document.id, *level)).collect();
    assert_eq!(listed, [(own, AccessLevel::Owner), (shared, AccessLevel::Edit)]);
    assert_eq!(page.documents[0].0.size, "changed last".len());
    assert!(!page.has_next);
}

#[tokio::test]
async fn pages_continue_where_the_previous_one_ended_even_at_equal_times() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    // Some times differ in the length of their text, and some are equal.
    let micros = [0, 0, 500_000, 500_001, 500_001, 500_001, 999_999, 120_000, 123_000, 123_000];
    let mut expected = Vec::new();
    for (number, micros) in micros.into_iter().enumerate() {
        let document = if number % 2 == 0 {
            store.document(bo).await.id
        } else {
            store.shared(ana, bo, AccessLevel::View).await
        };
        let at = DateTime::from_timestamp_micros(1_750_000_000_000_000 + micros).unwrap();
        store.set_updated_at(document, at).await;
        expected.push((at, document));
    }
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let expected: Vec<_> = expected.into_iter().map(|(_, document)| document).collect();

    for first in 1..=11 {
        let (listed, pages) = store.list_all(bo, DocumentOrder::Updated, first).await;
        assert_eq!(listed, expected, "in pages of {first}");
        assert_eq!(pages, expected.len().div_ceil(first as usize));
    }
}

#[tokio::test]
async fn in_the_order_of_creation_no_change_moves_a_document() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let mut expected = Vec::new();
    for _ in 0..4 {
        expected.insert(0, store.document(bo).await.id);
        expected.insert(0, store.shared(ana, bo, AccessLevel::Edit).await);
    }
    let middle = expected[4];
    store.change(middle, edited(bo, "changed last")).await.unwrap();

    for first in 1..=9 {
        let (listed, pages) = store.list_all(bo, DocumentOrder::Created, first).await;
        assert_eq!(listed, expected, "in pages of {first}");
        assert_eq!(pages, expected.len().div_ceil(first as usize));
    }
    assert_eq!(store.list_all(bo, DocumentOrder::Updated, 3).await.0[0], middle);
}

#[tokio::test]
async fn the_documents_of_an_owner_are_read_in_the_order_of_an_index() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let last = store.document(ana).await;
    for order in [DocumentOrder::Updated, DocumentOrder::Created] {
        for after in [None, Some(PageCursor::after(&last, order))] {
            let filter = DocumentFilter::Owned;
            let query = DocumentQuery { filter, order, after, ..DocumentQuery::newest(10) };
            let mut plan = DbBackend::Sqlite.build(&select_candidates(ana, &query, 11));
            plan.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let rows = store.writer.query_all_raw(plan).await.unwrap();
            let steps = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
            let steps = steps.collect::<Vec<_>>().join("; ");
            assert!(
                steps.contains("USING") && !steps.contains("TEMP B-TREE"),
                "{order:?}: {steps}"
            );
        }
    }
}

#[tokio::test]
async fn a_document_created_between_two_pages_does_not_shift_the_second() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let (old, new) = (store.document(ana).await, store.document(ana).await);
    let first = store.list_documents(ana, DocumentQuery::newest(1)).await.unwrap();
    assert_eq!(first.documents[0].0.id, new.id);

    store.document(ana).await;

    let after = Some(PageCursor::after(&first.documents[0].0, DocumentOrder::Updated));
    let second = DocumentQuery { after, ..DocumentQuery::newest(1) };
    let second = store.list_documents(ana, second).await.unwrap();
    assert_eq!(second.documents[0].0.id, old.id);
    assert!(!second.has_next);
}

#[tokio::test]
async fn an_empty_page_shows_whether_more_documents_follow() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    assert!(!store.list_documents(ana, DocumentQuery::newest(0)).await.unwrap().has_next);
    store.document(ana).await;
    let page = store.list_documents(ana, DocumentQuery::newest(0)).await.unwrap();
    assert!(page.documents.is_empty() && page.has_next);
    assert_eq!(
        store.list_documents(ana, DocumentQuery::newest(u32::MAX)).await.unwrap().documents.len(),
        1
    );
}

#[tokio::test]
async fn a_page_of_long_texts_ends_early_and_the_next_page_continues() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let long = usize::try_from(MAX_PAGE_BYTES).unwrap() / 2 - 10;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(store.create_document(ana, title("Long"), long, vec![]).await.unwrap().id);
    }
    created.reverse();

    let page = store.list_documents(ana, DocumentQuery::newest(10)).await.unwrap();
    assert_eq!((page.documents.len(), page.has_next), (2, true));
    assert_eq!(store.list_all(ana, DocumentOrder::Updated, 10).await, (created, 3));
}
