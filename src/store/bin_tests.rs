//! The bins of owners: deleted documents come back whole, or go for good.

use chrono::{TimeDelta, Utc};
use entity::document_bin;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use crate::{
    domain::{
        AccessLevel::{Edit, Owner},
        ChangeKind, DocumentId, DocumentKey, Metadata, Party, UserId, Version,
    },
    store::{
        CommitError, DocumentFilter, DocumentOrder, DocumentQuery, ErasedBy, ErasureStep,
        NewDocument, Quotas, StoreError,
        test_store::{TestStore, batch, deleted, edited, title},
    },
};

impl TestStore {
    /// Returns the documents in the bin of a user.
    async fn bin(&self, owner: UserId) -> Vec<DocumentId> {
        let query = DocumentQuery { filter: DocumentFilter::Bin, ..DocumentQuery::newest(10) };
        let page = self.list_documents(owner, query).await.unwrap();
        page.documents.iter().map(|(document, _)| document.id).collect()
    }
}

#[tokio::test]
async fn an_undeleted_document_is_as_it_was() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let new = NewDocument {
        title: title("Plan"),
        size: 3,
        state: b"one".to_vec(),
        metadata: Metadata::new(&serde_json::json!({ "status": "draft" })).unwrap(),
        key: Some(DocumentKey::new("wiki/1").unwrap()),
    };
    let metadata = new.metadata.clone();
    let document = store.create(ana, new).await.unwrap().id;
    store.grant_access(ana, document, bo, Owner).await.unwrap();
    store.change(document, edited(bo, "text")).await.unwrap();
    let before = store.bytes(ana).await;
    let access = store.find_access(bo, document).await.unwrap().unwrap().1;

    let committed = store.change(document, deleted(bo)).await.unwrap();

    for user in [ana, bo] {
        assert!(store.find_document(user, document).await.unwrap().is_none());
        let edit = store.commit(batch(document, 3, vec![edited(user, "back")])).await;
        assert!(matches!(edit, Err(CommitError::Denied(_))));
    }
    let usage = store.load_usage(ana).await.unwrap();
    assert_eq!((usage.documents, usage.bytes), (1, before));
    assert_eq!((store.bin(ana).await, store.bin(bo).await), (vec![document], vec![]));
    // Who has deleted it does not own it.
    for (user, document) in [(bo, document), (ana, DocumentId::new())] {
        assert!(matches!(store.undelete(user, document).await, Err(StoreError::Denied)));
        assert!(matches!(store.purge(user, document).await, Err(StoreError::Denied)));
    }

    let undeleted = store.undelete(ana, document).await.unwrap();

    // The answer needs nothing that may fail after the commit.
    assert_eq!(undeleted, store.find_document(ana, document).await.unwrap().unwrap().0);
    let (found, level) = store.find_document(bo, document).await.unwrap().unwrap();
    assert_eq!((found.size, &*found.title, level), ("text".len(), "Plan", Owner));
    assert_eq!((found.version, found.updated_at), (Version::new(3), committed.at));
    assert_eq!(store.find_access(bo, document).await.unwrap(), Some((Owner, access + 2)));
    assert_eq!(store.load_metadata(document).await.unwrap(), metadata);
    let key = "wiki/1".parse().unwrap();
    assert_eq!(store.resolve(&key, Party::Node).await.unwrap(), document);
    assert!(store.bin(ana).await.is_empty());
    assert!(matches!(store.undelete(ana, document).await, Err(StoreError::Denied)));
    // The log has no gap, and the deletion is no longer its end.
    let changes = store.changes(document, 1, usize::MAX).await;
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Edited, ChangeKind::Renamed]);
    assert!(store.find_deletion(document).await.unwrap().is_none());
    assert_eq!(store.bytes(ana).await, before + 256 + "Plan".len() as u64);
    store.change(document, edited(ana, "on")).await.unwrap();
}

