//! What can happen, as the rest of the code says it.

use std::time::Duration;

use super::{AccessOutcome, ActorKind, Counted, Metrics, OperationKind, OperationOutcome};
use crate::domain::Topic;

impl Metrics {
    /// A socket opened; it counts until the answer is dropped.
    pub fn connection_opened(&self) -> Counted {
        Counted::new(&self.0.websocket_connections)
    }

    /// A token or a sign-in was not accepted. `reason` is a word from our own code, never from outside.
    pub fn auth_failed(&self, reason: &'static str) {
        self.0.auth_failures.with_label_values(&[reason]).inc();
    }

    /// A request was refused because its user lacks access.
    pub fn permission_denied(&self) {
        self.0.permission_denials.inc();
    }

    /// A subscription began; it counts until the answer is dropped.
    pub fn subscription_opened(&self, topic: Topic) -> Counted {
        Counted::new(self.0.subscriptions.of(topic))
    }

    /// An event was put into the outboxes of `subscribers` of them.
    pub fn delivered(&self, topic: Topic, subscribers: usize) {
        self.0.deliveries.of(topic).inc_by(subscribers as u64);
    }

    /// From the acceptance of an event until it was in the outboxes, it took this long.
    pub fn delivery_took(&self, topic: Topic, time: Duration) {
        self.0.delivery_seconds.of(topic).observe(time.as_secs_f64());
    }

    /// An event was handed to the relay between nodes.
    pub fn published(&self) {
        self.0.publishes.inc();
    }

    /// From the acceptance of a change until it was stored, it took this long.
    pub fn edit_committed(&self, time: Duration) {
        self.0.edit_commit_seconds.observe(time.as_secs_f64());
    }

    /// A message was put into a mailbox; it counts until the answer is dropped.
    pub fn queued(&self, actor: ActorKind) -> Counted {
        Counted::new(self.0.mailbox_messages.of(actor))
    }

    /// A message waited this long in a mailbox.
    pub fn mailbox_waited(&self, actor: ActorKind, time: Duration) {
        self.0.mailbox_wait_seconds.of(actor).observe(time.as_secs_f64());
    }

    /// A mailbox was full and refused a message.
    pub fn mailbox_full(&self, actor: ActorKind) {
        self.0.mailbox_full.of(actor).inc();
    }

