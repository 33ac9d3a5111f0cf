//! Commits of unknown outcome, lost rights and gaps in the log.

use std::time::Duration;

use bytes::Bytes;
use sea_orm::ConnectionTrait as _;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{
    domain::{Budget, CompareUntil, DisplayName, DocumentId, Email, Party, Title},
    editing::{
        Acknowledgement, ApplyBounds, EditKind, EditRequest, Replica,
        document_load::{LoadBounds, LoadClass},
        loader::{DocumentLoader, large_texts_queue},
        recent::RecentChanges,
        work_permits::WorkPermits,
    },
    memory::{DocumentMemory, MemoryBounds},
    metrics::Metrics,
    store::{NewAccount, NewChange, Quotas, Store, StoreOptions, test_store},
};

struct Fixture {
    store: Store,
    turn: CommitTurn,
    document: DocumentId,
    author: UserId,
    folder: TempDir,
}

/// Returns a turn with two edits of a document with the text "Begin.", which would become versions 2 and 3.
async fn two_edits() -> Fixture {
    fixture(|document, author| {
        ["one ", "two "].map(|text| insertion(document, author, text)).into()
    })
    .await
}

async fn fixture(edits: impl FnOnce(DocumentId, UserId) -> Vec<EditRequest>) -> Fixture {
    fixture_with(Quotas::default(), edits).await
}

async fn fixture_with(
    quotas: Quotas,
    edits: impl FnOnce(DocumentId, UserId) -> Vec<EditRequest>,
) -> Fixture {
    fixture_of("Begin.", quotas, edits).await
}

async fn fixture_of(
    text: &str,
    quotas: Quotas,
    edits: impl FnOnce(DocumentId, UserId) -> Vec<EditRequest>,
) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let options = StoreOptions { quotas, ..test_store::options(url) };
    let store = Store::open(&options).await.unwrap();
    store.migrate_up().await.unwrap();
    let account = NewAccount {
        name: DisplayName::new("Ana").unwrap(),
        email: Email::new("ana@example.org").unwrap(),
        password_hash: "hash".into(),
    };
    let author = store.create_account(account, Party::Node).await.unwrap().id;
    let state = Replica::of(text).state();
    let title = Title::new("Plan").unwrap();
    let document = store.create_document(author, title, text.len(), state).await.unwrap().id;
    let context = TurnContext {
        document,
        store: store.clone(),
        loader: loader(&store),
        max_text_bytes: 1_000,
        max_state_bytes: 1 << 20,
        max_structs: 1_000,
        max_document_structs: 1_000,
        max_clients: 1_000,
        permits: WorkPermits::new(large_texts_queue(1)),
        apply_within: Duration::from_secs(10),
        rebase_bytes: 1_000_000,
    };
    let state = DocumentState {
        confirmed: None,
        head: store.find_head(document).await.unwrap(),
        replica: None,
        payer: Party::Node,
        loaded: None,
        relayed: Default::default(),
        snapshot: None,
        recent: Arc::new(RecentChanges::new(1_000)),
        added: Vec::new(),
        locked_turns: 0,
    };
    let edits = edits(document, author)
        .into_iter()
        .map(|request| QueuedEdit { request, reply: oneshot::channel().0 })
        .collect();
    let turn = CommitTurn::new(context, state, edits);
    Fixture { store, turn, document, author, folder }
}

fn loader(store: &Store) -> DocumentLoader {
    let bounds = LoadBounds { at_once: 2, within: Duration::from_secs(60), structs: 1_000 };
    let memory = DocumentMemory::new(MemoryBounds::UNLIMITED, Metrics::new());
    DocumentLoader::new(store.clone(), bounds, memory, Metrics::new())
}

fn insertion(document: DocumentId, author: UserId, text: &str) -> EditRequest {
    let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
    let kind = EditKind::Edit { base: Version::FIRST, delta: Arc::new(delta) };
    // Without a name of the client: only this node can find it in the log.
    EditRequest { document, author, session: None, name: None, kind }
}

/// The error of a driver whose connection broke during a commit.
fn broken_connection() -> StoreError {
    StoreError::unavailable("the connection broke")
}

impl Fixture {
    async fn stage(&mut self) -> StagedBatch {
        let mut answers = Vec::new();
        match stage(&mut self.turn.document, &self.turn.jobs, &mut answers).await.unwrap() {
            Staging::Ready(batch) if answers.is_empty() => batch,
            Staging::Ready(_) | Staging::Again => panic!("{answers:?}"),
        }
    }

