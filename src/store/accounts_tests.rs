//! Accounts, and the enrolment of users of an external identity provider.

use entity::user;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set};

use super::{
    AcceptedAddress, StoreError,
    test_store::{TestStore, address, display_name, new_account},
};
use crate::domain::{DisplayName, Party, UserId};

#[tokio::test]
async fn an_account_is_found_by_id_and_by_address() {
    let store = TestStore::new().await;

    let ana = store
        .create_account(new_account("Ana Ñandú 🦤", "Ana@Example.org"), Party::Node)
        .await
        .unwrap();

    assert_eq!((&*ana.name, &*ana.email), ("Ana Ñandú 🦤", "ana@example.org"));
    assert_eq!(store.find_account(ana.id).await.unwrap().as_ref(), Some(&ana));
    let by_email = store
        .find_account_by_email(&address("ANA@example.ORG"), AcceptedAddress::Any)
        .await
        .unwrap();
    assert_eq!(by_email.as_ref(), Some(&ana));
    assert_eq!(store.find_account(UserId::new()).await.unwrap(), None);
    assert_eq!(
        store
            .find_account_by_email(&address("bo@example.org"), AcceptedAddress::Any)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_name_that_would_be_refused_today_is_read_as_it_is() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let name = "Ana\u{202e}\u{200b}";
    assert!(DisplayName::new(name).is_err());

    let row =
        user::ActiveModel { id: Set(ana.uuid()), name: Set(name.to_owned()), ..Default::default() };
    row.update(&store.statements).await.unwrap();

    assert_eq!(&*store.find_account(ana).await.unwrap().unwrap().name, name);
    assert_eq!(&*store.load_users([ana]).await.unwrap()[&ana].name, name);
}

#[tokio::test]
async fn credentials_contain_the_hash_but_do_not_print_it() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;

    let credentials = store.find_credentials(&address("ana@example.org")).await.unwrap().unwrap();

    assert_eq!(credentials.account.id, ana);
    assert_eq!(credentials.password_hash.as_deref(), Some("hash"));
    assert!(!format!("{credentials:?}").contains("hash"));
    assert!(store.find_credentials(&address("bo@example.org")).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    let store = TestStore::new().await;
    store.user("ana").await;

    let again = store.create_account(new_account("Other", "ANA@example.org"), Party::Node).await;
    assert!(matches!(again, Err(StoreError::EmailTaken)));
    let placeholder =
        store.create_account(new_account("Sly", "x@enrolled.invalid"), Party::Node).await;
    assert!(
        matches!(placeholder, Err(StoreError::EmailTaken)),
        "the domain of placeholders is reserved"
    );
}

#[tokio::test]
async fn an_address_is_found_however_its_domain_is_spelled() {
    let store = TestStore::new().await;
    let (letters, ascii) = ("ana@münchen.de", "ana@xn--mnchen-3ya.de");
    let ana = store.create_account(new_account("Ana", ascii), Party::Node).await.unwrap();
    assert_eq!(ana.email, letters);
    let again = store.create_account(new_account("Sly", letters), Party::Node).await;
    assert!(matches!(again, Err(StoreError::EmailTaken)));

    // As it was stored before domains had one form.
    let row = user::ActiveModel {
        id: Set(ana.id.uuid()),
        email: Set(ascii.to_owned()),
        ..Default::default()
    };
    row.update(&store.statements).await.unwrap();
    for spelling in [letters, ascii, "Ana@MÜNCHEN.de"] {
        let found = store.find_credentials(&address(spelling)).await.unwrap().unwrap();
        assert_eq!(found.account.id, ana.id, "{spelling}");
        let again = store.create_account(new_account("Sly", spelling), Party::Node).await;
        assert!(matches!(again, Err(StoreError::EmailTaken)), "{spelling}");
        let id = UserId::new();
        let enrolled = store.enrol(id, display_name("Sly"), Some(address(spelling))).await.unwrap();
        assert_eq!(enrolled.email, format!("{id}@enrolled.invalid"), "{spelling}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_concurrent_registrations_of_an_address_one_succeeds() {
    let store = TestStore::new().await;
    let register = |name: &'static str| {
        let store = super::Store::clone(&store);
        tokio::spawn(async move {
            store.create_account(new_account(name, "we@example.org"), Party::Node).await
        })
    };

    let (one, other) = (register("one"), register("other"));

    let outcomes = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(StoreError::EmailTaken))));
}

#[tokio::test]
async fn enrolling_twice_creates_one_account_and_leaves_it_unchanged() {
    let store = TestStore::new().await;
    let id = UserId::new();
    let email = address("ana@example.org");

    let first = store.enrol(id, display_name("Ana"), Some(email.clone())).await.unwrap();
    let second = store.enrol(id, display_name("Anna"), None).await.unwrap();

    assert_eq!((first.id, &*first.name, &*first.email), (id, "Ana", "ana@example.org"));
    assert_eq!(first, second);
    let credentials = store.find_credentials(&email).await.unwrap().unwrap();
    assert_eq!(credentials.password_hash, None);
}

#[tokio::test]
async fn an_enrolled_user_without_an_address_of_their_own_gets_a_placeholder() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    for email in [None, Some(address("ana@example.org")), Some(address("x@enrolled.invalid"))] {
        let id = UserId::new();
        let account = store.enrol(id, display_name("Ana"), email).await.unwrap();
        assert_eq!(account.email, format!("{id}@enrolled.invalid"));
        assert_eq!(store.find_account(id).await.unwrap(), Some(account));
    }
    let owner_of_address = store
        .find_account_by_email(&address("ana@example.org"), AcceptedAddress::Any)
        .await
        .unwrap();
    assert_eq!(owner_of_address.map(|account| account.id), Some(ana));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_enrolments_of_a_user_return_the_same_account() {
    let store = TestStore::new().await;
    let id = UserId::new();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = super::Store::clone(&store);
            let email = address(&format!("ana{}@example.org", number % 3));
            tokio::spawn(async move { store.enrol(id, display_name("Ana"), Some(email)).await })
        })
        .collect();

    let mut accounts = Vec::new();
    for task in tasks {
        accounts.push(task.await.unwrap().unwrap());
    }

    assert!(accounts.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn loading_many_users_leaves_out_unknown_ids() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let unknown = std::iter::repeat_with(UserId::new).take(40_000);

    let users = store.load_users(unknown.chain([ana, bo, ana])).await.unwrap();

    assert_eq!(users.len(), 2);
    assert_eq!(&*users[&ana].name, "ana");
    assert_eq!(&*users[&bo].name, "bo");
    assert!(store.load_users([]).await.unwrap().is_empty());
}
