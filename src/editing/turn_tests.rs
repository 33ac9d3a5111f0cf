//! A commit of which nobody knows whether it happened.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::{
    EditError, EditKind, EditRequest, Replica,
    loader::DocumentLoader,
    recent::RecentChanges,
    stage::StagedBatch,
    turn::{CommitTurn, DocumentState, TurnContext},
    workers::WorkPermits,
};
use crate::{
    domain::{DisplayName, Email, UserId},
    store::{Batch, NewAccount, Store, StoreError, test_store},
};

struct Fixture {
    store: Store,
    run: CommitTurn,
    document: crate::domain::DocumentId,
    _folder: TempDir,
}

/// Two orders for a document that says "Begin.", about to be stored as versions 2 and 3.
async fn two_orders() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let store = Store::open(&test_store::options(url)).await.unwrap();
    store.migrate_up().await.unwrap();
    let account = NewAccount {
        name: DisplayName::new("Ana").unwrap(),
        email: Email::new("ana@example.org").unwrap(),
        password_hash: "hash".into(),
    };
    let ana = store.create_account(account).await.unwrap().id;
    let title = crate::domain::Title::new("Plan").unwrap();
    let state = Replica::of("Begin.").state();
    let document = store.create_document(ana, title, 6, state).await.unwrap().id;
    let desk = TurnContext {
        document,
        store: store.clone(),
        texts: DocumentLoader::new(store.clone(), 1),
        limit: 1_000,
        state_limit: 1 << 20,
        structs_limit: 1_000,
        benches: WorkPermits::new(Arc::new(tokio::sync::Semaphore::new(1))),
        apply_within: Duration::from_secs(10),
        rebase_bytes: 1_000_000,
    };
    let editing = DocumentState {
        head: store.find_head(document).await.unwrap(),
        replica: None,
        snapshot: None,
        recent: Arc::new(RecentChanges::new(1_000)),
    };
    let orders = ["one ", "two "].map(|text| insert(document, ana, text)).into();
    Fixture { store, run: CommitTurn::new(desk, editing, orders), document, _folder: folder }
}

fn insert(document: crate::domain::DocumentId, author: UserId, text: &str) -> EditRequest {
    let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
    let wish = EditKind::Edit { base: crate::domain::Version::FIRST, delta: Arc::new(delta) };
    // Without a name of its own: only the room's can tell.
    EditRequest { document, author, session: None, edit: None, wish }
}

/// What a driver says when the connection broke at the wrong moment.
fn broken() -> StoreError {
    StoreError::unavailable("the connection broke")
}

impl Fixture {
    async fn stage(&mut self) -> StagedBatch {
        self.run.stage().await.unwrap().unwrap()
    }

    async fn commit(&self, staging: &StagedBatch) {
        let changes = staging.staged.iter().map(|staged| staged.change.clone()).collect();
        let base = crate::domain::Version::FIRST;
        let document = self.document;
        let batch = Batch { document, base, changes, receipts: vec![], other_authors: vec![] };
        self.store.commit(batch).await.unwrap();
    }

    async fn version(&self) -> i64 {
        self.store.find_head(self.document).await.unwrap().unwrap().version.number()
    }
}

#[tokio::test]
async fn what_was_stored_after_all_is_answered_and_told_once() {
    let mut fixture = two_orders().await;
    let staged = fixture.stage().await;
    fixture.commit(&staged).await;

    let is_settled = fixture.run.look_up(&staged, broken()).await;
    assert!(!is_settled, "the orders are found in the log by trying again");
    let turn = fixture.run.finish().await;

    let versions: Vec<_> =
        turn.answers.into_iter().map(|answer| answer.unwrap().version.number()).collect();
    assert_eq!(versions, [2, 3]);
    let told: Vec<_> = turn.changes.iter().map(|change| change.version.number()).collect();
    assert_eq!(told, [2, 3]);
    assert_eq!(turn.editing.head.unwrap().version.number(), 3);
    let head = fixture.store.find_head(fixture.document).await.unwrap().unwrap();
    assert_eq!(head.version.number(), 3);
}

#[tokio::test]
async fn what_was_not_stored_is_refused_and_nothing_of_it_is_used_again() {
    let mut fixture = two_orders().await;
    let staged = fixture.stage().await;

    assert!(fixture.run.look_up(&staged, broken()).await, "it is settled");
    assert_eq!(fixture.version().await, 1);
    let turn = fixture.run.finish().await;

    assert!(turn.changes.is_empty() && turn.editing.replica.is_none());
    for answer in turn.answers {
        assert!(matches!(answer, Err(EditError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    }
}

#[tokio::test]
async fn who_may_not_change_the_document_is_told_nothing_about_it() {
    let mut fixture = two_orders().await;
    let stranger = UserId::new();
    let title = Some(crate::domain::Title::new("Plan").unwrap());
    // Neither stores anything: one changes nothing, the other is wrong.
    let nothing = EditKind::Replace { title, content: None, base: None };
    let delta = Arc::default();
    let wrong = EditKind::Edit { base: crate::domain::Version::new(99), delta };
    fixture.run.orders[0] = EditRequest { author: stranger, ..fixture.run.orders[0].clone() };
    fixture.run.orders[0].wish = nothing;
    fixture.run.orders[1] = EditRequest { author: stranger, ..fixture.run.orders[1].clone() };
    fixture.run.orders[1].wish = wrong;

    for answer in fixture.run.finish().await.answers {
        assert!(matches!(answer, Err(EditError::Store(StoreError::Denied))), "{answer:?}");
    }
}

#[tokio::test]
async fn what_was_forgotten_before_it_was_followed_leaves_a_gap() {
    let fixture = two_orders().await;
    let author = fixture.run.orders[0].author;
    let mut replica = Replica::of("Begin.");
    let delta = insert(fixture.document, author, "x").delta_for(replica.content(), soon());
    let update = replica.apply(&delta, 1_000).unwrap();
    let edit = crate::store::NewChange {
        kind: crate::domain::ChangeKind::Edited,
        author,
        session: None,
        edit: None,
        title: "Plan".into(),
        delta: Some(delta),
        update: Some(update),
        size: 7,
    };
    let base = crate::domain::Version::FIRST;
    let (document, changes) = (fixture.document, vec![edit]);
    let batch = Batch { document, base, changes, receipts: vec![], other_authors: vec![] };
    fixture.store.commit(batch).await.unwrap();
    let state = replica.state();
    fixture.store.store_snapshot(document, base.next(), state, 0).await.unwrap();
    fixture.store.forget_changes(chrono::Utc::now()).await.unwrap();

    let turn = fixture.run.finish().await;

    assert!(turn.has_gap);
    let versions: Vec<_> =
        turn.answers.into_iter().map(|answer| answer.map(|stored| stored.version)).collect();
    let refused =
        |answer: &Result<_, EditError>| matches!(answer, Err(EditError::BaseTooOld { .. }));
    assert!(versions.iter().all(refused), "{versions:?}");
    assert_eq!(turn.editing.head.unwrap().version, base.next());
}

fn soon() -> std::time::Instant {
    (tokio::time::Instant::now() + Duration::from_secs(10)).into_std()
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_answered_as_unknown() {
    let mut fixture = two_orders().await;
    let staged = fixture.stage().await;
    fixture.commit(&staged).await;
    fixture.store.close().await;

    assert!(fixture.run.look_up(&staged, broken()).await);
    let turn = fixture.run.finish().await;

    assert!(turn.changes.is_empty() && turn.editing.replica.is_none());
    for answer in turn.answers {
        assert!(matches!(answer, Err(EditError::Unknown)), "{answer:?}");
    }
}
