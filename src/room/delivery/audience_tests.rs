use std::sync::Arc;

use super::*;
use crate::{
    domain::{DocumentId, SessionId, User, UserId, examples::renaming},
    outbox::{Outbox, OutboxBody, OutboxOptions, OutboxTotals},
    room::Seat,
};

/// Shows the version and nothing else.
struct Versions;

impl Render for Versions {
    fn render(&mut self, event: &Event) -> Result<Bytes, RenderError> {
        let Event::Changed(change) = event else { return Err(RenderError("no change".into())) };
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
    shared: Outbox,
    body: OutboxBody,
}

/// Somebody in a document at version 10 who has everything up to `since`.
fn seated(since: Option<i64>) -> Fixture {
    let (document, session) = (DocumentId::new(), SessionId::new());
    let author = User { id: UserId::new(), name: "Ana".into() };
    let (shared, body) =
        Outbox::new(session, OutboxOptions { bound: 10 }, Arc::new(OutboxTotals::default()));
    let reader = User { id: UserId::new(), name: "Bo".into() };
    let seat = Arc::new(Seat::new(document, Topic::Changes, session, reader));
    let id = seat.id;
    assert!(shared.open_seat(id));
    let key = AudienceKey {
        topic: Topic::Changes,
        operation: "changes".into(),
        name: None,
        variables: "{}".into(),
    };
    let tag = OperationId::new("1").unwrap();
    let place = Place { seat, outbox: shared.clone(), tag: Some(tag), ended: None };
    let mut audiences = Audiences::new(Metrics::new());
    let make = Box::new(|| Box::new(Versions) as Box<dyn Render>);
    audiences.seat(key, place, since.map(Version::new), Version::new(10), make);
    Fixture { audiences, seat: id, author, shared, body }
}

impl Fixture {
    fn change(&self, version: i64) -> Arc<Change> {
        Arc::new(Change { author: Some(self.author.clone()), ..renaming(version) })
    }

    fn tell(&mut self, version: i64) -> BroadcastReport {
        let change = self.change(version);
        self.audiences.tell(change.origin().unwrap(), &Event::Changed(change))
    }

    fn replay(&mut self, versions: impl IntoIterator<Item = i64>) -> ReplayOutcome {
        let changes: Vec<_> = versions.into_iter().map(|version| self.change(version)).collect();
        self.audiences.replay(self.seat, &changes)
    }

    fn next(&self) -> Option<i64> {
        self.audiences.behind(self.seat).map(|(next, _, _)| next.number())
    }

    /// What the socket takes.
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
fn a_seat_that_has_everything_is_told_of_what_comes() {
    for since in [None, Some(10)] {
        let mut f = seated(since);
        f.tell(11);
        f.tell(12);
        assert_eq!((f.sent().as_str(), f.next()), ("11,12,", None));
    }
}

#[test]
fn a_replay_and_what_happens_meanwhile_come_once_and_in_order() {
    let mut f = seated(Some(7));
    assert_eq!(f.next(), Some(8));
    f.tell(11);
    assert!(matches!(f.replay([8, 9, 10]), ReplayOutcome::All));
    f.sent();
    assert_eq!(f.next(), Some(11), "not live before it has the head");
    assert!(matches!(f.replay([11]), ReplayOutcome::All));
    f.audiences.caught_up(f.seat);
    f.tell(12);
    assert_eq!((f.sent().as_str(), f.next()), ("11,12,", None));
}

#[test]
fn a_seat_whose_outbox_is_full_goes_on_where_it_was() {
    let mut f = seated(None);
    // Ten bytes fit.
    f.tell(11);
    assert_eq!(f.sent(), "11,");
    for version in 12..16 {
        assert!(f.tell(version).behind.is_empty());
    }
    assert_eq!(f.tell(16).behind, [f.seat]);
    assert_eq!((f.next(), f.shared.bytes()), (Some(12), 0));
    // Half of it is left to others.
    assert!(matches!(f.replay(12..17), ReplayOutcome::Full));
    assert_eq!((f.sent().as_str(), f.next()), ("12,13,", Some(14)));
    // What was read for it is not read again.
    let rest = f.audiences.take_rest(f.seat).unwrap();
    assert_eq!(rest.iter().map(|change| change.version.number()).collect::<Vec<_>>(), [14, 15, 16]);
    assert!(f.audiences.take_rest(f.seat).is_none());
    assert!(matches!(f.audiences.replay(f.seat, &rest[..2]), ReplayOutcome::All));
    assert_eq!(f.sent(), "14,15,");
}

#[test]
fn whoever_started_again_from_a_newer_text_is_not_told_of_it_once_more() {
    let mut f = seated(Some(0));
    let resync = Change { kind: ChangeKind::Resync, ..(*f.change(12)).clone() };
    assert!(matches!(f.audiences.replay(f.seat, &[Arc::new(resync)]), ReplayOutcome::All));
    f.audiences.caught_up(f.seat);
    // These were stored before the text was read, and are told only now.
    f.tell(11);
    f.tell(12);
    f.tell(13);
    assert_eq!(f.sent(), "12,13,");
}

#[test]
fn after_a_gap_everybody_is_sent_the_rest_from_the_log() {
    let mut f = seated(None);
    f.tell(11);
    assert_eq!(f.audiences.all_behind(Version::new(11)), [f.seat]);
    assert_eq!(f.audiences.all_behind(Version::new(11)), [], "once");
    f.tell(15);
    assert_eq!((f.sent().as_str(), f.next()), ("11,", Some(12)));
}

#[test]
fn who_knows_more_than_was_told_yet_is_told_of_what_is_new_to_him() {
    let mut f = seated(Some(12));
    for version in 11..=13 {
        f.tell(version);
    }
    assert_eq!((f.sent().as_str(), f.next()), ("13,", None));
}
