use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use futures_util::Stream as _;

use super::*;
use crate::{
    domain::{PresenceChangeKind, Version},
    metrics::Metrics,
    outbox::{InFlightCount, PushOutcome},
};

#[path = "handle_log_tests.rs"]
mod log;

const BOUND: usize = 10;

/// A waker that counts how often it is woken.
#[derive(Default)]
struct WakeCounter(AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl WakeCounter {
    fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn open() -> (Outbox, OutboxChunks, Arc<OutboxTotals>) {
    let totals = Arc::new(OutboxTotals::default());
    let (outbox, body) =
        Outbox::new(SessionId::new(), OutboxOptions { bound: BOUND }, Arc::clone(&totals));
    (outbox, body, totals)
}

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn poll(body: &mut OutboxChunks, waker: &Waker) -> Poll<Option<Bytes>> {
    pin!(body).poll_next(&mut Context::from_waker(waker))
}

fn capacity(outbox: &Outbox, waker: &Waker) -> Poll<()> {
    outbox.poll_capacity(&mut Context::from_waker(waker))
}

#[test]
fn an_outbox_may_be_used_from_any_thread() {
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Outbox>();
}

#[test]
fn an_idle_outbox_is_small() {
    assert!(size_of::<OutboxShared>() <= 272, "{} bytes", size_of::<OutboxShared>());
    assert!(size_of::<OutboxChunks>() <= 8, "{} bytes", size_of::<OutboxChunks>());
}

#[test]
fn the_socket_is_woken_once_until_it_polls_again() {
    let (outbox, mut body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    assert_eq!(poll(&mut body, &waker), Poll::Pending);

    assert_eq!(outbox.reply(frame("a"), None).outcome, PushOutcome::Queued);
    assert_eq!(outbox.reply(frame("b"), None).outcome, PushOutcome::Queued);
    assert_eq!(wakes.count(), 1, "it has not polled yet");
    assert_eq!(poll(&mut body, &waker), Poll::Ready(Some(frame("ab"))));
    assert_eq!(poll(&mut body, &waker), Poll::Pending);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn frames_of_a_seat_are_accepted_while_it_is_open() {
    let (outbox, mut body, _totals) = open();
    let (seat, about) = (SeatId::new(), SessionId::new());
    let left = PresenceChangeKind::Left;
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("0").into())).outcome,
        PushOutcome::Closed,
        "not open yet"
    );
    assert!(outbox.open_seat(seat));
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("1").into())).outcome,
        PushOutcome::Queued
    );
    outbox.end_seat(seat, Some(frame("2")));
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("x").into())).outcome,
        PushOutcome::Closed,
        "ended"
    );
    let seat = SeatId::new();
    assert!(outbox.open_seat(seat));
    assert_eq!(
        outbox.send(seat, SeatFrame::Cursor(about, frame("3"))).outcome,
        PushOutcome::Queued
    );
    assert_eq!(
        outbox.send(seat, SeatFrame::Presence(about, left, frame("4"))).outcome,
        PushOutcome::Queued
    );
    assert_eq!(outbox.beat(Beat::Ping, frame("5")).outcome, PushOutcome::Queued);
    assert_eq!((outbox.bytes(), outbox.is_full(), outbox.is_open()), (4, false, true));
    outbox.finish_seat(seat, frame("6"));
    assert_eq!(
        outbox.send(seat, SeatFrame::Cursor(about, frame("x"))).outcome,
        PushOutcome::Closed,
        "finished"
    );
    assert_eq!(poll(&mut body, Waker::noop()), Poll::Ready(Some(frame("23456"))));
}

#[test]
fn frames_that_a_full_outbox_would_refuse_are_refused_before_they_are_made() {
    let (outbox, _body, _totals) = open();
    let [seat, other] = [(); 2].map(|()| SeatId::new());
    let [ana, bo] = [(); 2].map(|()| SessionId::new());
    assert!(outbox.open_seat(seat) && outbox.open_seat(other));
    let cursor = |about| SeatFrame::Cursor(about, Bytes::new());
    let presence = |about, kind| SeatFrame::Presence(about, kind, Bytes::new());
    let (joined, left) = (PresenceChangeKind::Joined, PresenceChangeKind::Left);

    assert_eq!(outbox.refuse(seat, cursor(ana)), None, "there is room");
    let queued = outbox.send(seat, SeatFrame::Cursor(ana, frame("ana's cursor")));
    assert_eq!(queued.outcome, PushOutcome::Queued);
    assert!(
        outbox.send(seat, SeatFrame::Lasting(Bytes::from(vec![b'x'; 1 << 21]).into())).outcome
            == PushOutcome::Queued
    );
    assert!(outbox.is_full());

    assert_eq!(outbox.refuse(seat, cursor(ana)), None, "it may replace the one that is queued");
    assert_eq!(outbox.refuse(seat, cursor(bo)), Some(PushOutcome::Dropped));
    assert_eq!(outbox.refuse(seat, SeatFrame::Lasting(Bytes::new().into())), None);
    let change = SeatFrame::Change(Version::FIRST, Bytes::new().into());
    assert_eq!(outbox.refuse(seat, change), Some(PushOutcome::Behind(Version::FIRST)));
    assert_eq!(outbox.refuse(other, presence(bo, joined)), Some(PushOutcome::Overflow));
    assert_eq!(outbox.refuse(other, presence(bo, left)), Some(PushOutcome::Overflow));
    outbox.end_seat(other, None);
    assert_eq!(outbox.refuse(other, cursor(bo)), None, "it has ended");
}

