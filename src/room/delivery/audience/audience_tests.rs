use std::sync::Arc;

use super::*;
use crate::{
    domain::{DocumentId, Party, SessionId, User, UserId, examples::title_change},
    memory::{MemoryAccount, MemoryBounds, MemoryUse},
    outbox::{Outbox, OutboxChunks, OutboxOptions, OutboxTotals},
    room::{delivery::large_events::LargeEvents, members::seat::Subscriber},
};

/// Renders the version of a change, and selects the text.
struct Versions;

impl Render for Versions {
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError> {
        let Event::Changed(change) = event.event() else {
            return Err(RenderError::Failed("no change".into()));
        };
        Ok(Bytes::from(format!("{},", change.version)))
    }

    fn another(&self) -> Box<dyn Render> {
        Box::new(Self)
    }

    fn large_fields(&self) -> LargeFields {
        LargeFields { content: true, delta: false, update: false }
    }

    fn frame(&self, rendered: &Bytes, _: &OperationId) -> Bytes {
        rendered.clone()
    }

    fn frame_around(&self, rendered: Bytes, _: &OperationId) -> OutboxFrame {
        let [first, last] = [b"<", b">"].map(|part| Bytes::from_static(part));
        OutboxFrame::around_shared([first, rendered, last])
    }

    fn ending(&self, _: &OperationId, _: SeatEnd) -> Bytes {
        Bytes::from_static(b"end")
    }
}

struct Fixture {
    audiences: Audiences,
    seat: SeatId,
    author: User,
    outbox: Outbox,
    body: OutboxChunks,
}

/// Returns a subscriber of a document at version 10 that has everything up to `since`.
fn subscribed(since: Option<i64>) -> Fixture {
    let (document, session) = (DocumentId::new(), SessionId::new());
    let author = User { id: UserId::new(), name: "Ana".into() };
    let (outbox, body) = Outbox::new(
        SessionId::new(),
        OutboxOptions { bound: 10 },
        Arc::new(OutboxTotals::default()),
    );
    let user = User { id: UserId::new(), name: "Bo".into() };
    let subscriber = Subscriber { session, user, outbox: outbox.clone(), name: None };
    let seat = Arc::new(Seat::new(document, Topic::Changes, subscriber));
    let id = seat.id();
    assert!(outbox.open_seat(id));
    let key = AudienceKey {
        topic: Topic::Changes,
        operation: "changes".into(),
        name: None,
        variables: "{}".into(),
    };
    let operation = OperationId::new("1").unwrap();
    let mut audiences = Audiences::new(Metrics::new());
    let make = Box::new(|| Box::new(Versions) as Box<dyn Render>);
    let since = since.map(Version::new);
    audiences.add(key, (seat, operation), since, Version::new(10), make);
    Fixture { audiences, seat: id, author, outbox, body }
}

impl Fixture {
    fn change(&self, version: i64) -> Arc<Change> {
        Arc::new(Change { author: Some(self.author.clone()), ..title_change(version) })
    }

    fn broadcast(&mut self, version: i64) -> BroadcastReport {
        self.broadcast_change(self.change(version))
    }

    fn broadcast_change(&mut self, change: Arc<Change>) -> BroadcastReport {
        let origin = change.origin().unwrap();
        self.audiences.broadcast(origin, &Event::Changed(change), Instant::now())
    }

    /// Returns a change with a large text.
    fn large_change(&self, version: i64) -> Arc<Change> {
        let content = Some("x".repeat(100_000).as_str().into());
        Arc::new(Change { content, ..(*self.change(version)).clone() })
    }

    /// Broadcasts a large change, which is to be rendered elsewhere.
    fn begin(&mut self, version: i64) -> AudienceRendering {
        let report = self.broadcast_change(self.large_change(version));
        assert_eq!((report.deliveries, &report.behind), (0, &vec![]));
        expect_one(report.renderings)
    }

    /// Ends a rendering of `rendered` while its users have `free` of 9 bytes left.
    fn end(
        &mut self,
        rendering: &AudienceRendering,
        rendered: Result<&'static str, RenderError>,
        free: usize,
    ) -> Option<BroadcastReport> {
        let rendered = rendered.map(|text| Bytes::from_static(text.as_bytes()));
        let bounds = MemoryBounds { of_user: 9, of_node: usize::MAX };
        let memory = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
        let events = LargeEvents::new(memory.clone());
        let mut held = vec![];
        for user in &rendering.users {
            let mut claim = memory.open(Party::User(*user));
            claim.claim(9 - free).unwrap();
            held.push(claim);
        }
        let ended =
            self.audiences.end_rendering(&rendering.audience, rendering.id, rendered, &events);
        ended.map(|(_, report)| report)
    }

    fn replay(&mut self, versions: impl IntoIterator<Item = i64>) -> ReplayOutcome {
        let changes: Vec<_> = versions.into_iter().map(|version| self.change(version)).collect();
        self.audiences.replay(self.seat, &changes, false)
    }

    fn next(&self) -> Option<i64> {
        self.audiences.backlog(self.seat).map(|backlog| backlog.next.number())
    }

