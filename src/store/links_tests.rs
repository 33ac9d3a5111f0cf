//! Revoking links.

use super::*;
use crate::store::{LinkKey, test_store::TestStore};

const SECRET: LinkSecretHash = [7; 32];

fn new_link() -> NewLink {
    NewLink {
        kind: LinkKind::Secret,
        secret: Some(SECRET),
        level: AccessLevel::Edit,
        uses: None,
        max_guests: 0,
        ends_at: None,
    }
}

#[tokio::test]
async fn a_revocation_that_was_interrupted_is_continued_by_another_call() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let link = store.create_link(ana, document, new_link()).await.unwrap().id;
    store.open_link(bo, LinkKey::Secret(SECRET)).await.unwrap();
    for _ in 0..2 {
        assert!(store.revoke_link(ana, document, link).await.unwrap());
        assert!(store.open_link(bo, LinkKey::Secret(SECRET)).await.is_err());
    }
    let changed = store.end_some_of_link(link).await.unwrap().unwrap();
    assert_eq!((changed[0].user, changed[0].access.level), (bo, None));
    assert!(store.end_some_of_link(link).await.unwrap().is_none());
    assert!(!store.revoke_link(ana, document, link).await.unwrap());
}