    async fn commit(&self, staged: &StagedBatch) {
        let changes = staged.changes.iter().map(|staged| staged.change.clone()).collect();
        self.commit_changes(changes).await;
    }

    async fn commit_changes(&self, changes: Vec<NewChange>) {
        let (document, base) = (self.document, Version::FIRST);
        let batch = Batch {
            document,
            base,
            base_at: None,
            changes,
            receipts: vec![],
            other_authors: vec![],
        };
        self.store.commit(batch).await.unwrap();
    }

    async fn version(&self) -> i64 {
        self.store.find_head(self.document).await.unwrap().unwrap().version.number()
    }
}

fn answers(outcome: TurnOutcome) -> Vec<Answer> {
    outcome.answers.into_iter().map(|(_reply, answer)| answer).collect()
}

#[tokio::test]
async fn an_edit_over_the_quota_does_not_refuse_the_others_of_its_batch() {
    let quotas = Quotas { bytes_per_user: 2_400, ..Quotas::default() };
    let large = "x".repeat(900);
    let fixture = fixture_with(quotas, |document, author| {
        ["one ", &large, "two "].map(|text| insertion(document, author, text)).into()
    })
    .await;

    let (_state, outcome) = fixture.turn.run().await;

    let answers = answers(outcome);
    let [Ok(one), Err(EditError::Store(StoreError::OverQuota(exceeded))), Ok(two)] = &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!((one.version.number(), two.version.number()), (2, 3));
    assert_eq!(exceeded.limit, 2_400);
}

#[tokio::test]
async fn edits_found_in_the_log_are_answered_and_published_once() {
    let mut fixture = two_edits().await;
    let staged = fixture.stage().await;
    fixture.commit(&staged).await;

    let attempt = fixture.turn.look_up(&staged, broken_connection()).await;
    assert_eq!(attempt, Attempt::Again, "the next attempt finds the edits in the log");
    let version = fixture.version().await;
    let (state, outcome) = fixture.turn.run().await;

    let published: Vec<_> =
        outcome.changes.iter().map(|stored| stored.change.version.number()).collect();
    assert_eq!(published, [2, 3]);
    assert!(outcome.is_unpublished);
    assert_eq!(state.head.as_ref().unwrap().version.number(), 3);
    assert_eq!(version, 3);
    let versions: Vec<_> =
        answers(outcome).into_iter().map(|answer| answer.unwrap().version.number()).collect();
    assert_eq!(versions, [2, 3]);
}