#[test]
fn the_body_ends_after_the_close_frame() {
    let (outbox, mut body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    assert_eq!(poll(&mut body, &waker), Poll::Pending);
    let closing = outbox.close(frame("close"), Closing::AfterWaiting);
    assert_eq!(closing.outcome, PushOutcome::Queued);
    assert_eq!(wakes.count(), 1);
    assert!(!outbox.is_open());
    assert_eq!(poll(&mut body, &waker), Poll::Ready(Some(frame("close"))));
    assert_eq!(
        poll(&mut body, &waker),
        Poll::Pending,
        "the client has not sent its close frame yet"
    );
    assert_eq!(outbox.reply(frame("late"), None).outcome, PushOutcome::Closed);
    outbox.finish();
    assert_eq!(wakes.count(), 2);
    assert_eq!(poll(&mut body, &waker), Poll::Ready(None));
}

#[test]
fn a_session_that_ends_without_a_close_frame_ends_the_body_at_once() {
    let (outbox, mut body, totals) = open();
    assert_eq!(outbox.reply(frame("a"), None).outcome, PushOutcome::Queued);
    outbox.finish();
    assert_eq!(poll(&mut body, Waker::noop()), Poll::Ready(None));
    assert_eq!(totals.bytes(), 0);
}

#[test]
fn the_reader_waits_at_the_bound_and_is_woken_below_it() {
    let (outbox, mut body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    assert_eq!(capacity(&outbox, &waker), Poll::Ready(()));
    assert_eq!(outbox.reply(Bytes::from(vec![b'x'; 6000]), None).outcome, PushOutcome::Queued);
    assert_eq!(outbox.reply(frame("0123456789"), None).outcome, PushOutcome::Queued);
    assert_eq!(outbox.reply(Bytes::from(vec![b'x'; 6000]), None).outcome, PushOutcome::Queued);
    assert_eq!(outbox.reply(frame("rest"), None).outcome, PushOutcome::Queued);
    assert_eq!(capacity(&outbox, &waker), Poll::Pending);

    assert!(poll(&mut body, &waker).is_ready());
    assert!(poll(&mut body, &waker).is_ready());
    assert_eq!((wakes.count(), capacity(&outbox, &waker)), (0, Poll::Pending), "still full");
    assert!(poll(&mut body, &waker).is_ready());
    assert_eq!((wakes.count(), capacity(&outbox, &waker)), (1, Poll::Ready(())));
}

#[test]
fn the_reader_is_woken_when_a_seat_falls_behind() {
    let (outbox, _body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    let seat = SeatId::new();
    assert!(outbox.open_seat(seat));
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("0123456789").into())).outcome,
        PushOutcome::Queued
    );
    assert_eq!(capacity(&outbox, &waker), Poll::Pending);
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("more").into())).outcome,
        PushOutcome::Behind(Version::FIRST)
    );
    assert_eq!((wakes.count(), outbox.bytes()), (1, 0));
}

