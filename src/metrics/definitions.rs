//! The table of all metrics: one row names the field, its kind and labels, the metric's name, and its help text.
//!
//! A new metric is a row here, a verb in `recorder.rs` or `cluster.rs`, and a row in `docs/OPERATIONS.md`.
//!
//! The first four names are older than the prefix `coscribe_`. Operators use them, so they stay.
//! `active_subscriptions_total` is a gauge, whose name promtool complains of; `coscribe_active_subscriptions` has the same
//! values.

use prometheus::{IntCounter, IntGauge, Registry};

use super::{
    family::Family,
    kinds::{ByteHistogram, DurationHistogram, MetricKind, ReasonCounter},
    labels::{
        AccessOutcome, ActorKind, BehindCause, CacheOutcome, OperationKind, OperationOutcome,
        QuestionOutcome,
    },
};
use crate::domain::Topic;

/// The reasons of failed authentication that exist from the start.
const AUTH_FAILURES: [&str; 27] = [
    "bad_documents",
    "bad_signature",
    "bad_subject",
    "blocked",
    "busy",
    "expired",
    "lives_too_long",
    "malformed",
    "missing",
    "no_expiry",
    "no_keys",
    "no_token_id",
    "not_yet_valid",
    "rate_limited",
    "sign_in_over",
    "signed_out",
    "ticket_expired",
    "ticket_invalid",
    "ticket_of_other_document",
    "ticket_used",
    "unknown_key",
    "unknown_user",
    "wrong_algorithm",
    "wrong_audience",
    "wrong_credentials",
    "wrong_issuer",
    "wrong_type",
];

/// The reasons for which the server ends connections, or refuses them.
const CONNECTION_ENDS: [&str; 4] = ["gave_way", "network_full", "slow_answer", "slow_head"];

/// The reasons for ignoring an envelope that exist from the start.
const ENVELOPE_REASONS: [&str; 6] =
    ["garbage", "unknown_version", "unsigned", "bad_signature", "repeated", "too_old"];

