use super::*;

#[test]
fn many_joins_and_leaves_do_not_grow_memory() {
    let mut f = Fixture::new();
    assert_eq!(f.reply(frame("head")), PushOutcome::Queued);
    for _ in 0..10_000 {
        let session = SessionId::new();
        assert_eq!(f.joined(session, "+"), PushOutcome::Queued);
        assert_eq!(f.left(session, "-"), PushOutcome::Cancelled);
    }
    let (entries, keys) = f.queue.entries.capacity();
    assert!(entries < 200 && keys < 200, "{entries} entries, {keys} keys");

    for _ in 0..2_000 {
        let session = SessionId::new();
        assert_eq!(
            f.queue.cursor(f.seat, session, Bytes::new(), f.now).outcome,
            PushOutcome::Queued
        );
    }
    assert!(f.queue.take(f.now).is_some() && f.queue.is_empty());
    let (entries, keys) = f.queue.entries.capacity();
    assert!(entries < 100 && keys < 100, "{entries} entries, {keys} keys");
}

#[test]
fn an_empty_queue_allocates_nothing() {
    assert_eq!(Queue::new(1 << 20).entries.capacity(), (0, 0));
    assert!(size_of::<Queue>() <= 168, "{} bytes", size_of::<Queue>());
}