#[test]
fn a_seat_that_is_behind_is_woken_when_the_outbox_drains_or_the_seat_ends() {
    let (outbox, mut body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    let (seat, other) = (SeatId::new(), SeatId::new());
    assert!(outbox.open_seat(seat) && outbox.open_seat(other));
    assert_eq!(outbox.reply(frame("012345"), None).outcome, PushOutcome::Queued);
    let mut cx = Context::from_waker(&waker);
    let mut drained = pin!(outbox.drained(seat));
    let mut ended = pin!(outbox.drained(other));
    assert!(
        drained.as_mut().poll(&mut cx).is_pending() && ended.as_mut().poll(&mut cx).is_pending()
    );

    outbox.end_seat(other, None);
    assert_eq!((wakes.count(), ended.poll(&mut cx)), (1, Poll::Ready(())));
    assert!(poll(&mut body, &waker).is_ready());
    assert_eq!((wakes.count(), drained.poll(&mut cx)), (2, Poll::Ready(())));
}

#[test]
fn a_seat_that_waits_for_progress_is_woken_when_the_socket_takes_a_chunk() {
    let (outbox, mut body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    let seat = SeatId::new();
    assert!(outbox.open_seat(seat));
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("0123456789").into())).outcome,
        PushOutcome::Queued
    );
    let behind = PushOutcome::Behind(Version::FIRST);
    assert_eq!(
        outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("more").into())).outcome,
        behind
    );
    let mut cx = Context::from_waker(&waker);
    let mut drained = pin!(outbox.drained(seat));
    assert!(
        drained.as_mut().poll(&mut cx).is_ready(),
        "removing the changes drained the outbox, ..."
    );
    let mut moved_on = pin!(outbox.moved_on(seat));
    assert!(moved_on.as_mut().poll(&mut cx).is_pending(), "... but the socket took nothing");
    assert_eq!(poll(&mut body, Waker::noop()), Poll::Pending);
    assert_eq!((wakes.count(), moved_on.poll(&mut cx)), (1, Poll::Ready(())));

    assert_eq!(outbox.reply(frame("012345"), None).outcome, PushOutcome::Queued);
    let mut moved_on = pin!(outbox.moved_on(seat));
    assert!(moved_on.as_mut().poll(&mut cx).is_pending());
    assert!(poll(&mut body, Waker::noop()).is_ready());
    assert_eq!((wakes.count(), moved_on.poll(&mut cx)), (2, Poll::Ready(())));
}

#[test]
fn a_close_wakes_the_reader() {
    let (outbox, _body, _totals) = open();
    let (wakes, waker) = WakeCounter::new();
    assert_eq!(outbox.reply(frame("0123456789"), None).outcome, PushOutcome::Queued);
    assert_eq!(capacity(&outbox, &waker), Poll::Pending);
    let closing = outbox.close(frame("close"), Closing::AfterWaiting);
    assert_eq!(closing.outcome, PushOutcome::Queued);
    assert_eq!((wakes.count(), capacity(&outbox, &waker)), (1, Poll::Ready(())));
}

#[test]
fn a_lost_connection_frees_all_frames_and_wakes_the_reader() {
    let (outbox, mut body, totals) = open();
    let (reader, reader_waker) = WakeCounter::new();
    let count = InFlightCount::default();
    let kept = Bytes::from(vec![b'x'; 100]);
    assert_eq!(poll(&mut body, Waker::noop()), Poll::Pending);
    assert_eq!(outbox.reply(kept.clone(), Some(count.enter(1))).outcome, PushOutcome::Queued);
    assert_eq!(capacity(&outbox, &reader_waker), Poll::Pending);
    assert_eq!((totals.bytes(), count.current()), (100, 1));

    drop(body);

    assert_eq!((totals.bytes(), count.current()), (0, 0));
    assert!(kept.is_unique(), "the frame is freed");
    assert_eq!(reader.count(), 1);
    assert_eq!(capacity(&outbox, &reader_waker), Poll::Ready(()));
    assert_eq!(outbox.reply(frame("late"), None).outcome, PushOutcome::Closed);
    assert_eq!(totals.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_measured_from_the_first_queued_frame() {
    let (outbox, mut body, _totals) = open();
    assert_eq!(outbox.reply(frame("a"), None).outcome, PushOutcome::Queued);
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(outbox.stalled_for(), Duration::from_secs(7));
    assert!(poll(&mut body, Waker::noop()).is_ready());
    assert_eq!(outbox.stalled_for(), Duration::ZERO);
}

#[test]
fn no_frame_is_lost_and_totals_are_exact_with_many_writers() {
    const WRITERS: usize = 4;
    const FRAMES: usize = 2_000;
    let totals = Arc::new(OutboxTotals::default());
    let options = OutboxOptions { bound: 1 << 20 };
    let (outbox, mut body) = Outbox::new(SessionId::new(), options, Arc::clone(&totals));
    let (other, other_body) = Outbox::new(SessionId::new(), options, Arc::clone(&totals));
    assert_eq!(other.reply(frame("stays"), None).outcome, PushOutcome::Queued);

    let taken: usize = std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let seat = SeatId::new();
                assert!(outbox.open_seat(seat));
                for _ in 0..FRAMES {
                    assert_eq!(
                        outbox
                            .send(seat, SeatFrame::Change(Version::FIRST, frame("frame").into()))
                            .outcome,
                        PushOutcome::Queued
                    );
                }
            });
        }
        let mut taken = 0;
        while taken < WRITERS * FRAMES * 5 {
            match poll(&mut body, Waker::noop()) {
                Poll::Ready(Some(chunk)) => taken += chunk.len(),
                Poll::Ready(None) => break,
                Poll::Pending => std::thread::yield_now(),
            }
        }
        taken
    });

    assert_eq!(taken, WRITERS * FRAMES * 5);
    assert_eq!(totals.bytes(), 5);
    drop((other, other_body));
    assert_eq!(totals.bytes(), 0);
}
