//! Access levels: reading, granting and revoking them.

use std::collections::HashMap;

use entity::document;
use sea_orm::EntityTrait;

use super::{
    StoreError,
    test_store::{TestStore, deleted},
};
use crate::domain::{
    AccessLevel::{self, Edit, Owner, View},
    DocumentId, UserId,
};

impl TestStore {
    async fn access_version(&self, document: DocumentId) -> i64 {
        let row = document::Entity::find_by_id(document.uuid()).one(&self.readers).await.unwrap();
        row.unwrap().access_version
    }

    async fn levels(&self, document: DocumentId) -> Vec<(UserId, AccessLevel)> {
        let mut found = self.list_collaborators([document]).await.unwrap();
        let collaborators = found.remove(&document).unwrap_or_default();
        collaborators.into_iter().map(|grant| (grant.user.id, grant.level)).collect()
    }
}

#[tokio::test]
async fn the_level_comes_from_ownership_or_a_grant() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;

    assert_eq!(store.find_access_level(ana, document).await.unwrap(), Some(Owner));
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
    assert_eq!(store.find_access_level(ana, DocumentId::new()).await.unwrap(), None);
    for level in [View, Edit, Owner, View] {
        store.grant_access(ana, document, bo, level).await.unwrap();
        assert_eq!(store.find_access_level(bo, document).await.unwrap(), Some(level));
    }
    store.change(document, deleted(ana)).await.unwrap();
    assert_eq!(store.find_access_level(ana, document).await.unwrap(), None);
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
}

#[tokio::test]
async fn a_grant_returns_the_previous_level_and_counts_only_real_changes() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let initial = store.access_version(document).await;

    let first = store.grant_access(ana, document, bo, View).await.unwrap();
    let raised = store.grant_access(ana, document, bo, Edit).await.unwrap();
    let again = store.grant_access(ana, document, bo, Edit).await.unwrap();

    assert_eq!((first.previous_level, first.collaborator.level), (None, View));
    assert_eq!(&*first.collaborator.user.name, "bo");
    assert_eq!((raised.previous_level, raised.collaborator.level), (Some(View), Edit));
    assert_eq!(again.previous_level, Some(Edit));
    assert_eq!(again.collaborator, raised.collaborator, "granting the same level changes nothing");
    let collaborators = store.list_collaborators([document]).await.unwrap();
    assert_eq!(collaborators, HashMap::from([(document, vec![raised.collaborator])]));
    assert_eq!(store.access_version(document).await, initial + 2);
}

#[tokio::test]
async fn collaborators_are_listed_oldest_grant_first_without_the_owner() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    assert!(store.levels(document).await.is_empty());
    let (cy, bo) = (store.user("cy").await, store.user("bo").await);

    store.grant_access(ana, document, bo, View).await.unwrap();
    store.grant_access(ana, document, cy, Owner).await.unwrap();

    assert_eq!(store.levels(document).await, [(bo, View), (cy, Owner)]);
}

#[tokio::test]
async fn only_owners_can_grant_access() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.shared(ana, bo, Edit).await;
    let before = store.access_version(document).await;

    for (actor, target) in [(bo, cy), (bo, bo), (cy, cy), (UserId::new(), cy)] {
        let granted = store.grant_access(actor, document, target, View).await;
        assert!(matches!(granted, Err(StoreError::Denied)));
    }
    let unknown_document = store.grant_access(ana, DocumentId::new(), bo, View).await;
    assert!(matches!(unknown_document, Err(StoreError::Denied)));
    assert_eq!(store.levels(document).await, [(bo, Edit)]);
    assert_eq!(store.access_version(document).await, before);

    store.grant_access(ana, document, bo, Owner).await.unwrap();
    store.grant_access(bo, document, cy, View).await.unwrap();
    assert_eq!(store.find_access_level(cy, document).await.unwrap(), Some(View));
}

#[tokio::test]
async fn unknown_users_and_the_owner_cannot_be_granted_access() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Owner).await;

    let stranger = store.grant_access(ana, document, UserId::new(), View).await;
    assert!(matches!(stranger, Err(StoreError::NoSuchUser)));
    for actor in [ana, bo] {
        let owner = store.grant_access(actor, document, ana, View).await;
        assert!(matches!(owner, Err(StoreError::OwnerKeepsAccess)));
        let owner = store.revoke_access(actor, document, ana).await;
        assert!(matches!(owner, Err(StoreError::OwnerKeepsAccess)));
    }
    assert_eq!(store.find_access_level(ana, document).await.unwrap(), Some(Owner));
}

#[tokio::test]
async fn revoking_returns_whether_the_user_had_access() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let before = store.access_version(document).await;

    assert!(store.revoke_access(ana, document, bo).await.unwrap().had_access);
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
    assert!(!store.revoke_access(ana, document, bo).await.unwrap().had_access);
    assert!(!store.revoke_access(ana, document, UserId::new()).await.unwrap().had_access);

    assert_eq!(store.access_version(document).await, before + 1);
}

#[tokio::test]
async fn collaborators_can_revoke_only_their_own_access() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.shared(ana, bo, View).await;
    store.grant_access(ana, document, cy, Edit).await.unwrap();

    for (actor, target) in [(bo, cy), (cy, bo), (bo, ana), (UserId::new(), bo)] {
        let revoked = store.revoke_access(actor, document, target).await;
        assert!(matches!(revoked, Err(StoreError::Denied)));
    }
    assert!(store.revoke_access(bo, document, bo).await.unwrap().had_access);

    assert_eq!(store.levels(document).await, [(cy, Edit)]);
    let again = store.revoke_access(bo, document, bo).await;
    assert!(matches!(again, Err(StoreError::Denied)), "a user who has left has no access");
}
