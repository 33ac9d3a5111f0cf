//! The end of sign-ins.

use super::*;
use crate::{
    domain::{TokenIssuer, examples::sign_in},
    store::test_store::{TestStore, address},
};

fn of_issuer(issued_at: DateTime<Utc>) -> SignIn {
    let issued_at = Some(issued_at);
    SignIn { issued_by: TokenIssuer::Outside, generation: None, issued_at, ..sign_in(0) }
}

/// Returns whether the user is blocked, and whether the sign-in has ended.
async fn standing(store: &Store, user: UserId, sign_in: &SignIn) -> (bool, bool) {
    let standing = store.find_standing(user, sign_in).await.unwrap().unwrap();
    (standing.is_blocked, standing.is_signed_out)
}

#[tokio::test]
async fn a_sign_in_ends_alone() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (here, there) = (sign_in(0), sign_in(0));

    store.end_sign_in(ana, here.id, Utc::now()).await.unwrap();
    store.end_sign_in(ana, here.id, Utc::now()).await.unwrap();

    assert_eq!(standing(&store, ana, &here).await, (false, true));
    assert_eq!(standing(&store, ana, &there).await, (false, false));
    // The name of a sign-in is that of one user.
    assert_eq!(standing(&store, bo, &here).await, (false, false));
    let ended = store.list_ended_sign_ins(Duration::from_secs(60)).await.unwrap();
    assert_eq!(ended, [SignInEnd { user: ana, ended: EndedSignIns::One(here.id) }]);
}

#[tokio::test]
async fn all_sign_ins_end_and_later_ones_are_valid() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let before = of_issuer(Utc::now());

    let ended = store.end_all_sign_ins(ana).await.unwrap();

    let EndedSignIns::All { generation: 1, at } = ended else { panic!("{ended:?}") };
    assert_eq!(standing(&store, ana, &sign_in(0)).await, (false, true));
    assert_eq!(standing(&store, ana, &sign_in(1)).await, (false, false));
    assert_eq!(standing(&store, ana, &before).await, (false, true));
    let after = of_issuer(at + TimeDelta::seconds(1));
    assert_eq!(standing(&store, ana, &after).await, (false, false));
    assert_eq!(standing(&store, bo, &sign_in(0)).await, (false, false));
    assert_eq!(store.find_account(ana).await.unwrap().unwrap().generation, 1);
    let listed = store.list_ended_sign_ins(Duration::from_secs(60)).await.unwrap();
    assert_eq!(listed, [SignInEnd { user: ana, ended }]);
    assert!(store.list_ended_sign_ins(Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_password_ends_all_sign_ins() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let late = store.change_password(ana, "another hash", "newer hash".to_owned()).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(standing(&store, ana, &sign_in(0)).await, (false, false));
    assert!(store.change_password(ana, "hash", "new hash".to_owned()).await.unwrap().is_some());
    assert_eq!(standing(&store, ana, &sign_in(0)).await, (false, true));
    let credentials = store.find_credentials(&address("ana@example.org")).await.unwrap().unwrap();
    assert_eq!(credentials.password_hash.as_deref(), Some("new hash"));
}

#[tokio::test]
async fn a_blocked_account_can_be_used_again_after_another_sign_in() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    store.block(ana).await.unwrap();
    assert_eq!(standing(&store, ana, &sign_in(0)).await, (true, true));
    assert_eq!(standing(&store, ana, &sign_in(1)).await, (true, false));
    store.unblock(ana).await.unwrap();
    assert_eq!(standing(&store, ana, &sign_in(0)).await, (false, true));
    assert_eq!(standing(&store, ana, &sign_in(1)).await, (false, false));
}

#[tokio::test]
async fn an_unknown_user_has_no_standing() {
    let store = TestStore::new().await;
    let nobody = UserId::new();
    assert!(store.find_standing(nobody, &sign_in(0)).await.unwrap().is_none());
    assert!(matches!(store.end_all_sign_ins(nobody).await, Err(StoreError::NoSuchUser)));
    assert!(matches!(store.unblock(nobody).await, Err(StoreError::NoSuchUser)));
}

#[tokio::test]
async fn sign_ins_that_ended_long_ago_are_forgotten() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let ended = sign_in(0);
    store.end_sign_in(ana, ended.id, Utc::now()).await.unwrap();
    let hour = TimeDelta::hours(1);
    assert_eq!(store.forget_ended_sign_ins(Utc::now() - hour).await.unwrap(), 0);
    assert_eq!(standing(&store, ana, &ended).await, (false, true));
    assert_eq!(store.forget_ended_sign_ins(Utc::now() + hour).await.unwrap(), 1);
    assert_eq!(store.forget_ended_sign_ins(Utc::now() + hour).await.unwrap(), 0);
}
