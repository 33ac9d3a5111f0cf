use std::io;

use parking_lot::Mutex;

use super::*;

/// Collects what is logged.
#[derive(Clone, Default)]
struct LogSink(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while `fill` pushes frames into an outbox with a bound of 10 bytes, and how many outboxes are counted.
fn logged(session: SessionId, fill: impl FnOnce(&Outbox, SeatId)) -> (String, bool) {
    let (sink, metrics) = (LogSink::default(), Metrics::new());
    let lines = sink.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let totals = Arc::new(OutboxTotals::new(metrics.clone()));
        let (outbox, _body) = Outbox::new(session, OutboxOptions { bound: BOUND }, totals);
        let seat = SeatId::new();
        assert!(outbox.open_seat(seat));
        fill(&outbox, seat);
    });
    let page = metrics.render().expect("the metrics page");
    let is_counted = page.lines().any(|line| line == "coscribe_outbox_bound_reached_total 1");
    let bytes = sink.0.lock().clone();
    (String::from_utf8(bytes).expect("UTF-8"), is_counted)
}

#[test]
fn the_frame_that_fills_an_outbox_is_logged_once_with_session_and_class() {
    type Fill = fn(&Outbox, SeatId) -> Pushed;
    let fills: [(&str, Fill); 4] = [
        ("reply", |outbox, _seat| outbox.reply(frame("a reply"), None)),
        ("change", |outbox, seat| {
            outbox.send(seat, SeatFrame::Change(Version::FIRST, frame("a change").into()))
        }),
        ("cursor", |outbox, seat| {
            outbox.send(seat, SeatFrame::Cursor(SessionId::new(), frame("a cursor")))
        }),
        ("heartbeat", |outbox, _seat| outbox.beat(Beat::Ping, frame("a ping"))),
    ];
    for (cause, fill) in fills {
        let session = SessionId::new();
        let (log, is_counted) = logged(session, |outbox, seat| {
            assert!(!outbox.reply(frame("first"), None).reached_limit);
            assert!(fill(outbox, seat).reached_limit);
            assert!(!fill(outbox, seat).reached_limit);
        });
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("outbox reached its limit"), "{log}");
        assert!(log.contains(&format!("session.id={session} cause=\"{cause}\"")), "{log}");
        assert!(is_counted, "{cause}");
    }
}

#[test]
fn the_last_frame_of_a_seat_is_logged_when_it_fills_the_outbox() {
    let session = SessionId::new();
    let (log, is_counted) = logged(session, |outbox, seat| {
        assert!(!outbox.reply(frame("first"), None).reached_limit);
        outbox.end_seat(seat, Some(frame("the end")));
    });
    assert!(log.contains(&format!("session.id={session} cause=\"seat_end\"")), "{log}");
    assert!(is_counted);
}
