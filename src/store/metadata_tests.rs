//! The metadata of documents: storing, replacing and counting it, and finding documents by their labels.

use entity::document_label;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::{
    domain::{
        AccessLevel::{Edit, View},
        ChangeKind, DocumentId, Metadata, MetadataLabel, UserId,
    },
    store::{
        DocumentFilter, DocumentOrder, DocumentQuery, NewChange, NewDocument, PageCursor,
        test_store::{TestStore, deleted, edited, title},
    },
};

fn metadata(value: Value) -> Metadata {
    Metadata::new(&value).unwrap()
}

/// Returns a change of the metadata.
fn described(author: UserId, value: Value) -> NewChange {
    NewChange {
        kind: ChangeKind::Renamed,
        metadata: Some(metadata(value)),
        delta: None,
        update: None,
        size: 3,
        ..edited(author, "unused")
    }
}

impl TestStore {
    async fn described(&self, owner: UserId, value: Value) -> DocumentId {
        let (title, state, metadata) = (title("Plan"), b"one".to_vec(), metadata(value));
        self.create(owner, NewDocument { title, size: 3, state, metadata, key: None })
            .await
            .unwrap()
            .id
    }

    /// Returns the documents of a user with these labels, read in pages of two.
    async fn find_by(
        &self,
        viewer: UserId,
        filter: DocumentFilter,
        order: DocumentOrder,
        labels: Value,
    ) -> Vec<DocumentId> {
        let labels = MetadataLabel::filter(&labels).unwrap();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let labels = labels.clone();
            let query = DocumentQuery { filter, order, first: 2, after, labels };
            let page = self.list_documents(viewer, query).await.unwrap();
            found.extend(page.documents.iter().map(|(document, _)| document.id));
            if !page.has_next {
                return found;
            }
            let last = page.documents.last().map(|(last, _)| PageCursor::after(last, order));
            after = page.ends_at.or(last);
        }
    }
}

#[tokio::test]
async fn metadata_is_replaced_as_a_whole() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.described(ana, json!({ "status": "draft", "tags": ["a"] })).await;
    let loaded = async || store.load_metadata(document).await.unwrap();
    assert_eq!(loaded().await, metadata(json!({ "status": "draft", "tags": ["a"] })));

    let committed = store.change(document, described(ana, json!({ "pages": 3 }))).await;

    assert_eq!(loaded().await, metadata(json!({ "pages": 3 })));
    let (found, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((found.version.number(), found.updated_at), (2, committed.unwrap().at));
    let listed = store.list_metadata([document, DocumentId::new()]).await.unwrap();
    assert_eq!(listed.len(), 1);
    store.change(document, described(ana, json!({}))).await.unwrap();
    assert!(loaded().await.is_empty());
    assert!(document_label::Entity::find().one(&store.readers).await.unwrap().is_none());
}

#[tokio::test]
async fn metadata_counts_for_the_owner() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let plain = store.document(ana).await.id;
    let used = async || store.load_usage(ana).await.unwrap().bytes;
    let without = used().await;
    let value = json!({ "text": "x".repeat(1_000), "status": "draft" });
    let bytes = metadata(value.clone()).as_json().len() as u64 + 2 * 256;

    let described_at_once = store.described(ana, value.clone()).await;

    // A row for the metadata and one for its label; the long text is none.
    assert_eq!(used().await, 2 * without + bytes);
    store.change(plain, described(ana, value)).await.unwrap();
    // The row of the change has the title.
    let row = 256 + "Plan".len() as u64;
    assert_eq!(used().await, 2 * without + 2 * bytes + row);
    store.change(plain, described(ana, json!({}))).await.unwrap();
    store.change(described_at_once, described(ana, json!({}))).await.unwrap();
    assert_eq!(used().await, 2 * without + 3 * row);
}

#[tokio::test]
async fn documents_are_found_by_their_labels_page_by_page() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let mut drafts = Vec::new();
    for number in 0..5 {
        let label = json!({ "status": "draft", "number": number, "done": false });
        drafts.insert(0, store.described(ana, label).await);
        store.described(ana, json!({ "status": "final", "number": number })).await;
        store.document(ana).await;
    }
    // Of another user, with the same labels.
    let foreign = store.described(bo, json!({ "status": "draft" })).await;

    for order in [DocumentOrder::Updated, DocumentOrder::Created] {
        for filter in [DocumentFilter::All, DocumentFilter::Owned] {
            let found = store.find_by(ana, filter, order, json!({ "status": "draft" })).await;
            assert_eq!(found, drafts, "{order:?} {filter:?}");
        }
    }
    let find = async |labels: Value| {
        store.find_by(ana, DocumentFilter::All, DocumentOrder::Updated, labels).await
    };
    assert_eq!(find(json!({ "status": "draft", "number": 4.0, "done": false })).await, drafts[..1]);
    for nothing in [
        json!({ "status": "Draft" }),
        json!({ "number": "4" }),
        json!({ "done": true }),
        json!({ "status": "final", "done": false }),
    ] {
        assert!(find(nothing.clone()).await.is_empty(), "{nothing}");
    }
    assert_eq!(find(json!({})).await.len(), 15);

    store.grant_access(bo, foreign, ana, View).await.unwrap();
    let shared = store.find_by(
        ana,
        DocumentFilter::Shared,
        DocumentOrder::Updated,
        json!({ "status": "draft" }),
    );
    assert_eq!(shared.await, [foreign]);
}

#[tokio::test]
async fn a_page_looks_for_labels_in_a_bounded_number_of_documents() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let draft = store.described(ana, json!({ "status": "draft" })).await;
    for _ in 0..7 {
        store.document(ana).await;
    }
    for order in [DocumentOrder::Updated, DocumentOrder::Created] {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let labels = MetadataLabel::filter(&json!({ "status": "draft" })).unwrap();
            let filter = DocumentFilter::All;
            let query = DocumentQuery { filter, order, first: 2, after, labels };
            let page = store.list_within(ana, query, 3).await.unwrap();
            pages.push(page.documents.iter().map(|(document, _)| document.id).collect::<Vec<_>>());
            assert_eq!(page.has_next, page.ends_at.is_some());
            if !page.has_next {
                break;
            }
            after = page.ends_at;
        }
        assert_eq!(pages, [vec![], vec![], vec![draft]], "{order:?}");
    }
}

#[tokio::test]
async fn only_editors_change_metadata_and_a_purge_ends_it() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, View).await;
    let refused = store.change(document, described(bo, json!({ "status": "draft" }))).await;
    assert!(refused.is_err());
    assert!(store.load_metadata(document).await.unwrap().is_empty());
    store.grant_access(ana, document, bo, Edit).await.unwrap();
    store.change(document, described(bo, json!({ "status": "draft" }))).await.unwrap();

    store.change(document, deleted(ana)).await.unwrap();
    assert!(!store.load_metadata(document).await.unwrap().is_empty());
    store.purge(ana, document).await.unwrap();

    assert!(store.load_metadata(document).await.unwrap().is_empty());
}
