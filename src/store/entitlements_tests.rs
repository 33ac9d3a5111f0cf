use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    domain::AccessLevel::{Edit, Owner, View},
    store::{
        DocumentQuery, Grant,
        test_store::{TestStore, edited},
    },
};

fn soon() -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(1)
}

fn past() -> DateTime<Utc> {
    Utc::now() - TimeDelta::seconds(1)
}

impl TestStore {
    async fn end_due_access(&self, now: DateTime<Utc>) -> Vec<UserAccess> {
        let has_due = self.has_due_access(now).await.unwrap();
        let mut ended = self.end_due_entitlements(now).await.unwrap();
        ended.extend(self.end_due_grants(now).await.unwrap());
        assert_eq!(has_due, !ended.is_empty());
        ended
    }

    async fn token(
        &self,
        user: UserId,
        levels: &[(DocumentId, AccessLevel)],
        ends_at: DateTime<Utc>,
    ) -> SignInId {
        let sign_in = SignInId::new();
        let levels: BTreeMap<_, _> = levels.iter().map(|(id, level)| (*id, Some(*level))).collect();
        let txn = self.begin().await.unwrap();
        set_levels(&txn, user, EntitlementSource::Token(sign_in), &levels, ends_at).await.unwrap();
        txn.commit().await.unwrap();
        sign_in
    }

    async fn level(&self, user: UserId, document: DocumentId) -> Option<AccessLevel> {
        let (_, levels) = self.find_access_levels(document, &[user]).await.unwrap().unwrap();
        let level = levels.get(&user).copied();
        assert_eq!(self.find_access_level(user, document).await.unwrap(), level);
        let found = self.find_document(user, document).await.unwrap();
        assert_eq!(found.map(|(_, level)| level), level);
        let page = self.list_documents(user, DocumentQuery::newest(10)).await.unwrap();
        assert_eq!(page.documents.first().map(|(_, level)| *level), level);
        let stored = self.change(document, edited(user, "x")).await;
        assert_eq!(stored.is_ok(), level.is_some_and(|level| level.allows(Edit)));
        level
    }
}

#[tokio::test]
async fn the_highest_of_all_levels_counts() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;

    let token = store.token(bo, &[(document, Edit)], soon()).await;
    assert_eq!(store.level(bo, document).await, Some(Edit));
    store.grant_access(ana, document, bo, View).await.unwrap();
    assert_eq!(store.level(bo, document).await, Some(Edit));
    let other = store.token(bo, &[(document, Owner)], soon()).await;
    assert_eq!(store.level(bo, document).await, Some(Owner));
    for (ended, left) in [(other, Some(Edit)), (token, Some(View))] {
        let changed = store.end_some_token_entitlements(bo, Some(ended)).await.unwrap().unwrap();
        assert_eq!(changed.iter().map(|change| change.access.level).collect::<Vec<_>>(), [left]);
        assert_eq!(store.level(bo, document).await, left);
    }
    assert_eq!(store.level(ana, document).await, Some(Owner));
}

#[tokio::test]
async fn revoking_a_grant_leaves_what_the_user_is_entitled_to() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.token(bo, &[(document, View)], soon()).await;

    let revoked = store.revoke_access(ana, document, bo).await.unwrap();

    assert_eq!((revoked.had_access, revoked.level), (true, Some(View)));
    assert_eq!(store.level(bo, document).await, Some(View));
    let again = store.revoke_access(ana, document, bo).await.unwrap();
    assert_eq!((again.had_access, again.level), (false, Some(View)));
}

#[tokio::test]
async fn what_has_ended_gives_no_level_and_is_deleted() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.document(ana).await.id;
    store.token(bo, &[(document, Edit)], past()).await;
    store
        .grant_access(ana, document, cy, Grant { level: Edit, ends_at: Some(past()) })
        .await
        .unwrap();
    for user in [bo, cy] {
        assert_eq!(store.level(user, document).await, None);
    }
    assert_eq!(store.list_collaborators([document]).await.unwrap().len(), 0);
    let (_, before) = store.find_access(ana, document).await.unwrap().unwrap();

    let mut ended = store.end_due_access(Utc::now()).await;

    ended.sort_by_key(|ended| ended.user);
    let (users, levels): (Vec<_>, Vec<_>) =
        ended.iter().map(|ended| (ended.user, ended.access.level)).unzip();
    assert_eq!((users, levels), (vec![bo, cy], vec![None, None]));
    assert!(ended.iter().all(|ended| ended.access.access_version > Some(before)));
    assert_eq!(store.end_due_access(Utc::now()).await, []);
}