    /// Returns what the socket takes.
    fn sent(&mut self) -> String {
        use futures_util::Stream as _;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut sent = Vec::new();
        while let std::task::Poll::Ready(Some(chunk)) =
            std::pin::Pin::new(&mut self.body).poll_next(&mut cx)
        {
            sent.extend_from_slice(&chunk);
        }
        String::from_utf8(sent).unwrap()
    }
}

fn expect_one<T>(items: Vec<T>) -> T {
    let [item] = <[T; 1]>::try_from(items).unwrap_or_else(|items| panic!("{}", items.len()));
    item
}

#[test]
fn a_live_subscriber_receives_each_change() {
    for since in [None, Some(10)] {
        let mut f = subscribed(since);
        f.broadcast(11);
        f.broadcast(12);
        assert_eq!((f.sent().as_str(), f.next()), ("11,12,", None));
    }
}

#[test]
fn a_replay_and_later_changes_arrive_once_and_in_order() {
    let mut f = subscribed(Some(7));
    assert_eq!(f.next(), Some(8));
    f.broadcast(11);
    assert!(matches!(f.replay([8, 9, 10]), ReplayOutcome::All));
    f.sent();
    assert_eq!(f.next(), Some(11), "behind until it has the head");
    assert!(matches!(f.replay([11]), ReplayOutcome::All));
    f.audiences.mark_live(f.seat);
    f.broadcast(12);
    assert_eq!((f.sent().as_str(), f.next()), ("11,12,", None));
}

#[test]
fn a_full_outbox_puts_the_subscriber_behind_and_the_replay_continues_there() {
    let mut f = subscribed(None);
    // Ten bytes fit.
    f.broadcast(11);
    assert_eq!(f.sent(), "11,");
    for version in 12..16 {
        assert!(f.broadcast(version).behind.is_empty());
    }
    assert_eq!(f.broadcast(16).behind, [f.seat]);
    assert_eq!((f.next(), f.outbox.bytes()), (Some(12), 0));
    // Half of the outbox is left to other frames.
    assert!(matches!(f.replay(12..17), ReplayOutcome::Full));
    assert_eq!((f.sent().as_str(), f.next()), ("12,13,", Some(14)));
    // Changes that were read are not read again.
    let unsent = f.audiences.take_unsent(f.seat).unwrap();
    assert_eq!(
        unsent.iter().map(|change| change.version.number()).collect::<Vec<_>>(),
        [14, 15, 16]
    );
    assert!(f.audiences.take_unsent(f.seat).is_none());
    assert!(matches!(f.audiences.replay(f.seat, &unsent[..2], false), ReplayOutcome::All));
    assert_eq!(f.sent(), "14,15,");
}

#[test]
fn a_resynchronised_subscriber_receives_no_older_change() {
    let mut f = subscribed(Some(0));
    let resync = Change { kind: ChangeKind::Resync, ..(*f.change(12)).clone() };
    assert!(matches!(f.audiences.replay(f.seat, &[Arc::new(resync)], false), ReplayOutcome::All));
    f.audiences.mark_live(f.seat);
    // Stored before the text was read, broadcast after it.
    f.broadcast(11);
    f.broadcast(12);
    f.broadcast(13);
    assert_eq!(f.sent(), "12,13,");
}

#[test]
fn an_evicted_subscriber_receives_the_reason_and_no_later_change() {
    for reason in [SeatEnd::Overflow, SeatEnd::Broken, SeatEnd::Revoked] {
        let mut f = subscribed(None);
        f.broadcast(11);
        f.audiences.evict(f.seat, reason);
        assert_eq!(f.broadcast(12).deliveries, 0);
        assert_eq!(f.sent(), "end", "{reason:?}: the queued change is dropped too");
    }
}

#[test]
fn a_gap_puts_live_subscribers_behind_once() {
    let mut f = subscribed(None);
    f.broadcast(11);
    assert_eq!(f.audiences.fall_behind(Version::new(11)), [f.seat]);
    assert_eq!(f.audiences.fall_behind(Version::new(11)), [], "once");
    f.broadcast(15);
    assert_eq!((f.sent().as_str(), f.next()), ("11,", Some(12)));
}

#[test]
fn a_subscriber_ahead_of_the_room_receives_only_newer_changes() {
    let mut f = subscribed(Some(12));
    for version in 11..=13 {
        f.broadcast(version);
    }
    assert_eq!((f.sent().as_str(), f.next()), ("13,", None));
}

#[test]
fn changes_wait_for_a_large_one_that_is_rendered_elsewhere() {
    let mut f = subscribed(None);
    f.broadcast(11);
    let rendering = f.begin(12);
    assert_eq!(rendering.users.len(), 1);
    for version in 13..15 {
        assert!(f.broadcast(version).renderings.is_empty());
    }
    assert_eq!(f.sent(), "11,", "nothing is rendered in the room's turn");
    assert_eq!(f.end(&rendering, Ok("12"), 9).unwrap().deliveries, 3);
    assert_eq!(f.sent(), "<12>13,14,");
    f.broadcast(15);
    assert_eq!((f.sent().as_str(), f.next()), ("15,", None));
    assert!(f.end(&rendering, Ok("12"), 9).is_none(), "once");
}

