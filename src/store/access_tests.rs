//! Access: asking, granting and revoking.

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
        let collaborators = self.list_collaborators(document).await.unwrap();
        collaborators.into_iter().map(|grant| (grant.user.id, grant.level)).collect()
    }
}

#[tokio::test]
async fn the_level_is_that_of_the_owner_or_of_the_grant() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;

    assert_eq!(store.access_level(ana, document).await.unwrap(), Some(Owner));
    assert_eq!(store.access_level(bo, document).await.unwrap(), None);
    assert_eq!(store.access_level(ana, DocumentId::new()).await.unwrap(), None);
    for level in [View, Edit, Owner, View] {
        store.grant_access(ana, document, bo, level).await.unwrap();
        assert_eq!(store.access_level(bo, document).await.unwrap(), Some(level));
    }
    store.change(document, deleted(ana)).await.unwrap();
    assert_eq!(store.access_level(ana, document).await.unwrap(), None);
    assert_eq!(store.access_level(bo, document).await.unwrap(), None);
}

#[tokio::test]
async fn a_grant_says_what_was_there_before_and_counts_real_changes() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let at_first = store.access_version(document).await;

    let first = store.grant_access(ana, document, bo, View).await.unwrap();
    let raised = store.grant_access(ana, document, bo, Edit).await.unwrap();
    let again = store.grant_access(ana, document, bo, Edit).await.unwrap();

    assert_eq!((first.before, first.collaborator.level), (None, View));
    assert_eq!(&*first.collaborator.user.name, "bo");
    assert_eq!((raised.before, raised.collaborator.level), (Some(View), Edit));
    assert_eq!(again.before, Some(Edit));
    assert_eq!(again.collaborator, raised.collaborator, "the same level changes nothing");
    assert_eq!(store.list_collaborators(document).await.unwrap(), [raised.collaborator]);
    assert_eq!(store.access_version(document).await, at_first + 2);
}

#[tokio::test]
async fn collaborators_come_oldest_first_without_the_owner() {
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
async fn only_owners_grant() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.shared(ana, bo, Edit).await;
    let before = store.access_version(document).await;

    for (actor, target) in [(bo, cy), (bo, bo), (cy, cy), (UserId::new(), cy)] {
        let granted = store.grant_access(actor, document, target, View).await;
        assert!(matches!(granted, Err(StoreError::Denied)));
    }
    let nowhere = store.grant_access(ana, DocumentId::new(), bo, View).await;
    assert!(matches!(nowhere, Err(StoreError::Denied)));
    assert_eq!(store.levels(document).await, [(bo, Edit)]);
    assert_eq!(store.access_version(document).await, before);

    store.grant_access(ana, document, bo, Owner).await.unwrap();
    store.grant_access(bo, document, cy, View).await.unwrap();
    assert_eq!(store.access_level(cy, document).await.unwrap(), Some(View));
}

#[tokio::test]
async fn nobody_is_granted_access_who_is_not_there_or_has_it_all() {
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
    assert_eq!(store.access_level(ana, document).await.unwrap(), Some(Owner));
}

#[tokio::test]
async fn revoking_says_whether_there_was_access() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let before = store.access_version(document).await;

    assert!(store.revoke_access(ana, document, bo).await.unwrap());
    assert_eq!(store.access_level(bo, document).await.unwrap(), None);
    assert!(!store.revoke_access(ana, document, bo).await.unwrap());
    assert!(!store.revoke_access(ana, document, UserId::new()).await.unwrap());

    assert_eq!(store.access_version(document).await, before + 1);
}

#[tokio::test]
async fn a_collaborator_may_leave_and_send_nobody_else_away() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.shared(ana, bo, View).await;
    store.grant_access(ana, document, cy, Edit).await.unwrap();

    for (actor, target) in [(bo, cy), (cy, bo), (bo, ana), (UserId::new(), bo)] {
        let revoked = store.revoke_access(actor, document, target).await;
        assert!(matches!(revoked, Err(StoreError::Denied)));
    }
    assert!(store.revoke_access(bo, document, bo).await.unwrap());

    assert_eq!(store.levels(document).await, [(cy, Edit)]);
    let again = store.revoke_access(bo, document, bo).await;
    assert!(matches!(again, Err(StoreError::Denied)), "he is a stranger now");
}
