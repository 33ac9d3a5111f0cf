//! Which values and combinations are refused, and which are just allowed.

use super::tests::{faults, load};

#[test]
fn values_that_would_misbehave_are_refused_by_name() {
    for (key, value) in [
        ("server.host", ""),
        ("server.drain", "0s"),
        ("server.head_within", "0s"),
        ("server.body_within", "0s"),
        ("server.answer_patience", "0s"),
        ("server.least_rate", "0"),
        ("server.reserved_percent", "91"),
        ("server.connections_per_address", "0"),
        ("server.trusted_proxies", "10.0.0.7, balancer"),
        ("server.trusted_proxies", "10.0.0.0/33"),
        ("server.forwarded_header", "x-real-ip"),
        ("server.metrics_address", "127.0.0.1"),
        ("server.data_dir", ""),
        ("server.max_connections", "0"),
        ("server.backlog", "0"),
        ("session.ping_every", "0s"),
        ("session.ping_every", "2years"),
        ("session.silence_allowed", "59s"),
        ("session.stall_allowed", "29s"),
        ("session.stall_allowed", "0s"),
        ("server.tcp_user_timeout", "89s"),
        ("server.tcp_user_timeout", "41days"),
        ("session.init_within", "0s"),
        ("session.mailbox", "0"),
        ("session.warn_before_expiry", "61m"),
        ("limits.connections_per_user", "0"),
        ("limits.operations_in_flight", "0"),
        ("limits.requests_in_flight", "0"),
        ("limits.subscriptions", "0"),
        ("limits.frame", "0"),
        ("limits.message", "67108863"),
        ("limits.message", "268435457"),
        ("limits.messages_of_user", "67108863"),
        ("limits.messages_of_node", "201326591"),
        ("limits.unauthenticated_bytes", "16383"),
        ("limits.init_bytes", "10239"),
        ("limits.upgrades_per_second", "0"),
        ("limits.checks_per_second", "0"),
        ("limits.messages_per_second", "0"),
        ("limits.document", "0"),
        ("limits.document", "268435457"),
        ("limits.document_clients", "0"),
        ("limits.cursors_per_second", "0"),
        ("limits.edits_per_second", "0"),
        ("limits.operations_per_second", "0"),
        ("limits.sync_bytes_per_second", "0"),
        ("limits.anonymous_per_second", "0"),
        ("limits.failed_sign_ins_of_pair", "0"),
        ("limits.failed_sign_ins_of_source", "0"),
        ("limits.failed_sign_ins_of_account", "0"),
        ("limits.registrations_per_hour", "0"),
        ("limits.address_look_ups_per_hour", "4"),
        ("limits.operation_text", "0"),
        ("limits.operation_text", "67108865"),
        ("limits.operation_depth", "0"),
        ("limits.operation_complexity", "1199"),
        ("limits.answer", "63963135"),
        ("limits.answers_of_user", "100663295"),
        ("limits.answers_of_node", "201326591"),
        ("limits.answer_values", "999"),
        ("limits.operation_cache_entries", "0"),
        ("limits.operation_cache_bytes", "0"),
        ("auth.secret", "0123456789abcdef0123456789abcde"),
        ("auth.token_life", "59s"),
        ("auth.leeway", "301s"),
        ("auth.argon2_memory_kib", "7"),
        ("auth.argon2_memory_kib", "4194305"),
        ("auth.argon2_passes", "0"),
        ("auth.argon2_lanes", "0"),
        ("auth.argon2_lanes", "65"),
        ("room.mailbox", "0"),
        ("room.edits_waiting", "0"),
        ("room.edits_waiting_bytes", "0"),
        ("room.texts_at_once", "0"),
        ("room.compare_every", "99ms"),
        ("outbox.bound", "65535"),
        ("store.url", "mysql://localhost/coscribe"),
        ("store.url", "sqlite::memory:"),
        ("store.readers", "0"),
        ("store.acquire_within", "0s"),
        ("store.busy_within", "0s"),
        ("store.answer_within", "0s"),
        ("store.writers", "0"),
        ("store.commit_every", "1001ms"),
        ("telemetry.filter", "coscribe=loud"),
    ] {
        let name = format!("COSCRIBE__{}", key.replace('.', "__").to_uppercase());
        let faults = faults(&[(&name, value)]);
        assert!(faults[0].starts_with(&format!("{key} ({name}): ")), "{key} = {value}: {faults:?}");
        // A setting that depends on this one may be wrong as well, and has a fault of its own.
        assert!(faults.len() <= 3, "{key} = {value}: {faults:?}");
    }
}

