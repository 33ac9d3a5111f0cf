//! A revocation between the two reads of the access level voids the seat, for both protocols.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;

use super::*;
use crate::{
    bridge::LocalBridge,
    domain::{AccessChange, DisplayName, Email, Party, SessionId, Text, Title, User, UserId},
    memory::{MemoryAccount, MemoryBounds, MemoryUse},
    metrics::Metrics,
    outbox::{Outbox, OutboxFrame, OutboxOptions},
    questions::Questions,
    quota::OpenDocuments,
    room::{
        AudienceKey, DocumentDraft, LargeFields, Render, RenderError, RoomOptions, RoomParts,
        SeatEnd, SeatEnded, SeatState, SharedEvent,
    },
    roster::LocalRoster,
    store::{NewAccount, Store, StoreError, test_store},
    wire::graphql_ws::OperationId,
};

struct Fixture {
    rooms: Rooms,
    store: Store,
    owner: UserId,
    viewer: User,
    document: DocumentId,
    _folder: tempfile::TempDir,
}

/// Returns a document that a viewer may view.
async fn shared_document() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let store = Store::open(&test_store::options(url)).await.unwrap();
    store.migrate_up().await.unwrap();
    let (owner, viewer) = (account(&store, "ana").await, account(&store, "bo").await);
    let parts = RoomParts {
        questions: Questions::default(),
        store: store.clone(),
        bridge: Arc::new(LocalBridge),
        roster: Arc::new(LocalRoster::default()),
        metrics: Metrics::new(),
        document_limit: 1_000,
        state_limit: 1 << 20,
        structs_limit: 1_000,
        document_structs_limit: 1_000_000,
        clients_limit: 1_000,
        replicas: MemoryBounds::UNLIMITED,
        answers: MemoryAccount::new(MemoryUse::Answers, MemoryBounds::UNLIMITED, Metrics::new()),
        sync_bytes_per_second: usize::MAX,
        open_documents: OpenDocuments::new(100, Duration::ZERO),
    };
    let options = RoomOptions {
        linger: Duration::from_secs(60),
        mailbox: 100,
        edits_waiting: 10,
        edits_waiting_bytes: 1_000,
        apply_within: Duration::from_secs(10),
        load_within: Duration::from_secs(60),
        snapshot_every: 500,
        compact_at: 0,
        compare_every: Duration::from_secs(5),
        settle: Duration::from_secs(20),
        rebase_bytes: 1_000,
        texts_at_once: 1,
        recent_bytes: 1_000,
        awareness_every: Duration::from_secs(10),
    };
    let rooms = Rooms::new(parts, options);
    let (title, text) = (Title::new("Plan").unwrap(), Text::new("Begin.", 1_000).unwrap());
    let document = rooms.create(owner, DocumentDraft::new(title, text)).await.unwrap().id;
    store.grant_access(owner, document, viewer, AccessLevel::View).await.unwrap();
    let viewer = User { id: viewer, name: "Bo".into() };
    Fixture { rooms, store, owner, viewer, document, _folder: folder }
}

async fn account(store: &Store, name: &str) -> UserId {
    let account = NewAccount {
        name: DisplayName::new(name).unwrap(),
        email: Email::new(&format!("{name}@example.org")).unwrap(),
        password_hash: "hash".into(),
    };
    store.create_account(account, Party::Node).await.unwrap().id
}

/// Why the protocol of the test refuses a subscriber.
#[derive(Debug)]
enum Refused {
    Room(RoomError),
    Store(StoreError),
}

impl From<RoomError> for Refused {
    fn from(error: RoomError) -> Self {
        Self::Room(error)
    }
}

/// The protocols of a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    GraphQl,
    Yjs,
}

/// Reads the level as a protocol does. Right after the read that follows the reservation, the access is revoked.
struct RevokedMeanwhile<'a> {
    fixture: &'a Fixture,
    protocol: Protocol,
    reads: AtomicUsize,
}

