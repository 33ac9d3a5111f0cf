//! Handing documents over.

use super::*;
use crate::{
    domain::AccessLevel::{Edit, Owner, View},
    store::{
        Quotas,
        test_store::{TestStore, edited},
    },
};

fn refused(error: &StoreError) -> HandOverRefused {
    match error {
        StoreError::HandOver(refused) => *refused,
        error => panic!("{error:?}"),
    }
}

async fn usage(store: &TestStore, user: UserId) -> (u64, u64) {
    let usage = store.load_usage(user).await.unwrap();
    (usage.documents, usage.bytes)
}

#[tokio::test]
async fn a_document_is_handed_over_and_its_former_owner_may_leave() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, View).await;
    store.change(document, edited(ana, "text")).await.unwrap();
    let before = usage(&store, ana).await;

    let changes = store.transfer_document(ana, document, bo).await.unwrap();

    let levels: Vec<_> = changes.iter().map(|change| (change.user, change.access.level)).collect();
    assert!(levels.contains(&(ana, Some(Owner))) && levels.contains(&(bo, Some(Owner))));
    let version = changes[0].access.access_version;
    assert_eq!(
        store.find_access(bo, document).await.unwrap().map(|(_, at)| Some(at)),
        Some(version)
    );
    assert_eq!((usage(&store, ana).await, usage(&store, bo).await), ((0, 0), before));
    assert_eq!(store.find_owner(document).await.unwrap(), Some(bo));
    let collaborators = store.list_collaborators([document]).await.unwrap();
    let collaborators = collaborators[&document].iter().map(|one| (one.user.id, one.ends_at));
    assert_eq!(collaborators.collect::<Vec<_>>(), [(ana, None)]);
    // The history still says who created it.
    let history = store.list_history(document, None, 10).await.unwrap();
    let first = history.entries.last().unwrap();
    assert_eq!(first.author.as_ref().map(|author| author.id), Some(ana));

    store.revoke_access(ana, document, ana).await.unwrap();
    assert_eq!(store.find_access_level(ana, document).await.unwrap(), None);
    assert!(store.revoke_access(bo, document, bo).await.is_err());
}

#[tokio::test]
async fn a_document_can_be_handed_back() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.transfer_document(ana, document, bo).await.unwrap();
    store.transfer_document(bo, document, ana).await.unwrap();
    assert_eq!(store.find_owner(document).await.unwrap(), Some(ana));
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), Some(Owner));
}

#[tokio::test]
async fn only_the_owner_hands_over_and_only_to_a_user_with_a_grant() {
    let store = TestStore::new().await;
    let (ana, bo, eve) = (store.user("ana").await, store.user("bo").await, store.user("eve").await);
    let document = store.shared(ana, bo, Owner).await;
    let transfer = async |from, to| store.transfer_document(from, document, to).await.unwrap_err();

    assert_eq!(refused(&transfer(bo, bo).await), HandOverRefused::NotOwner);
    assert_eq!(refused(&transfer(ana, eve).await), HandOverRefused::NoGrant);
    assert_eq!(refused(&transfer(ana, ana).await), HandOverRefused::OwnsAlready);
    assert!(matches!(transfer(ana, UserId::new()).await, StoreError::NoSuchUser));
    let ends_at = Some(Utc::now() - chrono::TimeDelta::seconds(1));
    let ended = crate::store::Grant { level: View, ends_at };
    store.grant_access(ana, document, eve, ended).await.unwrap();
    assert_eq!(refused(&transfer(ana, eve).await), HandOverRefused::NoGrant);
    let missing = store.transfer_document(ana, DocumentId::new(), bo).await.unwrap_err();
    assert!(matches!(missing, StoreError::Denied));
    assert_eq!(store.find_owner(document).await.unwrap(), Some(ana));
}

#[tokio::test]
async fn the_receiver_must_have_room_for_the_document() {
    let quotas = Quotas { documents_per_user: 2, bytes_per_user: 20_000, ..Quotas::default() };
    let store = TestStore::with_options(|options| options.quotas = quotas).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let large = store.document(bo).await.id;
    store.change(large, edited(bo, &"x".repeat(9_000))).await.unwrap();
    store.change(document, edited(ana, &"x".repeat(5_000))).await.unwrap();

    let error = store.transfer_document(ana, document, bo).await.unwrap_err();
    assert_eq!(refused(&error), HandOverRefused::OverQuota(QuotaKind::Bytes));
    store.delete_document(bo, large).await.unwrap();
    store.purge(bo, large).await.unwrap();
    let one = store.document(bo).await.id;
    store.document(bo).await;
    let error = store.transfer_document(ana, document, bo).await.unwrap_err();
    assert_eq!(refused(&error), HandOverRefused::OverQuota(QuotaKind::Documents));
    store.delete_document(bo, one).await.unwrap();
    store.purge(bo, one).await.unwrap();
    store.transfer_document(ana, document, bo).await.unwrap();

    // From then on the document counts for its new owner.
    let exceeded = store.change(document, edited(ana, &"x".repeat(9_000))).await;
    assert!(matches!(exceeded, Err(crate::store::CommitError::OverQuota(_))));
    store.document(ana).await;
}