#[test]
fn values_at_the_limits_are_accepted() {
    load(&[
        ("PORT", "0"),
        ("COSCRIBE__SERVER__ALLOWED_ORIGINS", "*"),
        ("COSCRIBE__SESSION__PING_EVERY", "50ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "100ms"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "50ms"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "100ms"),
        ("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "60s"),
        ("COSCRIBE__AUTH__TOKEN_LIFE", "1m"),
        ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8"),
        ("COSCRIBE__AUTH__ARGON2_PASSES", "1"),
        ("COSCRIBE__LIMITS__FRAME", "1_024"),
        ("COSCRIBE__LIMITS__UNAUTHENTICATED_BYTES", "16384"),
        ("COSCRIBE__LIMITS__DOCUMENT", "268435456"),
        ("COSCRIBE__LIMITS__DOCUMENT_STATE", "268435456"),
        ("COSCRIBE__LIMITS__ANSWER", "1611661312"),
        ("COSCRIBE__LIMITS__ANSWERS_OF_USER", "1611661312"),
        ("COSCRIBE__LIMITS__ANSWERS_OF_NODE", "3223322624"),
        ("COSCRIBE__ROOM__AWARENESS_EVERY", "20s"),
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
        ("COSCRIBE__ROOM__LINGER", "0s"),
    ])
    .unwrap();
}

#[test]
fn the_kernel_allows_what_a_session_allows() {
    let silence = ("COSCRIBE__SESSION__SILENCE_ALLOWED", "5m");
    let found = faults(&[silence]);
    assert_eq!(
        found,
        [
            "server.tcp_user_timeout: 3m is less than session.silence_allowed (5m): the kernel would break the connections \
          of silent clients before their sessions may end. Set it to at least 5m."
        ]
    );
    let found = faults(&[("COSCRIBE__SESSION__STALL_ALLOWED", "10m")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("less than session.stall_allowed (10m)"), "{found:?}");

    let settings = load(&[silence, ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "5m")]).unwrap();
    assert_eq!(settings.session.stall_allowed, std::time::Duration::from_secs(90));
}

#[test]
fn an_origin_must_be_as_browsers_send_it() {
    for origin in [
        "app.example.org",
        "https://",
        "https://App.example.org",
        "https://app.example.org/",
        "https://*.example.org",
        "https://user@example.org",
        "null",
    ] {
        let faults = faults(&[("COSCRIBE__SERVER__ALLOWED_ORIGINS", origin)]);
        assert!(faults[0].contains(&format!("{origin:?} is not an origin")), "{faults:?}");
    }
}

#[test]
fn nodes_that_share_a_database_need_a_shared_secret() {
    let url = ("DATABASE_URL", "postgres://ana:password@db.example/coscribe");
    let found = faults(&[url]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("auth.secret: is not set, "), "{found:?}");
    assert!(!found[0].contains("password"), "{found:?}");
    let secret = ("JWT_SECRET", "a secret that is long enough for them");
    assert!(load(&[url, secret]).unwrap().store.is_postgres());
}

#[test]
fn redis_requires_a_database_that_nodes_can_share() {
    let postgres = ("DATABASE_URL", "postgres://db.example/coscribe");
    let secret = ("JWT_SECRET", "a secret that is long enough for them");
    let redis = ("REDIS_URL", "redis+cluster://ana:hunter2@a.example,b.example");
    let settings = load(&[postgres, secret, redis]).unwrap();
    assert!(settings.redis.is_set());
    assert!(!format!("{:?}", settings.redis).contains("hunter2"));

    let alone = faults(&[redis]);
    assert_eq!(alone.len(), 1, "{alone:?}");
    assert!(
        alone[0].starts_with("redis.url (REDIS_URL): is set, but the database is a SQLite file")
    );

    let found = faults(&[
        postgres,
        secret,
        ("REDIS_URL", "redis://ana:hunter2@a.example,b.example"),
        ("COSCRIBE__REDIS__PREFIX", "{mine}"),
        ("COSCRIBE__REDIS__ENVELOPE_VERSION", "7"),
        ("COSCRIBE__ROSTER__LEASE", "10s"),
    ]);
    assert!(found.iter().all(|fault| !fault.contains("hunter2")), "{found:?}");
    for expected in [
        "redis.url (REDIS_URL): ",
        "redis.prefix (COSCRIBE__REDIS__PREFIX): \"{mine}\" is not a valid prefix.",
        "redis.envelope_version (COSCRIBE__REDIS__ENVELOPE_VERSION): 7 is unknown.",
        "roster.lease (COSCRIBE__ROSTER__LEASE): 10s is less than three times roster.renew_every (5s)",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}: {found:?}");
    }
    assert_eq!(found.len(), 4, "{found:?}");
}