#[tokio::test]
async fn a_grant_that_has_not_ended_is_kept() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let grant = Grant { level: Edit, ends_at: Some(soon()) };
    let first = store.grant_access(ana, document, bo, grant).await.unwrap();
    let same = store.grant_access(ana, document, bo, grant).await.unwrap();
    assert_eq!(first.access_version, same.access_version);
    let longer = store.grant_access(ana, document, bo, Edit).await.unwrap();
    assert_eq!(longer.collaborator.ends_at, None);
    assert!(longer.access_version > same.access_version);
    assert_eq!(store.end_due_access(soon()).await, []);
    assert_eq!(store.level(bo, document).await, Some(Edit));
}

#[tokio::test]
async fn an_answer_replaces_the_one_before() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    let mut changes = Vec::new();
    for level in [Some(View), Some(View), Some(Edit), None, None] {
        let rules = store.find_rules_version(bo, document).await.unwrap().unwrap();
        let changed = store.store_answer(bo, document, (level, soon()), rules).await.unwrap();
        changes.push(changed.unwrap().first().map(|changed| changed.access.level));
        assert_eq!(store.level(bo, document).await, level);
    }
    assert_eq!(changes, [Some(Some(View)), None, Some(Some(Edit)), Some(None), None]);
    assert_eq!(store.find_rules_version(bo, DocumentId::new()).await.unwrap(), None);
    assert_eq!(store.find_rules_version(UserId::new(), document).await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_from_before_the_rules_have_changed_is_not_stored() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    assert_eq!(store.find_owner(document).await.unwrap(), Some(ana));
    let answer = (Some(Edit), soon());
    let before = store.find_rules_version(bo, document).await.unwrap().unwrap();
    store.change_rules_of_document(document).await.unwrap();
    let between = store.find_rules_version(bo, document).await.unwrap().unwrap();
    store.change_rules_of_user(bo).await.unwrap();
    for old in [before, between] {
        assert_eq!(store.store_answer(bo, document, answer, old).await.unwrap(), None);
    }
    assert_eq!(store.level(bo, document).await, None);
    // Other changes of access, and those of the rules for others, are none of these.
    let rules = store.find_rules_version(bo, document).await.unwrap().unwrap();
    let cy = store.user("cy").await;
    store.grant_access(ana, document, cy, View).await.unwrap();
    store.change_rules_of_user(cy).await.unwrap();
    let stored = store.store_answer(bo, document, answer, rules).await.unwrap();
    assert_eq!(stored.unwrap().len(), 1);
    assert_eq!(store.level(bo, document).await, Some(Edit));
}

#[tokio::test]
async fn access_that_ends_cannot_be_made_permanent() {
    let store = TestStore::new().await;
    let (ana, bo, cy) = (store.user("ana").await, store.user("bo").await, store.user("cy").await);
    let document = store.document(ana).await.id;
    store.token(bo, &[(document, Owner)], soon()).await;
    for target in [bo, cy] {
        let granted = store.grant_access(bo, document, target, Owner).await;
        assert!(matches!(granted, Err(StoreError::Denied)));
    }
    let end = soon();
    let until = Grant { level: Owner, ends_at: Some(end) };
    store.grant_access(ana, document, bo, until).await.unwrap();
    for (target, ends_at) in [(bo, None), (cy, None), (cy, Some(end + TimeDelta::hours(1)))] {
        let grant = Grant { level: Owner, ends_at };
        let granted = store.grant_access(bo, document, target, grant).await.unwrap();
        assert_eq!(granted.collaborator.ends_at, Some(end.trunc_subsecs(6)));
    }
    // A grant that lasts longer stays as it is.
    store.grant_access(ana, document, cy, Edit).await.unwrap();
    let granted = store.grant_access(bo, document, cy, Edit).await.unwrap();
    assert_eq!(granted.collaborator.ends_at, None);
    store.grant_access(ana, document, bo, Owner).await.unwrap();
    let granted = store.grant_access(bo, document, cy, Edit).await.unwrap();
    assert_eq!(granted.collaborator.ends_at, None);
}

#[tokio::test]
async fn a_purged_document_has_no_entitlements() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.document(ana).await.id;
    store.token(bo, &[(document, Edit)], soon()).await;
    store.change(document, crate::store::test_store::deleted(ana)).await.unwrap();
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
    store.purge(ana, document).await.unwrap();
    assert_eq!(store.end_some_token_entitlements(bo, None).await.unwrap(), None);
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
    store.token(bo, &[(document, Edit)], soon()).await;
    assert_eq!(store.find_access_level(bo, document).await.unwrap(), None);
}