macro_rules! define_metrics {
    ($(
        $field:ident: $kind:ty, $name:literal,
        $help:literal $(, starting with $reasons:expr)?;
    )+) => {
        /// The metrics of one node; each field is a row of the table.
        pub(super) struct Definitions {
            pub(super) registry: Registry,
            $(#[doc = $help] pub(super) $field: $kind,)+
        }

        impl Definitions {
            /// Registers every row at zero, in a new registry.
            pub(super) fn new() -> Self {
                let registry = Registry::new();
                register_process(&registry);
                Self {
                    $($field: <$kind as MetricKind>::register(&registry, $name, $help)
                        $(.starting_with(&$reasons))?,)+
                    registry,
                }
            }
        }
    };
}

define_metrics! {
    websocket_connections: IntGauge, "active_websocket_connections",
        "Open WebSocket connections.";
    earlier_subscriptions: Family<Topic, IntGauge>, "active_subscriptions_total",
        "The same as coscribe_active_subscriptions, under its earlier name.";
    auth_failures: ReasonCounter, "auth_failures_total",
        "Rejected tokens and sign-ins, by reason.", starting with AUTH_FAILURES;
    permission_denials: IntCounter, "permission_denials_total",
        "Requests refused because the user lacks access.";

    subscriptions: Family<Topic, IntGauge>, "coscribe_active_subscriptions",
        "Open subscriptions, by topic.";
    questions: Family<QuestionOutcome, IntCounter>, "coscribe_questions_total",
        "Questions to the application at auth.ask, by outcome.";
    access_checks: Family<AccessOutcome, IntCounter>, "coscribe_access_checks_total",
        "Access checks, by outcome.";
    operations: Family<OperationKind, Family<OperationOutcome, IntCounter>>, "coscribe_operations_total",
        "Completed GraphQL operations (for subscriptions: started), by kind and outcome.";
    operations_waiting: IntGauge, "coscribe_operations_waiting",
        "Operations of sockets that wait until others of their session are answered.";
    operation_cache: Family<CacheOutcome, IntCounter>, "coscribe_operation_cache_total",
        "Lookups in the cache of parsed operations, by outcome.";

    connections_ended: ReasonCounter, "coscribe_connections_ended_total",
        "Connections that the server ended or refused, by reason.", starting with CONNECTION_ENDS;
    session_closes: ReasonCounter, "coscribe_session_closes_total",
        "Ended sessions, by reason.";
    slots_refused: IntCounter, "coscribe_slots_refused_total",
        "Sessions refused because their user has too many.";
    slots_reclaimed: IntCounter, "coscribe_slots_reclaimed_total",
        "Dead or replaced sessions closed for a new session of the same user.";

    rooms: IntGauge, "coscribe_rooms",
        "Open documents.";
    members: IntGauge, "coscribe_members",
        "Members of rooms; a session counts once in each room that it is in.";
    replica_bytes: IntGauge, "coscribe_replica_bytes",
        "Estimated memory of the Yjs documents of open documents, and of documents that are being loaded.";
    documents_closed_off: IntCounter, "coscribe_documents_closed_off_total",
        "Documents closed off because loading them takes too much memory or time.";
    edit_commit_seconds: DurationHistogram, "coscribe_edit_commit_seconds",
        "Time to stage and store a group of edits of one document, without the time in its queue.";
    mailbox_messages: Family<ActorKind, IntGauge>, "coscribe_mailbox_messages",
        "Messages waiting in mailboxes, by kind of actor.";
    mailbox_wait_seconds: Family<ActorKind, DurationHistogram>, "coscribe_mailbox_wait_seconds",
        "Time that messages waited in a mailbox, by kind of actor.";
    mailbox_full: Family<ActorKind, IntCounter>, "coscribe_mailbox_full_total",
        "Messages rejected by a full mailbox, by kind of actor.";

    deliveries: Family<Topic, IntCounter>, "coscribe_deliveries_total",
        "Events put into the outboxes of subscribers, by topic.";
    delivery_seconds: Family<Topic, DurationHistogram>, "coscribe_delivery_seconds",
        "Time from accepting an event until it is in the outboxes, by topic.";
    cursors_dropped: IntCounter, "coscribe_cursors_dropped_total",
        "Cursor updates dropped because an outbox was full.";
    seats_overflowed: IntCounter, "coscribe_seats_overflowed_total",
        "Presence subscriptions ended because the subscriber was too slow.";
    seats_behind: IntGauge, "coscribe_seats_behind",
        "Subscribers to changes that are catching up.";
    subscribers_fell_behind: Family<BehindCause, IntCounter>, "coscribe_subscribers_fell_behind_total",
        "Times that a subscriber to changes began to catch up, by cause.";
    replays: IntCounter, "coscribe_replays_total",
        "Pages of changes replayed to subscribers that had fallen behind.";

    changes_lost: IntCounter, "coscribe_changes_lost_total",
        "Times that the database had lost changes of an open document, for example by a failover.";
    relay_contradicted: IntCounter, "coscribe_relay_contradicted_total",
        "Times that the relay had delivered changes of a document that the database does not have.";

    log_lines_dropped: IntCounter, "coscribe_log_lines_dropped_total",
        "Log lines that were dropped because nobody read them or they could not be written.";

    answer_bytes: IntGauge, "coscribe_answer_bytes",
        "Bytes of large answers that are being made or wait for their clients.";
    message_bytes: IntGauge, "coscribe_message_bytes",
        "Bytes of large messages and request bodies that are being received, decoded or executed.";
    outbox_bytes: IntGauge, "coscribe_outbox_bytes",
        "Bytes waiting in all outboxes.";
    outbox_session_bytes: ByteHistogram, "coscribe_outbox_session_bytes",
        "Bytes waiting in one outbox, sampled by the heartbeat of its session.";
    outbox_bound_reached: IntCounter, "coscribe_outbox_bound_reached_total",
        "Times that an outbox reached its bound, not only by one large message; it counts again once it has drained to half of it.";

    publishes: IntCounter, "coscribe_publishes_total",
        "Events handed to the relay between nodes.";
    relay_up: IntGauge, "coscribe_relay_up",
        "1 when messages published to other nodes arrive; 0 without Redis.";
    relay_deaf: IntGauge, "coscribe_relay_deaf",
        "1 when Redis responds but delivers no messages; the node is then not ready.";
    relay_lag_seconds: DurationHistogram, "coscribe_relay_lag_seconds",
        "Round trip of a message that the node publishes to itself every second.";
    relay_reconnects: IntCounter, "coscribe_relay_reconnects_total",
        "Lost connections to the relay.";
    relay_overflows: IntCounter, "coscribe_relay_overflows_total",
        "Envelopes dropped because the publish queue was full; other nodes reconcile the document.";
    relay_documents: IntGauge, "coscribe_relay_documents",
        "Documents that this node subscribes to at the relay.";
    envelopes_ignored: ReasonCounter, "coscribe_relay_ignored_total",
        "Envelopes that were not delivered, by reason.", starting with ENVELOPE_REASONS;

    roster_up: IntGauge, "coscribe_roster_up",
        "1 when the shared roster responds; 0 without Redis.";
    nodes: IntGauge, "coscribe_nodes",
        "Live nodes that this node knows of; 0 without Redis.";
    incarnations: IntCounter, "coscribe_roster_incarnations_total",
        "Times that this node lost its lease and registered its sessions again.";
    sessions_swept: IntCounter, "coscribe_roster_swept_total",
        "Entries of dead nodes that this node removed from the shared roster.";
    sessions_over_limit: IntCounter, "coscribe_roster_over_limit_total",
        "Sessions closed because their user had too many once Redis recovered.";
}

/// Registers CPU, memory, threads and file descriptors of the process. Only Linux reports them.
#[cfg(target_os = "linux")]
fn register_process(registry: &Registry) {
    registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .expect("no row of the table begins with process_");
}

#[cfg(not(target_os = "linux"))]
fn register_process(_registry: &Registry) {}
