use super::*;
use crate::outbox::InFlightCount;

#[path = "queue_memory_tests.rs"]
mod memory;

const BOUND: usize = 100;

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A frame of `length` bytes.
fn long(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}

struct Fixture {
    queue: Queue,
    now: Instant,
    seat: SeatId,
    ana: SessionId,
    bo: SessionId,
    version: Version,
}

impl Fixture {
    fn new() -> Self {
        Self {
            queue: Queue::new(BOUND),
            now: Instant::now(),
            seat: SeatId::new(),
            ana: SessionId::new(),
            bo: SessionId::new(),
            version: Version::default(),
        }
    }

    fn reply(&mut self, frame: Bytes) -> PushOutcome {
        self.queue.reply(frame, None, self.now).outcome
    }

    fn cursor(&mut self, about: SessionId, text: &str) -> PushOutcome {
        self.queue.cursor(self.seat, about, frame(text), self.now).outcome
    }

    fn joined(&mut self, about: SessionId, text: &str) -> PushOutcome {
        let kind = PresenceChangeKind::Joined;
        self.queue.presence(self.seat, about, kind, frame(text), self.now).outcome
    }

    fn left(&mut self, about: SessionId, text: &str) -> PushOutcome {
        let kind = PresenceChangeKind::Left;
        self.queue.presence(self.seat, about, kind, frame(text), self.now).outcome
    }

    fn change(&mut self, seat: SeatId, frame: Bytes) -> PushOutcome {
        self.version = self.version.next();
        self.queue.change(seat, self.version, frame, self.now).outcome
    }

    /// Takes everything that is queued, as the socket does.
    fn sent(&mut self) -> String {
        let chunks: Vec<u8> = std::iter::from_fn(|| self.queue.take(self.now)).flatten().collect();
        assert_eq!(self.queue.bytes(), 0);
        String::from_utf8(chunks).expect("text")
    }
}

#[test]
fn frames_leave_in_the_order_in_which_they_were_pushed() {
    let mut f = Fixture::new();
    assert_eq!(f.reply(frame("1")), PushOutcome::Queued);
    assert_eq!(f.change(f.seat, frame("2")), PushOutcome::Queued);
    assert_eq!(f.cursor(f.ana, "3"), PushOutcome::Queued);
    assert_eq!(f.joined(f.bo, "4"), PushOutcome::Queued);
    assert_eq!(f.queue.beat(Beat::Pong, frame("5"), f.now).outcome, PushOutcome::Queued);
    assert_eq!(f.queue.bytes(), 5);
    assert_eq!(f.sent(), "12345");
}

#[test]
fn a_newer_cursor_replaces_an_older_one() {
    let mut f = Fixture::new();
    let other = SeatId::new();
    assert_eq!(f.cursor(f.ana, "ana1 "), PushOutcome::Queued);
    assert_eq!(f.cursor(f.bo, "bo1 "), PushOutcome::Queued);
    assert_eq!(f.queue.cursor(other, f.ana, frame("other "), f.now).outcome, PushOutcome::Queued);
    assert_eq!(f.cursor(f.ana, "ana2! "), PushOutcome::Replaced);
    assert_eq!(f.queue.bytes(), "ana2! bo1 other ".len());
    assert_eq!(f.sent(), "ana2! bo1 other ");
    assert_eq!(f.cursor(f.ana, "ana3"), PushOutcome::Queued, "the one before has left");
}

#[test]
fn a_full_queue_drops_a_cursor_unless_it_replaces_one() {
    let mut f = Fixture::new();
    assert_eq!(f.cursor(f.ana, "ana1"), PushOutcome::Queued);
    assert_eq!(f.reply(long(BOUND)), PushOutcome::Queued);
    assert_eq!(f.cursor(f.bo, "bo"), PushOutcome::Dropped);
    assert_eq!(f.cursor(f.ana, "longer"), PushOutcome::Dropped);
    assert_eq!(f.cursor(f.ana, "ana2"), PushOutcome::Replaced);
    assert!(f.sent().starts_with("ana2xxx"));
}

#[test]
fn a_queued_join_and_the_leave_after_it_cancel_out() {
    let mut f = Fixture::new();
    assert_eq!(f.joined(f.ana, "+ana"), PushOutcome::Queued);
    assert_eq!(f.joined(f.bo, "+bo"), PushOutcome::Queued);
    assert_eq!(f.left(f.ana, "-ana"), PushOutcome::Cancelled);
    assert_eq!(f.queue.bytes(), 3);
    assert_eq!(f.sent(), "+bo");
    assert_eq!(f.left(f.bo, "-bo"), PushOutcome::Queued, "the join has left");
}

