//! The keys of documents: each names one document, and only owners change it.

use crate::{
    domain::{AccessLevel, DocumentId, DocumentKey, Metadata, Party, UserId},
    store::{
        NewDocument, StoreError,
        test_store::{TestStore, title},
    },
};

fn key(text: &str) -> DocumentKey {
    DocumentKey::new(text).unwrap()
}

impl TestStore {
    async fn create_with_key(&self, owner: UserId, text: &str) -> Result<DocumentId, StoreError> {
        let (metadata, key) = (Metadata::empty(), Some(key(text)));
        let new = NewDocument { title: title("Plan"), size: 0, state: vec![], metadata, key };
        Ok(self.create(owner, new).await?.id)
    }

    async fn named(&self, text: &str) -> DocumentId {
        self.resolve(&text.parse().unwrap(), Party::Node).await.unwrap()
    }
}

#[tokio::test]
async fn a_key_names_one_document() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.create_with_key(ana, "wiki/1").await.unwrap();

    assert_eq!(store.named("wiki/1").await, document);
    assert_eq!(store.named("WIKI/1").await, DocumentId::NONE);
    assert_eq!(store.named(&document.to_string()).await, document);
    let unknown = DocumentId::new();
    assert_eq!(store.named(&unknown.to_string()).await, unknown);

    let usage = store.load_usage(bo).await.unwrap();
    let taken = store.create_with_key(bo, "wiki/1").await;
    assert!(matches!(taken, Err(StoreError::KeyTaken)), "{taken:?}");
    assert_eq!(store.load_usage(bo).await.unwrap(), usage, "nothing was created");
    let keys = store.list_keys([document, unknown]).await.unwrap();
    assert_eq!(keys, [(document, key("wiki/1"))].into());
}

#[tokio::test]
async fn owners_change_and_remove_keys() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, AccessLevel::Edit).await;
    let other = store.document(ana).await.id;
    for (actor, document) in [(bo, document), (ana, DocumentId::new())] {
        let denied = store.set_key(actor, document, Some(&key("a"))).await;
        assert!(matches!(denied, Err(StoreError::Denied)), "{denied:?}");
    }

    store.set_key(ana, document, Some(&key("a"))).await.unwrap();
    store.set_key(ana, document, Some(&key("b"))).await.unwrap();

    assert_eq!((store.named("a").await, store.named("b").await), (DocumentId::NONE, document));
    // Setting the same key again changes nothing.
    store.set_key(ana, document, Some(&key("b"))).await.unwrap();
    let taken = store.set_key(ana, other, Some(&key("b"))).await;
    assert!(matches!(taken, Err(StoreError::KeyTaken)), "{taken:?}");
    store.set_key(ana, document, None).await.unwrap();
    store.set_key(ana, other, Some(&key("b"))).await.unwrap();
    assert_eq!(store.named("b").await, other);
}
