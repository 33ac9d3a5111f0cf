//! What a node records about itself; `cluster.rs` has the verbs for the relay and the roster.

use std::{sync::Arc, time::Duration};

use prometheus::{Registry, TextEncoder};

use super::{
    AccessOutcome, ActorKind, BehindCause, GaugeGuard, OperationKind, OperationOutcome,
    QuestionOutcome, definitions::Definitions, labels::CacheOutcome,
};
use crate::domain::Topic;

/// The metrics of one node. Clones are cheap and record in the same metrics.
#[derive(Clone)]
pub struct Metrics(pub(super) Arc<Definitions>);

impl Metrics {
    /// Creates all metrics at zero, in a registry of their own.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Definitions::new()))
    }

    /// Returns the registry, for a library that adds metrics of its own. Clones of it are the same registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Returns the metrics page, in the text format of Prometheus (`text/plain; version=0.0.4`).
    ///
    /// # Errors
    /// A metric that a library added to the registry cannot be written.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    /// Counts an open connection until the guard is dropped.
    pub fn connection_opened(&self) -> GaugeGuard {
        GaugeGuard::new(&self.0.websocket_connections)
    }

    /// Counts an operation that waits until others of its session are answered, until the guard is dropped.
    pub fn operation_waits(&self) -> GaugeGuard {
        GaugeGuard::new(&self.0.operations_waiting)
    }

    /// Counts a connection that the server ended or refused. `reason` is a constant of ours.
    pub fn connection_ended(&self, reason: &'static str) {
        self.0.connections_ended.inc(reason);
    }

    /// Counts a rejected token or sign-in. `reason` is a constant of ours, never input.
    pub fn auth_failed(&self, reason: &'static str) {
        self.0.auth_failures.inc(reason);
    }

    /// Counts a request that was refused because its user lacks access.
    pub fn permission_denied(&self) {
        self.0.permission_denials.inc();
    }

    /// Counts an open subscription until the guard is dropped.
    pub fn subscription_opened(&self, topic: Topic) -> GaugeGuard {
        let Definitions { subscriptions, earlier_subscriptions, .. } = &*self.0;
        GaugeGuard::renamed(subscriptions.of(topic), earlier_subscriptions.of(topic))
    }

    /// Counts an event that was put into the outboxes of `subscribers`.
    pub fn delivered(&self, topic: Topic, subscribers: usize) {
        self.0.deliveries.of(topic).inc_by(subscribers as u64);
    }

    /// Records the time from accepting an event until it was in the outboxes.
    pub fn delivery_took(&self, topic: Topic, time: Duration) {
        self.0.delivery_seconds.of(topic).observe(time);
    }

    /// Counts an event that was handed to the relay between nodes.
    pub fn published(&self) {
        self.0.publishes.inc();
    }

    /// Sets the memory that the replicas of all rooms and documents that are being loaded take.
    pub fn replicas_hold(&self, bytes: usize) {
        self.0.replica_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts a document that was closed off because it is too heavy to be loaded.
    pub fn document_closed_off(&self) {
        self.0.documents_closed_off.inc();
    }

    /// Records the time of one commit turn: staging and storing a group of edits, without their time in the queue.
    pub fn edit_committed(&self, time: Duration) {
        self.0.edit_commit_seconds.observe(time);
    }

    /// Counts a message in a mailbox until the guard is dropped.
    pub fn queued(&self, actor: ActorKind) -> GaugeGuard {
        GaugeGuard::new(self.0.mailbox_messages.of(actor))
    }

    /// Records how long a message waited in a mailbox.
    pub fn mailbox_waited(&self, actor: ActorKind, time: Duration) {
        self.0.mailbox_wait_seconds.of(actor).observe(time);
    }

    /// Counts a message that a full mailbox rejected.
    pub fn mailbox_full(&self, actor: ActorKind) {
        self.0.mailbox_full.of(actor).inc();
    }

    /// Sets the bytes of large answers that are being made or wait for their clients.
    pub fn answers_hold(&self, bytes: usize) {
        self.0.answer_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the bytes of large messages that are being received, decoded or executed.
    pub fn messages_hold(&self, bytes: usize) {
        self.0.message_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the bytes that wait in all outboxes.
    pub fn outboxes_hold(&self, bytes: u64) {
        self.0.outbox_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the number of log lines that were dropped since the start.
    pub fn log_lines_dropped(&self, lines: u64) {
        let counted = self.0.log_lines_dropped.get();
        self.0.log_lines_dropped.inc_by(lines.saturating_sub(counted));
    }

    /// Records the bytes that wait in the outbox of one session.
    pub fn outbox_seen(&self, bytes: usize) {
        self.0.outbox_session_bytes.observe(bytes);
    }

    /// Counts outboxes that have just reached their bound.
    pub fn outbox_bound_reached(&self, outboxes: u64) {
        self.0.outbox_bound_reached.inc_by(outboxes);
    }

    /// Counts cursors that were dropped because outboxes were full.
    pub fn cursors_dropped(&self, cursors: u64) {
        self.0.cursors_dropped.inc_by(cursors);
    }

    /// Counts a presence subscription that ended because its outbox was full.
    pub fn seat_overflowed(&self) {
        self.0.seats_overflowed.inc();
    }

    /// Counts a subscriber to changes as catching up until the guard is dropped.
    pub fn behind(&self) -> GaugeGuard {
        GaugeGuard::new(&self.0.seats_behind)
    }

    /// Counts a subscriber to changes that began to catch up.
    pub fn fell_behind(&self, cause: BehindCause) {
        self.0.subscribers_fell_behind.of(cause).inc();
    }

    /// Counts a page of changes that was replayed, from memory or from the change log.
    pub fn replayed(&self) {
        self.0.replays.inc();
    }

    /// Counts that the database had lost changes of an open document.
    pub fn changes_lost(&self) {
        self.0.changes_lost.inc();
    }

    /// Counts a session that ended. `reason` is the label of a close reason.
    pub fn session_closed(&self, reason: &'static str) {
        self.0.session_closes.inc(reason);
    }

    /// Counts an open document until the guard is dropped.
    pub fn room_opened(&self) -> GaugeGuard {
        GaugeGuard::new(&self.0.rooms)
    }

    /// Records that the number of members of a room changed from `before` to `now`.
    pub fn members_changed(&self, before: usize, now: usize) {
        let signed = |members: usize| i64::try_from(members).unwrap_or(i64::MAX);
        self.0.members.add(signed(now) - signed(before));
    }

    /// Counts a session that was refused because its user has too many.
    pub fn slot_refused(&self) {
        self.0.slots_refused.inc();
    }

    /// Counts a dead session that was closed for a new session of the same user.
    pub fn slot_reclaimed(&self) {
        self.0.slots_reclaimed.inc();
    }

    /// Counts a question to the application that decides on access.
    pub fn question_asked(&self, outcome: QuestionOutcome) {
        self.0.questions.of(outcome).inc();
    }

    /// Counts a check of a user's access to a document.
    pub fn access_checked(&self, outcome: AccessOutcome) {
        self.0.access_checks.of(outcome).inc();
    }

    /// Counts a completed operation. A subscription counts when it starts.
    pub fn operation_finished(&self, kind: OperationKind, outcome: OperationOutcome) {
        self.0.operations.of(kind).of(outcome).inc();
    }

    /// Counts an operation that was found in the cache of parsed operations.
    pub fn operation_cache_hit(&self) {
        self.0.operation_cache.of(CacheOutcome::Hit).inc();
    }

    /// Counts an operation that had to be parsed.
    pub fn operation_cache_missed(&self) {
        self.0.operation_cache.of(CacheOutcome::Miss).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
