//! The accounts of users of outside issuers.

use std::collections::HashSet;

use super::{super::AcceptedAddress, *};
use crate::store::test_store::{TestStore, address, display_name, new_account};

fn subject(name: &str) -> OutsideSubject {
    OutsideSubject::new("https://login.example.org".into(), name).unwrap()
}

fn profile(name: &str, email: Option<&str>) -> OutsideProfile {
    OutsideProfile { name: Some(display_name(name)), email: email.map(address) }
}

fn noon() -> DateTime<Utc> {
    "2031-05-17T12:00:00Z".parse().unwrap()
}

async fn owner_of(store: &Store, email: &str) -> Option<UserId> {
    let found = store.find_account_by_email(&address(email), AcceptedAddress::Confirmed).await;
    found.unwrap().map(|account| account.id)
}

#[tokio::test]
async fn a_user_of_an_issuer_has_one_account() {
    let store = TestStore::new().await;
    let ana = subject("ana");
    assert_eq!(store.find_outside_user(&ana).await.unwrap(), None);

    let said = profile("Ana", Some("ana@example.org"));
    let enrolled = store.enrol_outside_user(&ana, &said, noon()).await.unwrap();

    assert_eq!(store.enrol_outside_user(&ana, &said, noon()).await.unwrap(), enrolled);
    assert_eq!(store.find_outside_user(&ana).await.unwrap(), Some(enrolled.clone()));
    let account = store.find_account(enrolled.user).await.unwrap().unwrap();
    assert_eq!((&*account.name, &*account.email), ("Ana", "ana@example.org"));
    assert_eq!(owner_of(&store, "ana@example.org").await, Some(enrolled.user));
    // It has no password, and no address to sign in with.
    assert!(store.find_credentials(&address("ana@example.org")).await.unwrap().is_none());
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_is_another_user() {
    let store = TestStore::new().await;
    let here =
        store.enrol_outside_user(&subject("ana"), &profile("Ana", None), noon()).await.unwrap();
    let elsewhere = OutsideSubject::new("https://other.example.org".into(), "ana").unwrap();
    assert_eq!(store.find_outside_user(&elsewhere).await.unwrap(), None);
    let there = store.enrol_outside_user(&elsewhere, &profile("Ana", None), noon()).await.unwrap();
    assert_ne!(here.user, there.user);
    assert_eq!(store.find_outside_user(&subject("ANA")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_enrolments_create_one_account() {
    let store = TestStore::new().await;
    let enrol = || {
        let store = Store::clone(&store);
        tokio::spawn(async move {
            let said = profile("Ana", Some("ana@example.org"));
            store.enrol_outside_user(&subject("ana"), &said, noon()).await
        })
    };
    let (first, second, third) = (enrol(), enrol(), enrol());
    let mut users = HashSet::new();
    for enrolled in [first, second, third] {
        users.insert(enrolled.await.unwrap().unwrap().user);
    }
    assert_eq!(users.len(), 1);
}

#[tokio::test]
async fn a_new_name_and_a_new_address_replace_the_old_ones() {
    let store = TestStore::new().await;
    let ana = subject("ana");
    let first = profile("Ana", Some("ana@example.org"));
    let known = store.enrol_outside_user(&ana, &first, noon()).await.unwrap();

    // A token need not repeat everything.
    let name_only = profile("Anna", None);
    let known = store.update_outside_user(&ana, &known, &name_only, noon()).await.unwrap();
    let email_only = OutsideProfile { name: None, email: Some(address("anna@example.org")) };
    let known = store.update_outside_user(&ana, &known, &email_only, noon()).await.unwrap();

    assert_eq!(known.profile, profile("Anna", Some("anna@example.org")));
    assert_eq!(store.find_outside_user(&ana).await.unwrap(), Some(known.clone()));
    let account = store.find_account(known.user).await.unwrap().unwrap();
    assert_eq!((&*account.name, &*account.email), ("Anna", "anna@example.org"));
    assert_eq!(owner_of(&store, "ana@example.org").await, None);
}

#[tokio::test]
async fn a_verified_address_is_not_that_of_one_who_only_claims_it() {
    let store = TestStore::new().await;
    let squatter = new_account("Sly", "ana@example.org");
    let squatter = store.create_account(squatter, Party::Node).await.unwrap().id;
    assert_eq!(owner_of(&store, "ana@example.org").await, None);

    let said = profile("Ana", Some("ana@example.org"));
    let ana = store.enrol_outside_user(&subject("ana"), &said, noon()).await.unwrap().user;

    assert_eq!(owner_of(&store, "ana@example.org").await, Some(ana));
    let any = store.find_account_by_email(&address("ana@example.org"), AcceptedAddress::Any).await;
    assert_eq!(any.unwrap().map(|account| account.id), Some(ana));
    // They sign in as before, but nobody finds them by the address.
    let credentials = store.find_credentials(&address("ana@example.org")).await.unwrap().unwrap();
    assert_eq!(credentials.account.id, squatter);
}

#[tokio::test]
async fn an_address_that_was_verified_for_another_user_changes_hands() {
    let store = TestStore::new().await;
    let said = profile("Ana", Some("team@example.org"));
    let ana = store.enrol_outside_user(&subject("ana"), &said, noon()).await.unwrap();
    let bo = store.enrol_outside_user(&subject("bo"), &profile("Bo", None), noon()).await.unwrap();

    let verified = OutsideProfile { name: None, email: Some(address("team@example.org")) };
    let bo = store.update_outside_user(&subject("bo"), &bo, &verified, noon()).await.unwrap();

    assert_eq!(owner_of(&store, "team@example.org").await, Some(bo.user));
    let account = store.find_account(ana.user).await.unwrap().unwrap();
    assert!(account.email.ends_with("@enrolled.invalid"), "{}", account.email);
}

#[tokio::test]
async fn a_user_without_a_name_is_named_by_their_id() {
    let store = TestStore::new().await;
    let said = OutsideProfile::default();
    let user = store.enrol_outside_user(&subject("x"), &said, noon()).await.unwrap().user;
    assert_eq!(&*store.find_account(user).await.unwrap().unwrap().name, user.to_string());
}