    /// So many bytes wait in all outboxes together.
    pub fn outboxes_hold(&self, bytes: u64) {
        self.0.outbox_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A session looked at its outbox, and so many bytes waited.
    pub fn outbox_seen(&self, bytes: usize) {
        self.0.outbox_session_bytes.observe(bytes as f64);
    }

    /// An outbox reached its bound for the first time.
    pub fn outbox_bound_reached(&self) {
        self.0.outbox_bound_reached.inc();
    }

    /// Cursors were dropped because outboxes were full.
    pub fn cursors_dropped(&self, cursors: u64) {
        self.0.cursors_dropped.inc_by(cursors);
    }

    /// A subscription lost its waiting events because the outbox was full.
    pub fn seat_overflowed(&self) {
        self.0.seats_overflowed.inc();
    }

    /// A subscription fell behind the changes of its document, or is no longer behind.
    pub fn seat_behind(&self, is_behind: bool) {
        if is_behind {
            self.0.seats_behind.inc();
        } else {
            self.0.seats_behind.dec();
        }
    }

    /// A page of changes was sent again, from memory or from the log.
    pub fn replayed(&self) {
        self.0.replays.inc();
    }

    /// A session ended. `reason` is the label of a close reason.
    pub fn session_closed(&self, reason: &'static str) {
        self.0.session_closes.with_label_values(&[reason]).inc();
    }

    /// A document was opened on this node; it counts until the answer is dropped.
    pub fn room_opened(&self) -> Counted {
        Counted::new(&self.0.rooms)
    }

    /// A room that had `before` members has `now`.
    pub fn members_changed(&self, before: usize, now: usize) {
        let signed = |members: usize| i64::try_from(members).unwrap_or(i64::MAX);
        self.0.members.add(signed(now) - signed(before));
    }

    /// A session was refused because its user has too many already.
    pub fn slot_refused(&self) {
        self.0.slots_refused.inc();
    }

    /// It was asked whether a user may do something with a document.
    pub fn access_checked(&self, outcome: AccessOutcome) {
        self.0.access_checks.of(outcome).inc();
    }

    /// An operation ended or, if it is a subscription, began.
    pub fn operation_finished(&self, kind: OperationKind, outcome: OperationOutcome) {
        self.0.operations.of(kind).of(outcome).inc();
    }

    /// A parsed operation was found in the cache.
    pub fn operation_cache_hit(&self) {
        self.0.operation_cache_hits.inc();
    }

    /// An operation had to be parsed.
    pub fn operation_cache_missed(&self) {
        self.0.operation_cache_misses.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of the meter that the page shows under `name`, labels included.
    fn value(metrics: &Metrics, name: &str) -> f64 {
        let page = metrics.render().unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is missing in\n{page}")).parse().unwrap()
    }

    #[test]
    fn things_count_for_as_long_as_they_are_there() {
        let metrics = Metrics::new();
        let (one, other) = (metrics.connection_opened(), metrics.clone().connection_opened());
        let cursors = metrics.subscription_opened(Topic::Cursors);
        let room = metrics.room_opened();
        metrics.members_changed(2, 3);
        assert_eq!(value(&metrics, "active_websocket_connections"), 2.0);
        assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"cursors\"}"), 1.0);
        assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"changes\"}"), 0.0);
        assert_eq!(value(&metrics, "coscribe_rooms"), 1.0);
        assert_eq!(value(&metrics, "coscribe_members"), 1.0);

        drop((one, cursors, room));
        metrics.members_changed(3, 2);

        assert_eq!(value(&metrics, "active_websocket_connections"), 1.0);
        assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"cursors\"}"), 0.0);
        assert_eq!(value(&metrics, "coscribe_rooms"), 0.0);
        assert_eq!(value(&metrics, "coscribe_members"), 0.0);
        drop(other);
        assert_eq!(value(&metrics, "active_websocket_connections"), 0.0);
    }

    #[test]
    fn every_verb_moves_its_meter() {
        let metrics = Metrics::new();
        metrics.auth_failed("expired");
        metrics.permission_denied();
        metrics.delivered(Topic::Presence, 3);
        metrics.delivery_took(Topic::Changes, Duration::from_millis(20));
        metrics.published();
        metrics.edit_committed(Duration::from_millis(4));
        metrics.mailbox_waited(ActorKind::Room, Duration::from_micros(50));
        metrics.mailbox_full(ActorKind::Room);
        let _queued = metrics.queued(ActorKind::Room);
        metrics.outboxes_hold(5000);
        metrics.outboxes_hold(4000);
        metrics.outbox_seen(5000);
        metrics.outbox_bound_reached();
        metrics.cursors_dropped(1);
        metrics.seat_overflowed();
        metrics.seat_behind(true);
        metrics.seat_behind(true);
        metrics.seat_behind(false);
        metrics.replayed();
        metrics.session_closed("too_slow");
        metrics.slot_refused();
        metrics.access_checked(AccessOutcome::Denied);
        metrics.operation_finished(OperationKind::Query, OperationOutcome::Ok);
        metrics.operation_cache_hit();
        metrics.operation_cache_missed();

        for (name, expected) in [
            ("auth_failures_total{reason=\"expired\"}", 1.0),
            ("permission_denials_total", 1.0),
            ("coscribe_deliveries_total{topic=\"presence\"}", 3.0),
            ("coscribe_deliveries_total{topic=\"changes\"}", 0.0),
            ("coscribe_delivery_seconds_bucket{topic=\"changes\",le=\"0.01\"}", 0.0),
            ("coscribe_delivery_seconds_bucket{topic=\"changes\",le=\"0.025\"}", 1.0),
            ("coscribe_publishes_total", 1.0),
            ("coscribe_edit_commit_seconds_count", 1.0),
            ("coscribe_mailbox_wait_seconds_count{actor=\"room\"}", 1.0),
            ("coscribe_mailbox_full_total{actor=\"room\"}", 1.0),
            ("coscribe_mailbox_messages{actor=\"room\"}", 1.0),
            ("coscribe_outbox_bytes", 4000.0),
            ("coscribe_outbox_session_bytes_sum", 5000.0),
            ("coscribe_outbox_bound_reached_total", 1.0),
            ("coscribe_cursors_dropped_total", 1.0),
            ("coscribe_seats_overflowed_total", 1.0),
            ("coscribe_seats_behind", 1.0),
            ("coscribe_replays_total", 1.0),
            ("coscribe_session_closes_total{reason=\"too_slow\"}", 1.0),
            ("coscribe_slots_refused_total", 1.0),
            ("coscribe_access_checks_total{outcome=\"denied\"}", 1.0),
            ("coscribe_operations_total{kind=\"query\",outcome=\"ok\"}", 1.0),
            ("coscribe_operations_total{kind=\"query\",outcome=\"failed\"}", 0.0),
            ("coscribe_operation_cache_total{outcome=\"hit\"}", 1.0),
            ("coscribe_operation_cache_total{outcome=\"miss\"}", 1.0),
        ] {
            assert_eq!(value(&metrics, name), expected, "{name}");
        }
    }
}
