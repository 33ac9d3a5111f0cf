use chrono::TimeDelta;

use super::*;
use crate::{
    domain::{AccessLevel::Edit, TokenIssuer},
    store::{ApplicationKey, RegisterOutcome, test_store::TestStore},
};

fn key(id: &str) -> ApplicationKey {
    ApplicationKey {
        id: id.to_owned(),
        application: "wiki".to_owned(),
        key: "{}".to_owned(),
        created_at: Utc::now(),
    }
}

fn token(user: UserId, document: DocumentId) -> NewDocumentToken {
    NewDocumentToken {
        sign_in: SignIn {
            id: SignInId::new(),
            issued_by: TokenIssuer::Outside,
            generation: None,
            issued_at: Some(Utc::now()),
            began_at: None,
            expires_at: Utc::now() + TimeDelta::hours(1),
        },
        application: "wiki".to_owned(),
        key_id: "one".to_owned(),
        user,
        levels: BTreeMap::from([(document, Edit)]),
        kept_until: Utc::now() + TimeDelta::hours(2),
    }
}

#[tokio::test]
async fn a_token_that_was_ended_cannot_be_used() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let (used, unused) = (token(bo, document), token(bo, document));
    store.register_application_key(key("one")).await.unwrap();
    for changed in [1, 0] {
        let used = store.note_document_token(&used).await.unwrap();
        let DocumentTokenUse::Accepted(changes) = used else { panic!("{used:?}") };
        assert_eq!(changes.len(), changed);
    }
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), Some(Edit));

    let kept_until = Utc::now() + TimeDelta::hours(2);
    let ended = store.end_document_token("wiki", used.sign_in.id, kept_until).await.unwrap();
    assert_eq!(ended.map(|ended| ended.user), Some(bo));
    let ended = store.end_document_token("wiki", unused.sign_in.id, kept_until).await.unwrap();
    assert_eq!(ended, None);
    for token in [&used, &unused] {
        assert_eq!(store.note_document_token(token).await.unwrap(), DocumentTokenUse::Refused);
    }
    assert_eq!(store.forget_document_tokens(Utc::now()).await.unwrap(), 0);
    assert_eq!(store.forget_document_tokens(kept_until + TimeDelta::hours(1)).await.unwrap(), 2);
}

#[tokio::test]
async fn the_tokens_of_a_removed_key_are_listed_until_they_are_marked() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    assert_eq!(
        store.register_application_key(key("one")).await.unwrap(),
        RegisterOutcome::Registered
    );
    assert_eq!(store.register_application_key(key("one")).await.unwrap(), RegisterOutcome::IdTaken);
    let token = token(bo, document);
    store.note_document_token(&token).await.unwrap();
    assert_eq!(store.list_tokens_of_removed_keys().await.unwrap(), []);

    assert!(store.remove_application_key("one").await.unwrap());
    assert!(!store.remove_application_key("one").await.unwrap());
    assert_eq!(store.list_application_keys().await.unwrap(), []);
    let listed = store.list_tokens_of_removed_keys().await.unwrap();
    assert_eq!(listed.iter().map(|token| token.sign_in).collect::<Vec<_>>(), [token.sign_in.id]);

    store.mark_document_token(token.sign_in.id).await.unwrap();
    assert_eq!(store.list_tokens_of_removed_keys().await.unwrap(), []);
    assert_eq!(store.register_application_key(key("one")).await.unwrap(), RegisterOutcome::IdTaken);
}

#[tokio::test]
async fn a_token_grants_nothing_after_its_sign_in_or_its_key_has_ended() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    store.register_application_key(key("one")).await.unwrap();
    let refused = async |token: &NewDocumentToken| {
        let used = store.note_document_token(token).await.unwrap();
        assert_eq!(used, DocumentTokenUse::Refused);
        assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
    };
    let signed_out = token(bo, document);
    store.end_sign_in(bo, signed_out.sign_in.id, signed_out.kept_until).await.unwrap();
    refused(&signed_out).await;

    let early = token(bo, document);
    store.end_all_sign_ins(bo).await.unwrap();
    refused(&early).await;

    let mut late = token(bo, document);
    late.sign_in.issued_at = Some(Utc::now() + TimeDelta::seconds(10));
    store.block(bo).await.unwrap();
    refused(&late).await;
    store.unblock(bo).await.unwrap();
    store.remove_application_key("one").await.unwrap();
    refused(&late).await;
}

#[tokio::test]
async fn an_id_belongs_to_the_token_of_one_user_and_one_key() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    store.register_application_key(key("one")).await.unwrap();
    let first = token(bo, document);
    store.note_document_token(&first).await.unwrap();
    let cy = store.user("cy").await;
    store.register_application_key(key("two")).await.unwrap();
    let of_other_user = NewDocumentToken { user: cy, ..first.clone() };
    let with_other_key = NewDocumentToken { key_id: "two".to_owned(), ..first };
    for other in [of_other_user, with_other_key] {
        let used = store.note_document_token(&other).await.unwrap();
        assert_eq!(used, DocumentTokenUse::Refused);
    }
    assert_eq!(store.find_access_level(cy, document).await.unwrap(), None);
}