impl Admission for RevokedMeanwhile<'_> {
    type Error = Refused;

    async fn read_access(&self) -> Result<(AccessLevel, i64), Refused> {
        let Fixture { rooms, store, owner, viewer, document, .. } = self.fixture;
        let level = rooms.read_access(viewer.id, *document, AccessLevel::View).await;
        if self.reads.fetch_add(1, Ordering::Relaxed) == 1 {
            let revoked = store.revoke_access(*owner, *document, viewer.id).await.unwrap();
            let access_version = Some(revoked.access_version);
            let access = AccessChange { level: None, access_version };
            rooms.access_changed(*document, viewer.id, access).await;
        }
        level.map_err(Refused::Store)
    }

    async fn confirmation(&self) -> Result<Confirmation, Refused> {
        Ok(match self.protocol {
            Protocol::Yjs => Confirmation::Editor(Arc::new(NotNotified)),
            Protocol::GraphQl => Confirmation::Audience {
                key: AudienceKey {
                    topic: Topic::Changes,
                    operation: "changes".into(),
                    name: None,
                    variables: "{}".into(),
                },
                operation: OperationId::new("1").unwrap(),
                since: None,
                stored: None,
                make: Box::new(|| Box::new(NotRendered) as Box<dyn Render>),
            },
        })
    }
}

/// A seat that is not confirmed is not evicted either.
struct NotNotified;

impl SeatEnded for NotNotified {
    fn client_moved(&self) {
        panic!("no other session uses the client id");
    }

    fn seat_ended(&self, why: SeatEnd) {
        panic!("the seat was never confirmed, and ended as {why:?}");
    }
}

struct NotRendered;

impl Render for NotRendered {
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError> {
        panic!("the seat was never confirmed, and {event:?} is rendered for it");
    }

    fn another(&self) -> Box<dyn Render> {
        Box::new(Self)
    }

    fn large_fields(&self) -> LargeFields {
        LargeFields::default()
    }

    fn frame(&self, rendered: &Bytes, _: &OperationId) -> Bytes {
        rendered.clone()
    }

    fn frame_around(&self, rendered: Bytes, _: &OperationId) -> OutboxFrame {
        rendered.into()
    }

    fn ending(&self, _: &OperationId, why: SeatEnd) -> Bytes {
        panic!("the seat was never confirmed, and ended as {why:?}");
    }
}

async fn expect_no_admission(protocol: Protocol) {
    let fixture = shared_document().await;
    let (outbox, _body) =
        Outbox::new(SessionId::new(), OutboxOptions { bound: 1_000 }, Arc::default());
    let subscriber =
        Subscriber { session: SessionId::new(), user: fixture.viewer.clone(), outbox, name: None };
    let topic = match protocol {
        Protocol::GraphQl => Topic::Changes,
        Protocol::Yjs => Topic::Document,
    };
    let admission = RevokedMeanwhile { fixture: &fixture, protocol, reads: AtomicUsize::default() };
    let topic = (fixture.document, topic);

    let admitted = Subscription::admit(&fixture.rooms, &subscriber, topic, false, &admission).await;

    match admitted {
        // The revocation removed the pending seat. If that closed the room, the level was read once more.
        Err(Refused::Room(RoomError::SeatVoided) | Refused::Store(StoreError::Denied)) => {}
        Err(error) => panic!("{error:?}"),
        Ok(subscription) => panic!("a revoked user has a seat: {:?}", subscription.seat().state()),
    }
}

#[actix_rt::test]
async fn a_revocation_between_the_reads_voids_the_seat_of_a_graphql_subscriber() {
    expect_no_admission(Protocol::GraphQl).await;
}

#[actix_rt::test]
async fn a_revocation_between_the_reads_voids_the_seat_of_a_yjs_editor() {
    expect_no_admission(Protocol::Yjs).await;
}

#[actix_rt::test]
async fn an_admitted_seat_is_confirmed_and_ends_with_its_subscription() {
    let fixture = shared_document().await;
    let (outbox, _body) =
        Outbox::new(SessionId::new(), OutboxOptions { bound: 1_000 }, Arc::default());
    let subscriber =
        Subscriber { session: SessionId::new(), user: fixture.viewer.clone(), outbox, name: None };
    // The first read is of an open document, so no read follows after which access is revoked.
    let admission =
        RevokedMeanwhile { fixture: &fixture, protocol: Protocol::Yjs, reads: AtomicUsize::new(2) };
    let topic = (fixture.document, Topic::Document);
    let Ok(subscription) =
        Subscription::admit(&fixture.rooms, &subscriber, topic, true, &admission).await
    else {
        panic!("the viewer is admitted")
    };
    let seat = Arc::clone(&subscription.seat);
    assert_eq!((seat.state(), seat.level()), (SeatState::Confirmed, Some(AccessLevel::View)));
    drop(subscription);
    assert_eq!(seat.state(), SeatState::Ended);
}