#[test]
fn a_leave_and_a_join_after_it_are_both_kept() {
    let mut f = Fixture::new();
    assert_eq!(f.left(f.ana, "-ana"), PushOutcome::Queued);
    assert_eq!(f.joined(f.ana, "+ana"), PushOutcome::Queued);
    assert_eq!(f.left(f.ana, "-ana2"), PushOutcome::Cancelled);
    assert_eq!(f.joined(f.ana, "+ana3"), PushOutcome::Queued);
    assert_eq!(f.sent(), "-ana+ana3");
}

#[test]
fn a_join_that_is_pushed_twice_is_sent_once() {
    let mut f = Fixture::new();
    assert_eq!(f.joined(f.ana, "+a"), PushOutcome::Queued);
    assert_eq!(f.joined(f.ana, "+b"), PushOutcome::Replaced);
    assert_eq!(f.left(f.ana, "-"), PushOutcome::Cancelled);
    assert!(f.queue.is_empty());
}

#[test]
fn a_seat_falls_behind_from_its_first_queued_change() {
    let mut f = Fixture::new();
    let other = SeatId::new();
    assert_eq!(f.change(other, frame("other")), PushOutcome::Queued);
    assert_eq!(f.queue.lasting(f.seat, frame("kept"), f.now).outcome, PushOutcome::Queued);
    assert_eq!(f.change(f.seat, frame("a")), PushOutcome::Queued);
    assert_eq!(f.change(f.seat, long(BOUND)), PushOutcome::Queued);
    assert_eq!(f.cursor(f.ana, "cursor"), PushOutcome::Dropped);
    assert_eq!(f.change(f.seat, frame("next")), PushOutcome::Behind(Version::new(2)));
    assert_eq!(f.queue.bytes(), "otherkept".len());
    assert!(f.queue.is_low());
    let ended = f.queue.end_seat(f.seat, Some(frame("error")), f.now);
    assert_eq!(ended.outcome, PushOutcome::Queued);
    assert_eq!(f.sent(), "othererror");
}

#[test]
fn a_full_queue_overflows_on_presence_unless_a_leave_cancels_a_join() {
    let mut f = Fixture::new();
    assert_eq!(f.joined(f.ana, "+ana"), PushOutcome::Queued);
    assert_eq!(f.reply(long(BOUND)), PushOutcome::Queued);
    assert_eq!(f.left(f.ana, "-ana"), PushOutcome::Cancelled);
    assert_eq!(f.joined(f.ana, "+ana"), PushOutcome::Overflow);
    assert_eq!(f.left(f.bo, "-bo"), PushOutcome::Overflow);
    assert_eq!(f.queue.bytes(), BOUND);
}

#[test]
fn ending_a_seat_removes_its_queued_frames() {
    let mut f = Fixture::new();
    let other = SeatId::new();
    assert_eq!(f.change(f.seat, frame("a")), PushOutcome::Queued);
    assert_eq!(f.change(other, frame("b")), PushOutcome::Queued);
    assert_eq!(f.cursor(f.ana, "c"), PushOutcome::Queued);
    assert_eq!(f.queue.cursor(other, f.ana, frame("d"), f.now).outcome, PushOutcome::Queued);
    assert_eq!(f.joined(f.ana, "e"), PushOutcome::Queued);
    assert_eq!(f.left(f.bo, "f"), PushOutcome::Queued);
    assert_eq!(f.reply(frame("g")), PushOutcome::Queued);
    assert_eq!(f.queue.end_seat(f.seat, None, f.now).outcome, PushOutcome::Cancelled);
    assert_eq!(f.queue.cursor(other, f.ana, frame("D"), f.now).outcome, PushOutcome::Replaced);
    assert_eq!(f.sent(), "bDg");
}

#[test]
fn replies_are_queued_beyond_the_bound() {
    let mut f = Fixture::new();
    for _ in 0..3 {
        assert_eq!(f.reply(long(BOUND)), PushOutcome::Queued);
    }
    assert!(f.queue.is_full());
    assert_eq!(f.sent().len(), 3 * BOUND);
}

