use prometheus::IntCounter;

use super::*;

/// Returns the value of a metric on the page. `name` includes the labels.
fn value(metrics: &Metrics, name: &str) -> f64 {
    let page = metrics.render().unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is missing in\n{page}")).parse().unwrap()
}

#[test]
fn a_new_node_shows_its_metrics_at_zero() {
    let page = Metrics::new().render().unwrap();
    for line in [
        "active_websocket_connections 0",
        "auth_failures_total{reason=\"expired\"} 0",
        "permission_denials_total 0",
        "active_subscriptions_total{topic=\"changes\"} 0",
        "active_subscriptions_total{topic=\"presence\"} 0",
        "active_subscriptions_total{topic=\"cursors\"} 0",
        "# TYPE active_subscriptions_total gauge",
        "coscribe_active_subscriptions{topic=\"cursors\"} 0",
        "# TYPE coscribe_active_subscriptions gauge",
        "coscribe_deliveries_total{topic=\"cursors\"} 0",
        "coscribe_delivery_seconds_count{topic=\"changes\"} 0",
        "coscribe_mailbox_full_total{actor=\"room\"} 0",
        "coscribe_operations_total{kind=\"mutation\",outcome=\"refused\"} 0",
        "coscribe_operation_cache_total{outcome=\"hit\"} 0",
        "coscribe_access_checks_total{outcome=\"denied\"} 0",
        "coscribe_subscribers_fell_behind_total{cause=\"log_gap\"} 0",
    ] {
        assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_page_includes_the_process() {
    let page = Metrics::new().render().unwrap();
    let line = page.lines().find(|line| line.starts_with("process_resident_memory_bytes "));
    let bytes: u64 = line.unwrap().split_once(' ').unwrap().1.parse().unwrap();
    assert!(bytes > 0);
}

#[test]
fn every_metric_has_a_sentence_of_help() {
    for family in Metrics::new().registry().gather() {
        let help = family.help();
        assert!(help.ends_with('.') && help.contains(' '), "{}: {help:?}", family.name());
    }
}

#[test]
fn request_metrics_share_the_registry() {
    let metrics = Metrics::new();
    let requests = actix_web_prom::PrometheusMetricsBuilder::new("coscribe")
        .registry(metrics.registry().clone())
        .build();
    assert!(requests.is_ok());
    let again = IntCounter::new("coscribe_http_requests_total", "A second one.").unwrap();
    assert!(metrics.registry().register(Box::new(again)).is_err());
}

#[test]
fn gauges_count_for_as_long_as_their_guards_live() {
    let metrics = Metrics::new();
    let (one, other) = (metrics.connection_opened(), metrics.clone().connection_opened());
    let cursors = metrics.subscription_opened(Topic::Cursors);
    let room = metrics.room_opened();
    let behind = metrics.behind();
    metrics.members_changed(2, 3);
    assert_eq!(value(&metrics, "active_websocket_connections"), 2.0);
    assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"cursors\"}"), 1.0);
    assert_eq!(value(&metrics, "coscribe_active_subscriptions{topic=\"cursors\"}"), 1.0);
    assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"changes\"}"), 0.0);
    assert_eq!(value(&metrics, "coscribe_rooms"), 1.0);
    assert_eq!(value(&metrics, "coscribe_seats_behind"), 1.0);
    assert_eq!(value(&metrics, "coscribe_members"), 1.0);

    drop((one, cursors, room, behind));
    metrics.members_changed(3, 2);

    assert_eq!(value(&metrics, "active_websocket_connections"), 1.0);
    assert_eq!(value(&metrics, "active_subscriptions_total{topic=\"cursors\"}"), 0.0);
    assert_eq!(value(&metrics, "coscribe_active_subscriptions{topic=\"cursors\"}"), 0.0);
    assert_eq!(value(&metrics, "coscribe_rooms"), 0.0);
    assert_eq!(value(&metrics, "coscribe_seats_behind"), 0.0);
    assert_eq!(value(&metrics, "coscribe_members"), 0.0);
    drop(other);
    assert_eq!(value(&metrics, "active_websocket_connections"), 0.0);
}

#[test]
fn every_verb_moves_its_metric() {
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
    metrics.answers_hold(3000);
    metrics.messages_hold(2000);
    metrics.outboxes_hold(5000);
    metrics.outboxes_hold(4000);
    metrics.outbox_seen(5000);
    metrics.outbox_bound_reached(1);
    metrics.cursors_dropped(1);
    metrics.seat_overflowed();
    let _behind = metrics.behind();
    let _waiting = metrics.operation_waits();
    metrics.fell_behind(BehindCause::OutboxFull);
    metrics.replayed();
    metrics.session_closed("too_slow");
    metrics.slot_refused();
    metrics.slot_reclaimed();
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
        ("coscribe_answer_bytes", 3000.0),
        ("coscribe_message_bytes", 2000.0),
        ("coscribe_outbox_bytes", 4000.0),
        ("coscribe_outbox_session_bytes_sum", 5000.0),
        ("coscribe_outbox_bound_reached_total", 1.0),
        ("coscribe_cursors_dropped_total", 1.0),
        ("coscribe_seats_overflowed_total", 1.0),
        ("coscribe_seats_behind", 1.0),
        ("coscribe_subscribers_fell_behind_total{cause=\"outbox_full\"}", 1.0),
        ("coscribe_subscribers_fell_behind_total{cause=\"since\"}", 0.0),
        ("coscribe_replays_total", 1.0),
        ("coscribe_session_closes_total{reason=\"too_slow\"}", 1.0),
        ("coscribe_slots_refused_total", 1.0),
        ("coscribe_slots_reclaimed_total", 1.0),
        ("coscribe_access_checks_total{outcome=\"denied\"}", 1.0),
        ("coscribe_operations_total{kind=\"query\",outcome=\"ok\"}", 1.0),
        ("coscribe_operations_total{kind=\"query\",outcome=\"failed\"}", 0.0),
        ("coscribe_operations_waiting", 1.0),
        ("coscribe_operation_cache_total{outcome=\"hit\"}", 1.0),
        ("coscribe_operation_cache_total{outcome=\"miss\"}", 1.0),
    ] {
        assert_eq!(value(&metrics, name), expected, "{name}");
    }
}
