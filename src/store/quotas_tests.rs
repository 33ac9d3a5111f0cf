//! Quotas: documents and bytes of an owner, bytes of an author's changes, and that the counters count what is stored.

use chrono::Utc;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Statement};

use super::{
    CommitError, NewChange, NewReceipt, Quotas, Store, StoreError, StoreOptions,
    test_store::{TestStore, batch, change_in, deleted, edited, snapshot, title},
};
use crate::{
    domain::{AccessLevel::Edit, DocumentId, EditId, Fingerprint, Party, UserId, Version},
    quota::{QuotaExceeded, QuotaKind},
};

impl TestStore {
    async fn with_quotas(quotas: Quotas) -> Self {
        Self::with_options(|options| options.quotas = quotas).await
    }

    async fn used(&self, owner: UserId) -> u64 {
        self.load_usage(owner).await.unwrap().bytes
    }
}

/// Returns the counters of all documents.
async fn counters(store: &Store) -> Vec<i64> {
    let backend = store.readers.get_database_backend();
    let query = "SELECT stored_bytes FROM document ORDER BY id";
    let rows = store.readers.query_all_raw(Statement::from_string(backend, query)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "stored_bytes").unwrap()).collect()
}

/// Shows that the counters equal what the migration counts.
async fn expect_counted(store: &TestStore) {
    let before = counters(store).await;
    store.migrate_down(1).await.unwrap();
    store.migrate_up().await.unwrap();
    assert_eq!(counters(store).await, before);
}

fn exceeded(error: &StoreError) -> QuotaExceeded {
    match error {
        StoreError::OverQuota(exceeded) => *exceeded,
        error => panic!("{error:?}"),
    }
}