#[test]
fn an_operation_is_in_flight_until_its_reply_has_left() {
    let mut f = Fixture::new();
    let count = InFlightCount::default();
    for text in ["a", "b"] {
        let pushed = f.queue.reply(frame(text), Some(count.enter(1)), f.now);
        assert_eq!(pushed.outcome, PushOutcome::Queued);
    }
    assert_eq!(f.reply(long(MIN_LARGE_FRAME_BYTES)), PushOutcome::Queued);
    let pushed = f.queue.reply(frame("c"), Some(count.enter(1)), f.now);
    assert_eq!(pushed.outcome, PushOutcome::Queued);
    assert_eq!(count.current(), 3);
    assert_eq!(f.queue.take(f.now), Some(frame("ab")));
    assert_eq!(count.current(), 1);
    f.queue.abandon();
    assert_eq!(count.current(), 0);
}

#[test]
fn only_the_newest_heartbeat_frame_of_each_kind_is_queued() {
    let mut f = Fixture::new();
    for text in ["a1", "a2", "a3"] {
        let _newest = f.queue.beat(Beat::Pong, frame(text), f.now);
    }
    assert_eq!(f.queue.beat(Beat::Ping, frame("b"), f.now).outcome, PushOutcome::Queued);
    assert_eq!(f.sent(), "a3b");
}

#[test]
fn an_empty_queue_accepts_a_frame_of_any_size() {
    let mut f = Fixture::new();
    assert_eq!(f.change(f.seat, long(50 * BOUND)), PushOutcome::Queued);
    assert!(f.queue.is_full());
    assert_eq!(f.sent().len(), 50 * BOUND);
    assert!(!f.queue.is_full());
    let mut unbounded = Queue::new(0);
    assert!(!unbounded.is_full());
    assert_eq!(
        unbounded.change(f.seat, Version::FIRST, frame("a"), f.now).outcome,
        PushOutcome::Queued
    );
}

#[test]
fn reaching_the_bound_is_reported_once_until_the_queue_has_drained() {
    let mut f = Fixture::new();
    let half = MIN_LARGE_FRAME_BYTES;
    f.queue = Queue::new(2 * half);
    assert!(!f.queue.reply(long(half), None, f.now).reached_limit);
    assert!(f.queue.reply(long(half), None, f.now).reached_limit);
    assert!(!f.queue.reply(long(half), None, f.now).reached_limit, "already reported");

    assert!(f.queue.take(f.now).is_some() && !f.queue.is_low());
    assert!(!f.queue.reply(frame("x"), None, f.now).reached_limit, "more than half is queued");

    assert!(f.queue.take(f.now).is_some() && !f.queue.is_low());
    assert!(f.queue.take(f.now).is_some() && f.queue.is_low());
    assert!(!f.queue.reply(long(half), None, f.now).reached_limit);
    assert!(f.queue.reply(long(half), None, f.now).reached_limit, "it has drained in between");
}

#[test]
fn removing_queued_changes_is_not_draining() {
    let mut f = Fixture::new();
    assert!(!f.queue.change(f.seat, Version::FIRST, long(BOUND / 2), f.now).reached_limit);
    assert!(f.queue.change(f.seat, Version::FIRST, long(BOUND / 2), f.now).reached_limit);
    let behind = f.queue.change(f.seat, Version::FIRST, frame("y"), f.now);
    assert_eq!(behind.outcome, PushOutcome::Behind(Version::FIRST));
    assert!(f.queue.is_empty());

    assert!(!f.queue.change(f.seat, Version::FIRST, long(BOUND), f.now).reached_limit);
    assert!(!f.queue.change(f.seat, Version::FIRST, frame("z"), f.now).reached_limit);
}

#[test]
fn a_single_large_frame_does_not_report_the_bound() {
    let mut f = Fixture::new();
    assert!(!f.queue.change(f.seat, Version::FIRST, long(2 * BOUND), f.now).reached_limit);
    assert_eq!(f.sent().len(), 2 * BOUND);
    assert!(!f.queue.reply(long(BOUND), None, f.now).reached_limit);
    let refused = f.queue.cursor(f.seat, f.ana, frame("x"), f.now);
    assert_eq!(refused, Pushed { outcome: PushOutcome::Dropped, reached_limit: true });
}

#[test]
fn a_large_frame_among_small_ones_does_not_report_the_bound() {
    for large in [BOUND - 10, 10 * BOUND] {
        let mut f = Fixture::new();
        assert!(!f.queue.reply(frame("before"), None, f.now).reached_limit);
        assert!(!f.queue.lasting(f.seat, long(large), f.now).reached_limit);
        assert!(!f.queue.lasting(f.seat, frame("after"), f.now).reached_limit);
        assert!(f.queue.is_full());

        assert!(f.queue.reply(long(BOUND / 2), None, f.now).reached_limit, "more than a moment");
    }
}

