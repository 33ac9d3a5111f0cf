use super::*;
use crate::outbox::InFlightCount;

const BOUND: usize = 100;

fn large_frame() -> Bytes {
    (0..=255).cycle().take(2 * MAX_PIECE_BYTES + 1).collect()
}

#[test]
fn a_large_frame_leaves_in_pieces_and_counts_until_its_last_one() {
    let (mut queue, operations, now) =
        (Queue::new(BOUND), InFlightCount::default(), Instant::now());
    let _queued = queue.reply(large_frame(), Some(operations.enter(1)), now);
    let _queued = queue.reply(Bytes::from_static(b"next"), None, now);

    let mut taken = queue.take(now).unwrap().to_vec();
    for left in [MAX_PIECE_BYTES + 1, 1] {
        assert_eq!((queue.bytes(), operations.current()), (left + 4, 1));
        taken.extend(queue.take(now).unwrap());
    }
    assert_eq!(Bytes::from(taken), large_frame());
    assert_eq!((queue.bytes(), operations.current()), (4, 0));
    assert_eq!(queue.take(now).unwrap(), "next");
    assert!(queue.take(now).is_none() && queue.is_empty());
}

#[test]
fn a_client_that_takes_pieces_is_not_stalled() {
    let (mut queue, start) = (Queue::new(BOUND), Instant::now());
    let _queued = queue.reply(large_frame(), None, start);
    let _queued = queue.beat(Beat::Ping, Bytes::from_static(b"ping"), start);
    for minute in 1..=3 {
        let now = start + Duration::from_secs(60 * minute);
        assert_eq!(queue.stalled_for(now), Duration::from_secs(60));
        assert!(queue.take(now).is_some());
        assert_eq!(queue.stalled_for(now), Duration::ZERO);
    }
}

#[test]
fn a_frame_that_has_begun_to_leave_does_not_fill_the_queue() {
    let (mut queue, now) = (Queue::new(BOUND), Instant::now());
    let (seat, version) = (SeatId::new(), Version::default());
    let _queued = queue.lasting(seat, large_frame(), now);
    assert!(queue.is_full());
    let _piece = queue.take(now);
    assert!(!queue.is_full() && queue.is_low());
    let pushed = queue.change(seat, version, Bytes::from_static(b"change"), now);
    assert_eq!(pushed.outcome, PushOutcome::Queued);
}

#[test]
fn the_close_frame_follows_a_frame_that_has_begun_to_leave() {
    let (mut queue, now) = (Queue::new(BOUND), Instant::now());
    let _queued = queue.reply(large_frame(), None, now);
    let _queued = queue.reply(Bytes::from_static(b"dropped"), None, now);
    let mut taken = queue.take(now).unwrap().to_vec();
    let _queued = queue.close(Bytes::from_static(b"close"), Closing::AtOnce, now);
    while !queue.is_over() {
        taken.extend(queue.take(now).unwrap());
    }
    assert_eq!(taken, [&*large_frame(), b"close"].concat());
}

#[test]
fn the_rest_of_a_frame_is_freed_with_its_connection() {
    let (mut queue, operations, now) =
        (Queue::new(BOUND), InFlightCount::default(), Instant::now());
    let _queued = queue.reply(large_frame(), Some(operations.enter(1)), now);
    let _piece = queue.take(now);
    queue.abandon();
    assert_eq!((queue.bytes(), operations.current()), (0, 0));
}

#[test]
fn a_frame_of_parts_leaves_as_one() {
    let (mut queue, now, seat) = (Queue::new(BOUND), Instant::now(), SeatId::new());
    for payload in [large_frame(), Bytes::from_static(b"short")] {
        let parts = [Bytes::from_static(b"<"), payload.clone(), Bytes::from_static(b">")];
        let frame = OutboxFrame::around_shared(parts.clone());
        assert_eq!(queue.change(seat, Version::FIRST, frame, now).outcome, PushOutcome::Queued);
        let mut taken = queue.take(now).unwrap().to_vec();
        // What has begun to leave is not removed.
        queue.remove_changes(seat);
        while let Some(piece) = queue.take(now) {
            taken.extend(piece);
        }
        assert_eq!(taken, parts.concat());
        assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
    }
}
