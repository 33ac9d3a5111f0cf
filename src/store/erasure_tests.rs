//! The deletion of accounts.

use super::*;
use crate::{
    domain::{
        AccessLevel::{Edit, View},
        DisplayName, EditId, Fingerprint, OutsideSubject, SignIn, TokenIssuer, Version,
        VersionName,
        examples::sign_in,
    },
    store::{
        AcceptedAddress, NewNamedVersion, NewReceipt, OutsideProfile, Quotas,
        test_store::{TestStore, address, batch, edited, new_account},
    },
};

impl TestStore {
    async fn begin_deletion(
        &self,
        user: UserId,
        receiver: Option<UserId>,
        by: ErasedBy,
    ) -> Erasure {
        self.begin_erasure(user, receiver, by).await.unwrap().1
    }

    /// Carries a deletion out as a command does.
    async fn finish_deletion(&self, mut erasure: Erasure) {
        loop {
            match erasure.step().await.unwrap() {
                ErasureStep::Changed(_) => {}
                ErasureStep::Delete(document) => {
                    self.delete_document(erasure.user(), document).await.unwrap();
                }
                ErasureStep::Ended => return,
            }
        }
    }

    async fn authors(&self, document: DocumentId) -> Vec<Option<UserId>> {
        let page = self.list_history(document, None, 100).await.unwrap();
        page.entries.iter().map(|entry| entry.author.as_ref().map(|author| author.id)).collect()
    }
}

fn refused(outcome: Result<(EndedSignIns, Erasure), StoreError>) -> HandOverRefused {
    match outcome.map(|_begun| ()) {
        Err(StoreError::HandOver(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deleted_account_leaves_no_documents_access_or_authorship() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let own = store.shared(ana, bo, Edit).await;
    let others = store.shared(bo, ana, Edit).await;
    store.change(others, edited(ana, "by ana")).await.unwrap();
    store.change(others, edited(bo, "by bo")).await.unwrap();
    let receipt = NewReceipt {
        author: ana,
        edit: EditId::new("name").unwrap(),
        fingerprint: Fingerprint([0; 16]),
        version: Version::new(3),
        title: "Plan".into(),
    };
    let receipts = Batch { receipts: vec![receipt], ..batch(others, 3, vec![]) };
    store.commit(receipts).await.unwrap();
    let named = NewNamedVersion {
        actor: ana,
        document: others,
        version: Version::FIRST,
        at: None,
        name: VersionName::new("Draft").unwrap(),
        state: b"one".to_vec(),
    };
    store.name_version(named).await.unwrap();

    let erasure = store.begin_deletion(ana, None, ErasedBy::Themselves).await;
    store.finish_deletion(erasure).await;

    assert!(store.find_account(ana).await.unwrap().is_none());
    let any = AcceptedAddress::Any;
    let by_email = store.find_account_by_email(&address("ana@example.org"), any).await.unwrap();
    assert!(by_email.is_none());
    assert!(store.find_document(bo, own).await.unwrap().is_none());
    assert!(
        store
            .find_deletion(own)
            .await
            .unwrap()
            .is_some_and(|change| { change.author.is_none() && change.title.is_empty() })
    );
    assert!(store.list_collaborators([others]).await.unwrap().is_empty());
    assert_eq!(store.authors(others).await, [Some(bo), None, Some(bo)]);
    let named = &store.list_named_versions([others]).await.unwrap()[&others];
    assert_eq!((&*named[0].name, named[0].named_by), ("Draft", None));
    let name = EditId::new("name").unwrap();
    assert!(store.find_receipt(others, ana, &name).await.is_none());
    let listed = store.list_accounts(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|listed| listed.account.id).collect::<Vec<_>>(), [bo]);
    // The address is free again.
    let again = new_account("ana", "ana@example.org");
    assert_ne!(store.create_account(again, Party::Node).await.unwrap().id, ana);
}

#[tokio::test]
async fn a_deleted_account_hands_its_documents_over() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (shared, private) = (store.shared(ana, bo, View).await, store.document(ana).await.id);
    store.change(private, edited(ana, "text")).await.unwrap();

    let own = store.begin_erasure(ana, Some(bo), ErasedBy::Themselves).await;
    assert_eq!(refused(own), HandOverRefused::GrantsMissing { documents: 1 });
    assert!(store.find_erasure(ana).await.unwrap().is_none(), "nothing has changed");
    let erasure = store.begin_deletion(ana, Some(bo), ErasedBy::Operator).await;
    store.finish_deletion(erasure).await;

    for document in [shared, private] {
        assert_eq!(store.find_owner(document).await.unwrap(), Some(bo));
        assert!(store.authors(document).await.iter().all(Option::is_none));
        assert!(store.list_collaborators([document]).await.unwrap().is_empty());
    }
    assert_eq!(store.load_usage(bo).await.unwrap().documents, 2);
}

#[tokio::test]
async fn the_receiver_of_a_users_documents_must_have_room_for_all() {
    let quotas = Quotas { documents_per_user: 2, ..Quotas::default() };
    let store = TestStore::with_options(|options| options.quotas = quotas).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    store.shared(ana, bo, View).await;
    store.shared(ana, bo, View).await;
    store.document(bo).await;

    let own = store.begin_erasure(ana, Some(bo), ErasedBy::Themselves).await;
    assert!(matches!(refused(own), HandOverRefused::OverQuota(_)));
    let erasure = store.begin_deletion(ana, Some(bo), ErasedBy::Operator).await;
    store.finish_deletion(erasure).await;
    assert_eq!(store.load_usage(bo).await.unwrap().documents, 3);
}

#[tokio::test]
async fn an_account_that_is_being_deleted_gets_nothing_new() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(bo).await.id;
    let _erasure = store.begin_deletion(ana, None, ErasedBy::Themselves).await;

    let standing = store.find_standing(ana, &sign_in(0)).await.unwrap().unwrap();
    assert!(standing.is_deleted && standing.is_signed_out);
    assert!(store.find_credentials(&address("ana@example.org")).await.unwrap().is_none());
    let title = crate::store::test_store::title("New");
    let created = store.create_document(ana, title, 0, vec![]).await;
    assert!(matches!(created, Err(StoreError::NoSuchUser)));
    let granted = store.grant_access(bo, document, ana, Edit).await;
    assert!(matches!(granted, Err(StoreError::NoSuchUser)));
    let received = store.transfer_document(bo, document, ana).await;
    assert!(matches!(received, Err(StoreError::NoSuchUser)));
    assert!(matches!(store.unblock(ana).await, Err(StoreError::NoSuchUser)));
    assert!(store.find_rules_version(ana, document).await.unwrap().is_none());
    let twice = store.begin_erasure(ana, None, ErasedBy::Operator).await;
    assert_eq!(refused(twice), HandOverRefused::BeingDeleted);
    let to_ana = store.begin_erasure(bo, Some(ana), ErasedBy::Operator).await;
    assert!(matches!(to_ana.map(|_begun| ()), Err(StoreError::NoSuchUser)));
}

