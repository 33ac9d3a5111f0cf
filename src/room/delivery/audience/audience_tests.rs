use std::sync::Arc;

use super::*;
use crate::{
    domain::{DocumentId, SessionId, User, UserId, examples::title_change},
    outbox::{Outbox, OutboxBody, OutboxOptions, OutboxTotals},
    room::members::seat::Subscriber,
};

/// Renders the version of a change.
struct Versions;

impl Render for Versions {
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError> {
        let Event::Changed(change) = event.event() else {
            return Err(RenderError::Failed("no change".into()));
        };
        Ok(Bytes::from(format!("{},", change.version)))
    }

    fn wants_content(&self) -> bool {
        false
    }

    fn frame(&self, rendered: &Bytes, _: &OperationId) -> Bytes {
        rendered.clone()
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
    body: OutboxBody,
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
    let subscriber = Subscriber { session, user, outbox: outbox.clone() };
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
        let change = self.change(version);
        self.audiences.broadcast(change.origin().unwrap(), &Event::Changed(change))
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
        use actix_web::body::MessageBody as _;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut sent = Vec::new();
        while let std::task::Poll::Ready(Some(Ok(chunk))) =
            std::pin::Pin::new(&mut self.body).poll_next(&mut cx)
        {
            sent.extend_from_slice(&chunk);
        }
        String::from_utf8(sent).unwrap()
    }
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