#[test]
fn large_changes_are_rendered_one_after_the_other() {
    let mut f = subscribed(None);
    let first = f.begin(11);
    for version in [12, 13] {
        let report = f.broadcast_change(f.large_change(version));
        assert!(report.renderings.is_empty(), "it waits");
    }
    f.broadcast(14);
    let second = expect_one(f.end(&first, Ok("11"), 9).unwrap().renderings);
    assert_eq!(f.sent(), "<11>");
    let third = expect_one(f.end(&second, Ok("12"), 9).unwrap().renderings);
    assert!(f.end(&third, Ok("13"), 9).unwrap().renderings.is_empty());
    assert_eq!((f.sent().as_str(), f.next()), ("<12><13>14,", None));
}

#[test]
fn nothing_large_is_rendered_for_a_full_outbox() {
    let mut f = subscribed(None);
    for version in 11..15 {
        f.broadcast(version);
    }
    let report = f.broadcast_change(f.large_change(15));
    assert!(report.renderings.is_empty());
    assert_eq!((report.behind, f.next()), (vec![f.seat], Some(11)));
}

#[test]
fn subscribers_are_behind_from_a_large_change_on_that_they_cannot_be_sent() {
    // There was no turn, the user has no memory, or too many changes wait.
    type End = fn(&mut Fixture, &AudienceRendering) -> Vec<SeatId>;
    let ends: [End; 4] = [
        |f, rendering| f.end(rendering, Err(RenderError::Busy), 9).unwrap().behind,
        |f, rendering| f.end(rendering, Ok("11"), 1).unwrap().behind,
        |f, _| (12..1_100).flat_map(|version| f.broadcast(version).behind).collect(),
        |f, _| f.audiences.fall_behind(Version::new(12)),
    ];
    for end in ends {
        let mut f = subscribed(None);
        let rendering = f.begin(11);
        f.broadcast(12);
        assert_eq!((end(&mut f, &rendering), f.next()), (vec![f.seat], Some(11)));
        assert!(f.end(&rendering, Ok("11"), 9).is_none(), "it is not wanted any more");
        f.broadcast(1_100);
        assert_eq!(f.sent(), "");
    }
}

#[test]
fn a_rendering_ends_with_its_change_or_its_subscribers() {
    type End = fn(&mut Fixture);
    let ends: [(End, &str); 3] = [
        (|f| assert_eq!(f.audiences.restart(), [f.seat]), ""),
        (|f| f.audiences.remove(f.seat), ""),
        (|f| f.audiences.evict(f.seat, SeatEnd::Revoked), "end"),
    ];
    for (end, sent) in ends {
        let mut f = subscribed(None);
        let rendering = f.begin(11);
        end(&mut f);
        assert!(f.end(&rendering, Ok("11"), 9).is_none());
        assert_eq!(f.sent(), sent);
    }
}

#[test]
fn an_audience_that_cannot_be_rendered_elsewhere_is_broken() {
    let mut f = subscribed(None);
    let rendering = f.begin(11);
    f.broadcast(12);
    let report = f.end(&rendering, Err(RenderError::Repetitive), 9).unwrap();
    assert_eq!(report.broken, [(f.seat, RenderError::Repetitive)]);
    assert_eq!(f.sent(), "");
}

#[test]
fn a_deletion_does_not_wait_for_a_large_change() {
    let mut f = subscribed(None);
    let _rendering = f.begin(11);
    let deleted = Change { kind: ChangeKind::Deleted, ..(*f.change(12)).clone() };
    f.broadcast_change(Arc::new(deleted));
    assert_eq!(f.sent(), "12,");
}

#[test]
fn a_large_change_of_a_replay_is_rendered_elsewhere() {
    let mut f = subscribed(Some(7));
    let changes = [f.change(8), f.large_change(9), f.change(10)];
    let replayed = f.audiences.replay(f.seat, &changes, false);
    let ReplayOutcome::Large(event) = replayed else { panic!("rendered in the room's turn") };
    assert_eq!((event.bytes, f.sent().as_str(), f.next()), (100_000, "8,", Some(9)));
    let rendered = Bytes::from_static(b"9");
    // The subscribers have begun again meanwhile.
    let stale = f.audiences.replay_rendered(f.seat, &changes[1], rendered.clone(), 1);
    assert!(matches!(stale, ReplayOutcome::All));
    assert_eq!((f.sent().as_str(), f.next()), ("", Some(9)));

    let replayed = f.audiences.replay_rendered(f.seat, &changes[1], rendered, 0);
    assert!(matches!(replayed, ReplayOutcome::All));
    assert_eq!((f.sent().as_str(), f.next()), ("<9>", Some(10)));
    let unsent = f.audiences.take_unsent(f.seat).unwrap();
    assert!(matches!(f.audiences.replay(f.seat, &unsent, false), ReplayOutcome::All));
    assert_eq!(f.sent(), "10,");
}