#[tokio::test]
async fn the_receiver_of_documents_is_not_deleted_before_it_has_them() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let first = store.begin_deletion(ana, Some(bo), ErasedBy::Operator).await;
    let early = store.begin_erasure(bo, None, ErasedBy::Operator).await;
    assert_eq!(refused(early), HandOverRefused::IsReceiver);
    store.finish_deletion(first).await;
    let second = store.begin_deletion(bo, None, ErasedBy::Operator).await;
    store.finish_deletion(second).await;
    assert_eq!(store.find_owner(document).await.unwrap(), None);
}

#[tokio::test]
async fn another_node_takes_over_a_deletion_that_was_interrupted() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let documents = [store.document(ana).await.id, store.document(ana).await.id];
    let mut interrupted = store.begin_deletion(ana, Some(bo), ErasedBy::Operator).await;
    interrupted.step().await.unwrap();
    drop(interrupted);

    let now = Utc::now();
    assert!(store.take_stalled_erasure(now).await.unwrap().is_none());
    let later = now + STALLED_AFTER * 2;
    let taken = store.take_stalled_erasure(later).await.unwrap().unwrap();
    assert_eq!((taken.user(), taken.receiver()), (ana, Some(bo)));
    store.leave_erasure(taken).await.unwrap();
    let taken = store.take_stalled_erasure(Utc::now()).await.unwrap().unwrap();
    store.finish_deletion(taken).await;

    for document in documents {
        assert_eq!(store.find_owner(document).await.unwrap(), Some(bo));
    }
    assert!(store.take_stalled_erasure(later).await.unwrap().is_none());
    assert!(store.find_erasure(ana).await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_of_an_issuer_gets_a_new_account_with_a_newer_token() {
    let store = TestStore::new().await;
    let subject = OutsideSubject::new("https://login.example.org".into(), "ana").unwrap();
    let profile = OutsideProfile {
        name: Some(DisplayName::new("Ana").unwrap()),
        email: Some(address("ana@example.org")),
    };
    let before = Utc::now() - TimeDelta::seconds(10);
    let first = store.enrol_outside_user(&subject, &profile, before).await.unwrap();
    let erasure = store.begin_deletion(first.user, None, ErasedBy::Themselves).await;
    store.finish_deletion(erasure).await;

    let of_issuer = |issued_at| SignIn {
        issued_by: TokenIssuer::Outside,
        generation: None,
        issued_at: Some(issued_at),
        ..sign_in(0)
    };
    // A token from before still leads to the account, which refuses it.
    let known = store.find_outside_user(&subject).await.unwrap().unwrap();
    assert_eq!((known.user, known.profile), (first.user, OutsideProfile::default()));
    let old = store.find_standing(first.user, &of_issuer(before)).await.unwrap().unwrap();
    assert!(old.is_deleted && old.is_signed_out);
    let later = Utc::now() + TimeDelta::seconds(10);
    let new = store.find_standing(first.user, &of_issuer(later)).await.unwrap().unwrap();
    assert!(new.is_deleted && !new.is_signed_out);
    // What it says is not stored in the row of the deleted account.
    store.update_outside_user(&subject, &first, &profile, later).await.unwrap();
    let confirmed = AcceptedAddress::Confirmed;
    let owner = store.find_account_by_email(&address("ana@example.org"), confirmed).await.unwrap();
    assert!(owner.is_none());

    let again = store.enrol_outside_user_again(&subject, &profile, later, first.user).await;
    let again = again.unwrap();
    assert_ne!(again.user, first.user);
    let twice = store.enrol_outside_user_again(&subject, &profile, later, first.user).await;
    assert_eq!(twice.unwrap(), again);
    assert_eq!(store.find_outside_user(&subject).await.unwrap().unwrap().user, again.user);

    let erasure = store.begin_deletion(again.user, None, ErasedBy::Themselves).await;
    store.finish_deletion(erasure).await;
    assert_eq!(store.forget_erased_identities(before).await.unwrap(), 0);
    assert_eq!(store.forget_erased_identities(later).await.unwrap(), 1);
    assert!(store.find_outside_user(&subject).await.unwrap().is_none());
}