#[test]
fn a_close_frame_follows_queued_frames_and_is_the_last() {
    let mut f = Fixture::new();
    assert_eq!(f.reply(frame("reply ")), PushOutcome::Queued);
    let closing = f.queue.close(frame("close"), Closing::AfterWaiting, f.now);
    assert_eq!(closing.outcome, PushOutcome::Queued);
    assert!(!f.queue.is_open() && !f.queue.is_over());
    assert_eq!(f.reply(frame("late")), PushOutcome::Closed);
    assert_eq!(f.cursor(f.ana, "late"), PushOutcome::Closed);
    assert_eq!(f.queue.end_seat(f.seat, Some(frame("late")), f.now).outcome, PushOutcome::Closed);
    let again = f.queue.close(frame("again"), Closing::AfterWaiting, f.now);
    assert_eq!(again.outcome, PushOutcome::Closed);
    assert_eq!(f.sent(), "reply close");
    assert!(f.queue.is_over());
    let late = f.queue.close(frame("late"), Closing::AtOnce, f.now);
    assert_eq!(late.outcome, PushOutcome::Closed);
    assert_eq!(f.queue.take(f.now), None);
}

#[test]
fn an_immediate_close_frame_replaces_queued_frames() {
    let mut f = Fixture::new();
    let count = InFlightCount::default();
    let pushed = f.queue.reply(frame("reply"), Some(count.enter(1)), f.now);
    assert_eq!(pushed.outcome, PushOutcome::Queued);
    let closing = f.queue.close(frame("polite"), Closing::AfterWaiting, f.now);
    assert_eq!(closing.outcome, PushOutcome::Queued);
    let closing = f.queue.close(frame("now"), Closing::AtOnce, f.now);
    assert_eq!(closing.outcome, PushOutcome::Queued);
    assert_eq!(count.current(), 0);
    assert_eq!(f.sent(), "now");
    assert!(f.queue.is_over());
}

#[test]
fn a_lost_connection_frees_and_refuses_all_frames() {
    let mut f = Fixture::new();
    assert_eq!(f.reply(frame("reply")), PushOutcome::Queued);
    f.queue.abandon();
    assert_eq!((f.queue.bytes(), f.queue.is_over()), (0, true));
    assert_eq!(f.change(f.seat, frame("late")), PushOutcome::Closed);
    assert_eq!(f.queue.take(f.now), None);
}

#[test]
fn a_stall_is_measured_from_the_last_taken_chunk() {
    let mut f = Fixture::new();
    let at = |seconds| f.now + Duration::from_secs(seconds);
    let start = at(0);
    let (ten, thirty, forty) = (at(10), at(30), at(40));
    assert_eq!(f.queue.stalled_for(forty), Duration::ZERO);
    let _first = f.queue.reply(long(MIN_LARGE_FRAME_BYTES), None, ten);
    let _second = f.queue.reply(frame("more"), None, thirty);
    assert_eq!(f.queue.stalled_for(forty), Duration::from_secs(30));
    assert_eq!(f.queue.take(thirty), Some(long(MIN_LARGE_FRAME_BYTES)));
    assert_eq!(f.queue.stalled_for(forty), Duration::from_secs(10));
    assert_eq!(f.queue.take(forty), Some(frame("more")));
    assert_eq!(f.queue.stalled_for(at(999)), Duration::ZERO);
    assert_eq!(f.queue.stalled_for(start), Duration::ZERO);
}

#[test]
fn frames_that_cancel_out_end_a_stall() {
    let mut f = Fixture::new();
    let later = f.now + Duration::from_secs(5);
    assert_eq!(f.joined(f.ana, "+"), PushOutcome::Queued);
    assert_eq!(f.left(f.ana, "-"), PushOutcome::Cancelled);
    assert_eq!(f.queue.stalled_for(later), Duration::ZERO);
}

#[test]
fn small_frames_are_joined_and_large_ones_are_not_copied() {
    let mut f = Fixture::new();
    let large = long(MIN_LARGE_FRAME_BYTES);
    for frame in [frame("a"), frame("b"), large.clone(), frame("c")] {
        assert_eq!(f.reply(frame), PushOutcome::Queued);
    }
    assert_eq!(f.queue.take(f.now), Some(frame("ab")));
    let taken = f.queue.take(f.now).expect("the large one");
    assert_eq!(taken.as_ptr(), large.as_ptr());
    assert_eq!(f.queue.take(f.now), Some(frame("c")));

    for _ in 0..40 {
        assert_eq!(f.reply(long(1000)), PushOutcome::Queued);
    }
    let chunk = f.queue.take(f.now).expect("a chunk");
    assert_eq!(chunk.len(), 16_000);
}
