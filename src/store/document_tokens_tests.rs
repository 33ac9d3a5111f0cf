use chrono::TimeDelta;

use super::*;
use crate::{
    domain::AccessLevel::Edit,
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
        sign_in: SignInId::new(),
        application: "wiki".to_owned(),
        key_id: "one".to_owned(),
        user,
        levels: BTreeMap::from([(document, Edit)]),
        expires_at: Utc::now() + TimeDelta::hours(1),
        kept_until: Utc::now() + TimeDelta::hours(2),
    }
}

#[tokio::test]
async fn a_token_that_was_ended_cannot_be_used() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let (used, unused) = (token(bo, document), token(bo, document));
    assert_eq!(store.note_document_token(&used).await.unwrap(), DocumentTokenState::Valid);
    assert_eq!(store.note_document_token(&used).await.unwrap(), DocumentTokenState::Valid);
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), Some(Edit));

    let kept_until = Utc::now() + TimeDelta::hours(2);
    let ended = store.end_document_token("wiki", used.sign_in, kept_until).await.unwrap();
    assert_eq!(ended.map(|ended| ended.user), Some(bo));
    let ended = store.end_document_token("wiki", unused.sign_in, kept_until).await.unwrap();
    assert_eq!(ended, None);
    for token in [&used, &unused] {
        assert_eq!(store.note_document_token(token).await.unwrap(), DocumentTokenState::Ended);
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
    assert_eq!(listed.iter().map(|token| token.sign_in).collect::<Vec<_>>(), [token.sign_in]);

    store.mark_document_token(token.sign_in).await.unwrap();
    assert_eq!(store.list_tokens_of_removed_keys().await.unwrap(), []);
    assert_eq!(store.register_application_key(key("one")).await.unwrap(), RegisterOutcome::IdTaken);
}