fn over_bytes(error: CommitError) -> QuotaExceeded {
    match error {
        CommitError::OverQuota(exceeded) if exceeded.kind == QuotaKind::Bytes => exceeded,
        error => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_are_created_at_once_do_not_exceed_the_quota() {
    let quotas = Quotas { documents_per_user: 5, ..Quotas::default() };
    // Each store waits while the other one has the file locked.
    let change = |options: &mut StoreOptions| {
        options.quotas = quotas;
        options.busy_within = options.acquire_within;
    };
    let store = TestStore::with_options(change).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let other = store.open_again_with("rw", change).await.unwrap();
    let create = |store: &Store| {
        let store = store.clone();
        tokio::spawn(async move { store.create_document(ana, title("Plan"), 0, vec![]).await })
    };
    let creations = (0..10).flat_map(|_| [create(&store), create(&other)]);

    let created = join_all(creations).await.into_iter().map(Result::unwrap);

    let (created, refused): (Vec<_>, Vec<_>) = created.partition(Result::is_ok);
    assert_eq!((created.len(), refused.len()), (5, 15));
    for refused in refused {
        let refused = exceeded(&refused.unwrap_err());
        assert_eq!((refused.kind, refused.used, refused.limit), (QuotaKind::Documents, 5, 5));
    }
    assert_eq!(store.load_usage(ana).await.unwrap().documents, 5);
    store.document(bo).await;

    let document = created.into_iter().next().unwrap().unwrap().id;
    store.commit(batch(document, 1, vec![deleted(ana)])).await.unwrap();
    // A document in the bin counts.
    assert!(store.create_document(ana, title("Plan"), 0, vec![]).await.is_err());
    store.purge(ana, document).await.unwrap();
    store.document(ana).await;
    other.close().await;
}

#[tokio::test]
async fn a_change_that_exceeds_the_bytes_of_the_owner_is_refused_until_something_is_purged() {
    let quotas = Quotas { bytes_per_user: 20_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let other = store.document(ana).await.id;
    let five = "x".repeat(5_000);
    // Each takes twice its text, as a delta and as an update.
    store.change(other, edited(ana, &five)).await.unwrap();

    let refused = over_bytes(store.change(document, edited(bo, &five)).await.unwrap_err());
    assert_eq!((refused.used, refused.limit), (store.used(ana).await, 20_000));
    assert_eq!(store.find_head(document).await.unwrap().unwrap().version, Version::FIRST);
    store.change(document, edited(bo, "small")).await.unwrap();
    let created = store.create_document(ana, title("Big"), 9_000, vec![0; 9_000]).await;
    assert_eq!(exceeded(&created.unwrap_err()).kind, QuotaKind::Bytes);
    assert_eq!(store.used(bo).await, 0);

    store.change(other, deleted(ana)).await.unwrap();
    over_bytes(store.change(document, edited(bo, &five)).await.unwrap_err());
    store.purge(ana, other).await.unwrap();
    store.change(document, edited(bo, &five)).await.unwrap();
    expect_counted(&store).await;
}

#[tokio::test]
async fn what_another_node_purges_is_noticed_within_a_second() {
    let quotas = Quotas { bytes_per_user: 20_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let ana = store.user("ana").await;
    let (document, other) = (store.document(ana).await.id, store.document(ana).await.id);
    let large = "x".repeat(5_000);
    store.change(other, edited(ana, &large)).await.unwrap();
    over_bytes(store.change(document, edited(ana, &large)).await.unwrap_err());
    let node = store.open_again("rw").await.unwrap();
    change_in(&node, other, deleted(ana)).await.unwrap();
    node.purge(ana, other).await.unwrap();
    node.close().await;

    let began = tokio::time::Instant::now();
    while let Err(refused) = store.change(document, edited(ana, &large)).await {
        over_bytes(refused);
        assert!(began.elapsed().as_secs() < 20, "the purge was not noticed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_batch_over_the_quota_does_not_affect_the_others_of_its_group() {
    let quotas = Quotas { bytes_per_user: 20_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (first, second) = (store.document(ana).await.id, store.document(ana).await.id);
    let others = store.document(bo).await.id;
    let large = "x".repeat(6_000);

    let outcomes = join_all([
        store.commit(batch(first, 1, vec![edited(ana, &large)])),
        store.commit(batch(second, 1, vec![edited(ana, &large)])),
        store.commit(batch(others, 1, vec![edited(bo, &large)])),
    ])
    .await;

    let stored: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(stored.iter().filter(|stored| **stored).count(), 2, "{outcomes:?}");
    assert!(stored[2]);
    assert!(store.used(ana).await <= 20_000);
    expect_counted(&store).await;
}

#[tokio::test]
async fn housekeeping_gives_bytes_back() {
    let quotas = Quotas { bytes_per_user: 40_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let mut text = "x".repeat(1_000);
    let mut stored = 0;
    let refused = loop {
        text.push('x');
        match store.change(document, edited(ana, &text)).await {
            Ok(_) => stored += 1,
            Err(error) => break over_bytes(error),
        }
    };
    assert!(stored > 10 && refused.used <= 40_000, "{stored} changes, {refused:?}");
    let head = store.find_head(document).await.unwrap().unwrap();
    store.store_snapshot(snapshot(document, head.version, vec![1; 1_000], 0)).await.unwrap();

    while store.forget_changes(Utc::now() + chrono::TimeDelta::seconds(1)).await.unwrap() > 0 {}

    assert!(store.used(ana).await < 3_000, "{}", store.used(ana).await);
    store.change(document, edited(ana, &text)).await.unwrap();
    expect_counted(&store).await;
}

#[tokio::test]
async fn changes_that_do_not_lengthen_the_text_may_exceed_the_quota_to_some_extent() {
    let quotas = Quotas { bytes_per_user: 50_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let sized = |size: usize| NewChange { size, ..edited(ana, &"x".repeat(20_000)) };
    store.change(document, sized(20_000)).await.unwrap();
    over_bytes(store.change(document, sized(20_001)).await.unwrap_err());

    let mut stored = 0;
    let refused = loop {
        match store.change(document, sized(20_000)).await {
            Ok(_) => stored += 1,
            Err(error) => break over_bytes(error),
        }
    };

    // Each takes 40,000 bytes, and a mebibyte is spared.
    assert_eq!(stored, 26, "{refused:?}");
    assert!(store.used(ana).await <= 50_000 + 1024 * 1024);
    let created = store.create_document(ana, title("Small"), 0, vec![]).await;
    assert_eq!(exceeded(&created.unwrap_err()).kind, QuotaKind::Bytes);
}

#[tokio::test]
async fn the_log_of_one_document_is_shortened_in_slices_and_frees_bytes() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let (document, other) = (store.document(ana).await.id, store.document(ana).await.id);
    // Two rows exceed a slice.
    let large = "x".repeat(4_500_000);
    for text in [&large, "y", &large, "z"] {
        store.change(document, edited(ana, text)).await.unwrap();
        store.change(other, edited(ana, "y")).await.unwrap();
    }
    let head = store.find_head(document).await.unwrap().unwrap().version;
    for document in [document, other] {
        store.store_snapshot(snapshot(document, head, vec![1; 1_000], 0)).await.unwrap();
    }
    store.change(document, edited(ana, "after")).await.unwrap();
    let early = Utc::now() - chrono::TimeDelta::hours(1);
    assert_eq!(store.shorten_log(document, Some(early), Party::Node).await.unwrap(), None);
    let before = store.used(ana).await;

    let mut freed = Vec::new();
    while let Some(bytes) = store.shorten_log(document, None, Party::Node).await.unwrap() {
        freed.push(bytes);
        assert_eq!(store.used(ana).await, before - freed.iter().sum::<u64>());
    }

    assert_eq!(freed.len(), 2, "{freed:?}");
    assert!(freed.iter().all(|bytes| *bytes > 9_000_000), "{freed:?}");
    let kept = store.list_changes(document, head, head.next(), 1_000).await.unwrap();
    assert_eq!(kept.len(), 1, "the change after the snapshot stays");
    let others = store.list_changes(other, Version::FIRST, head, 1_000).await.unwrap();
    assert_eq!(others.len(), 4, "other documents keep their history");
    expect_counted(&store).await;
}

#[tokio::test]
async fn each_slice_leaves_a_log_whose_texts_can_be_computed() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    // Two slices.
    for number in 0..40 {
        store.change(document, edited(ana, &"x".repeat(500_000))).await.unwrap();
        if number % 4 == 0 {
            let head = store.find_head(document).await.unwrap().unwrap().version;
            store.store_snapshot(snapshot(document, head, vec![1; 1_000], 0)).await.unwrap();
        }
    }
    let head = store.find_head(document).await.unwrap().unwrap().version;
    let mut slices = 0;
    while store.shorten_log(document, None, Party::Node).await.unwrap().is_some() {
        slices += 1;
        let kept = store.list_changes(document, Version::FIRST, head, 1).await.unwrap();
        let before = kept.first().unwrap().version.previous();
        assert!(before > Version::FIRST);
        let snapshot = store.find_snapshot(document, before).await.unwrap();
        assert_eq!(snapshot.map(|snapshot| snapshot.version), Some(before));
    }
    assert!(slices > 1, "{slices} slices");
    expect_counted(&store).await;
}

#[tokio::test]
async fn each_slice_of_large_snapshots_leaves_a_log_whose_texts_can_be_computed() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for number in 0..10 {
        store.change(document, edited(ana, "small")).await.unwrap();
        if number % 3 == 2 {
            let head = store.find_head(document).await.unwrap().unwrap().version;
            store.store_snapshot(snapshot(document, head, vec![1; 10_000_000], 0)).await.unwrap();
        }
    }
    let head = store.find_head(document).await.unwrap().unwrap().version;
    let mut slices = 0;
    while store.shorten_log(document, None, Party::Node).await.unwrap().is_some() {
        slices += 1;
        let kept = store.list_changes(document, Version::FIRST, head, 1).await.unwrap();
        let before = kept.first().unwrap().version.previous();
        let snapshot = store.find_snapshot(document, before).await.unwrap();
        assert_eq!(snapshot.map(|snapshot| snapshot.version), Some(before));
    }
    assert!(slices > 1, "{slices} slices");
    expect_counted(&store).await;
}

#[tokio::test]
async fn changes_are_kept_for_a_while_although_the_owner_deletes_the_history() {
    let hour = std::time::Duration::from_secs(3600);
    let store = TestStore::with_options(|options| options.history_kept = hour).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    store.change(document, edited(ana, "two")).await.unwrap();
    let head = store.find_head(document).await.unwrap().unwrap().version;
    store.store_snapshot(snapshot(document, head, vec![1], 0)).await.unwrap();

    let later = Some(Utc::now() + chrono::TimeDelta::hours(1));
    assert_eq!(store.shorten_log(document, later, Party::Node).await.unwrap(), None);
    assert_eq!(store.shorten_log(document, None, Party::Node).await.unwrap(), None);
}

#[tokio::test]
async fn the_changes_of_an_author_are_charged_with_what_they_store() {
    let quotas = Quotas { change_bytes_per_hour: 20_000, ..Quotas::default() };
    let store = TestStore::with_quotas(quotas).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.check_change_allowance(bo).unwrap();
    // One change may be larger than what is left.
    store.change(document, edited(bo, &"x".repeat(20_000))).await.unwrap();

    let refused = exceeded(&store.check_change_allowance(bo).unwrap_err());
    assert_eq!((refused.kind, refused.limit), (QuotaKind::ChangeBytes, 20_000));
    assert!(refused.used > 40_000 && refused.retry_after.is_some(), "{refused:?}");
    store.check_change_allowance(ana).unwrap();
    let stored = store.load_usage(ana).await.unwrap();
    assert!(stored.bytes > 40_000 && stored.change_bytes.used < 2_000, "{stored:?}");
}

/// A random sequence of everything that stores or deletes rows of a document.
#[tokio::test]
async fn counters_equal_a_recount_after_random_operations() {
    for seed in 1..=4 {
        let store = TestStore::new().await;
        let ana = store.user("ana").await;
        let mut random = kit::Random::new(seed);
        let mut documents: Vec<DocumentId> = vec![store.document(ana).await.id];
        for step in 0..80 {
            let document = documents[random.below(documents.len())];
            let head = store.find_head(document).await.unwrap();
            let version = head.map_or(Version::FIRST, |head| head.version);
            match random.below(12) {
                0 => documents.push(store.document(ana).await.id),
                1 if documents.len() > 2 => {
                    store.change(document, deleted(ana)).await.unwrap();
                    match random.below(3) {
                        0 => drop(store.undelete(ana, document).await.unwrap()),
                        fate => {
                            documents.retain(|other| *other != document);
                            if fate == 1 {
                                store.purge(ana, document).await.unwrap();
                            }
                        }
                    }
                }
                2 => {
                    let state = vec![1; random.below(500)];
                    store.store_snapshot(snapshot(document, version, state, 3)).await.unwrap();
                }
                3 => {
                    let before = Utc::now() + chrono::TimeDelta::seconds(1);
                    store.forget_changes(before).await.unwrap();
                }
                4 => {
                    let receipt = NewReceipt {
                        author: ana,
                        edit: EditId::new(&format!("{step}")).unwrap(),
                        fingerprint: Fingerprint([0; 16]),
                        version,
                        title: "Plan".into(),
                    };
                    let mut receipts = batch(document, version.number(), vec![]);
                    receipts.receipts.push(receipt);
                    store.commit(receipts).await.unwrap();
                }
                5 => {
                    let base = version.number();
                    let changes = vec![edited(ana, "é"), edited(ana, "🎈🎈")];
                    store.commit(batch(document, base, changes)).await.unwrap();
                }
                6 => {
                    store.purge_some().await.unwrap();
                }
                _ => {
                    let text = "ö".repeat(1 + random.below(200));
                    store.change(document, edited(ana, &text)).await.unwrap();
                }
            }
        }
        let sum: i64 = counters(&store).await.iter().sum();
        assert_eq!(store.used(ana).await, sum.unsigned_abs());
        expect_counted(&store).await;
    }
}

#[tokio::test]
async fn a_compaction_counts() {
    let store = TestStore::with_quotas(Quotas::default()).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let (head, before) = (store.find_head(document).await.unwrap().unwrap(), store.used(ana).await);

    let version =
        store.store_compaction(document, &head, vec![0; 10_000], Party::Node).await.unwrap();

    assert_eq!(version, Some(head.version.next()));
    assert!(store.used(ana).await > before + 10_000);
    expect_counted(&store).await;
}