#[tokio::test]
async fn an_answer_of_an_application_does_not_survive_the_bin() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let answer = (Some(Edit), Utc::now() + TimeDelta::hours(1));
    let before = store.find_rules_version(bo, document).await.unwrap().unwrap();
    store.store_answer(bo, document, answer, before).await.unwrap();
    assert!(store.find_access(bo, document).await.unwrap().is_some());

    store.change(document, deleted(ana)).await.unwrap();
    store.undelete(ana, document).await.unwrap();

    assert_eq!(store.find_access(bo, document).await.unwrap(), None);
    // One that was asked for before is not stored either.
    assert_eq!(store.store_answer(bo, document, answer, before).await.unwrap(), None);
}

#[tokio::test]
async fn a_grant_is_not_accepted_while_its_document_is_in_the_bin() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    store.grant_access(ana, document, bo, Edit).await.unwrap();
    store.change(document, deleted(ana)).await.unwrap();
    assert!(matches!(store.accept_grant(bo, document).await, Err(StoreError::Denied)));
    store.undelete(ana, document).await.unwrap();
    store.accept_grant(bo, document).await.unwrap();
}

#[tokio::test]
async fn a_purged_document_frees_its_bytes_and_its_key() {
    let quotas = Quotas { documents_per_user: 1, ..Quotas::default() };
    let store = TestStore::with_options(|options| options.quotas = quotas).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let key = DocumentKey::new("plan").unwrap();
    store.set_key(ana, document, Some(&key)).await.unwrap();
    store.change(document, deleted(ana)).await.unwrap();
    let refused = store.create_document(ana, title("Another"), 0, vec![]).await;
    assert!(matches!(refused, Err(StoreError::OverQuota(_))), "{refused:?}");

    store.purge(ana, document).await.unwrap();

    assert_eq!(store.bytes(ana).await, 0);
    assert!(store.bin(ana).await.is_empty());
    assert!(matches!(store.undelete(ana, document).await, Err(StoreError::Denied)));
    let name = "plan".parse().unwrap();
    assert_eq!(store.resolve(&name, Party::Node).await.unwrap(), DocumentId::NONE);
    let other = store.document(ana).await.id;
    store.set_key(ana, other, Some(&key)).await.unwrap();
}

#[tokio::test]
async fn bins_are_emptied_after_their_time_and_listed_newest_first() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let mut documents = vec![];
    for _ in 0..3 {
        let document = store.document(ana).await.id;
        store.change(document, deleted(ana)).await.unwrap();
        documents.insert(0, document);
    }
    assert_eq!(store.bin(ana).await, documents);
    let query = DocumentQuery {
        filter: DocumentFilter::Bin,
        order: DocumentOrder::Created,
        ..DocumentQuery::newest(2)
    };
    let page = store.list_documents(ana, query).await.unwrap();
    assert_eq!((page.documents.len(), page.has_next), (2, true));
    let deleted_at = page.documents[0].0.updated_at;
    assert_eq!(store.purged_at(deleted_at), Some(deleted_at + TimeDelta::hours(1)));

    assert!(!store.empty_bins(Utc::now()).await.unwrap());
    assert!(store.empty_bins(Utc::now() + TimeDelta::minutes(61)).await.unwrap());

    assert!(store.bin(ana).await.is_empty());
    assert!(!store.empty_bins(Utc::now() + TimeDelta::minutes(61)).await.unwrap());
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_in_its_bin() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (kept, binned) = (store.shared(ana, bo, Edit).await, store.shared(ana, bo, Edit).await);
    store.change(binned, deleted(ana)).await.unwrap();

    let by = ErasedBy::Themselves;
    let (_, mut erasure) = store.begin_erasure(ana, Some(bo), by).await.unwrap();
    while erasure.step().await.unwrap() != ErasureStep::Ended {}

    assert_eq!(store.find_owner(kept).await.unwrap(), Some(bo));
    assert_eq!(document_bin::Entity::find().count(&store.readers).await.unwrap(), 0);
    assert!(matches!(store.undelete(ana, binned).await, Err(StoreError::NoSuchUser)));
    assert_eq!(store.load_usage(bo).await.unwrap().documents, 1);
    assert!(store.find_account(ana).await.unwrap().is_none());
}