#[tokio::test]
async fn edits_missing_from_the_log_are_refused_and_their_replica_is_dropped() {
    let mut fixture = two_edits().await;
    let staged = fixture.stage().await;

    let attempt = fixture.turn.look_up(&staged, broken_connection()).await;
    assert_eq!(attempt, Attempt::Settled);
    assert_eq!(fixture.version().await, 1);
    let (state, outcome) = fixture.turn.run().await;

    assert!(outcome.changes.is_empty() && state.replica.is_none());
    for answer in answers(outcome) {
        assert!(matches!(answer, Err(EditError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    }
}

#[tokio::test]
async fn edits_that_cannot_be_looked_up_are_answered_as_unknown() {
    let mut fixture = two_edits().await;
    let staged = fixture.stage().await;
    fixture.commit(&staged).await;
    fixture.store.close().await;

    let attempt = fixture.turn.look_up(&staged, broken_connection()).await;
    assert_eq!(attempt, Attempt::Settled);
    let (state, outcome) = fixture.turn.run().await;

    assert!(outcome.changes.is_empty() && state.replica.is_none());
    for answer in answers(outcome) {
        assert!(matches!(answer, Err(EditError::Unknown)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_user_without_access_learns_nothing_about_the_document() {
    // Neither edit stores anything: one changes nothing, the other has a base in the future.
    let fixture = fixture(|document, _author| {
        let title = Some(Title::new("Plan").unwrap());
        let unchanged = EditKind::Replace { title, metadata: None, content: None, base: None };
        let early = EditKind::Edit { base: Version::new(99), delta: Arc::default() };
        let stranger = UserId::new();
        let request =
            |kind| EditRequest { document, author: stranger, session: None, name: None, kind };
        [unchanged, early].map(request).into()
    })
    .await;

    for answer in answers(fixture.turn.run().await.1) {
        assert!(matches!(answer, Err(EditError::Store(StoreError::Denied))), "{answer:?}");
    }
}

#[tokio::test]
async fn an_update_that_brings_nothing_new_is_answered_although_nothing_can_be_stored() {
    let mut fixture = fixture(|_document, _author| vec![]).await;
    let (document, author) = (fixture.document, fixture.author);
    let loader = loader(&fixture.store);
    let stored =
        loader.replica(document, Version::FIRST, Party::Node).await.unwrap().replica.state();
    let merge = |update: &[u8]| {
        let updates = vec![Bytes::copy_from_slice(update)];
        let kind = EditKind::Merge { updates, acknowledgement: Acknowledgement::Whole };
        EditRequest { document, author, session: None, name: None, kind }
    };
    // The last one is answered together with the insertion, which fails.
    let insertion = insertion(document, author, "one ");
    for request in [merge(&[0, 0]), merge(&stored), insertion, merge(&stored)] {
        fixture.turn.jobs.push(Job::new(QueuedEdit { request, reply: oneshot::channel().0 }));
    }
    let url = format!("sqlite://{}/test.db", fixture.folder.path().display());
    let mut options = sea_orm::ConnectOptions::new(url);
    let other = sea_orm::Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();

    let (state, outcome) = fixture.turn.run().await;

    assert!(outcome.changes.is_empty());
    assert_eq!(state.head.as_ref().unwrap().version, Version::FIRST);
    let answers = answers(outcome);
    for answer in &answers[..2] {
        let stored = answer.as_ref().unwrap();
        assert_eq!(stored.version, Version::FIRST);
        assert!(stored.state_vector.as_ref().is_some_and(|vector| vector.len() > 1));
    }
    for answer in &answers[2..] {
        assert!(matches!(answer, Err(EditError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    }
}

/// Stores a change of a text with its snapshot, as another node does. Returns its version.
async fn store_elsewhere(fixture: &Fixture, text: &str) -> Version {
    let (document, author) = (fixture.document, fixture.author);
    let mut replica = Replica::of(text);
    let soon = (tokio::time::Instant::now() + Duration::from_secs(10)).into_std();
    let until = CompareUntil { deadline: soon, budget: Budget::unlimited() };
    let delta = insertion(document, author, "x").delta_for(replica.content(), &until);
    let update = replica
        .apply(&delta, ApplyBounds { text: 1_000_000, structs: usize::MAX, budget: &until.budget })
        .unwrap();
    let change = NewChange {
        kind: ChangeKind::Edited,
        author,
        session: None,
        edit: None,
        title: "Plan".into(),
        metadata: None,
        delta: Some(delta),
        update: Some(update),
        takes_back: None,
        size: text.len() + 1,
    };
    fixture.commit_changes(vec![change]).await;
    let head = Version::FIRST.next();
    fixture
        .store
        .store_snapshot(test_store::snapshot(document, head, replica.state(), 0))
        .await
        .unwrap();
    head
}

/// Runs the turn of [`two_edits`], which finds that the changes before `head` are gone.
async fn expect_gap(fixture: Fixture, head: Version) {
    let (state, outcome) = fixture.turn.run().await;

    assert_eq!(outcome.continuity, Continuity::Gap);
    assert_eq!(state.head.as_ref().unwrap().version, head);
    for answer in answers(outcome) {
        assert!(matches!(answer, Err(EditError::BaseTooOld { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn changes_forgotten_before_they_were_followed_leave_a_gap() {
    let fixture = two_edits().await;
    let head = store_elsewhere(&fixture, "Begin.").await;
    fixture.store.forget_changes(chrono::Utc::now()).await.unwrap();

    expect_gap(fixture, head).await;
}

#[tokio::test]
async fn a_text_that_is_lost_while_it_is_followed_leaves_a_gap() {
    let fixture = two_edits().await;
    let head = store_elsewhere(&fixture, "Begin.").await;
    let url = format!("sqlite://{}/test.db", fixture.folder.path().display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    database.execute_unprepared("DELETE FROM document_snapshot WHERE version = 1").await.unwrap();

    expect_gap(fixture, head).await;
}

#[tokio::test]
async fn a_log_is_followed_in_the_turns_of_its_author() {
    let large = "x".repeat(100_000);
    let fixture = fixture_of(&large, Quotas::default(), |_document, _author| vec![]).await;
    let head = store_elsewhere(&fixture, &large).await;
    let mut document = fixture.turn.document;
    // The node has no more turns.
    let _held =
        document.context().loader.places(LoadClass::Medium).acquire(Party::Node).await.unwrap();

    follow_log(&mut document, &mut None).await.unwrap();

    assert_eq!(document.head().unwrap().version, head);
    assert_eq!((document.has_replica(), document.payer()), (false, Party::User(fixture.author)));
}
