//! The rules for values that have the right type but would make a node misbehave.
//!
//! There is one function for each section, and one for rules between sections. Each message names the problem and a
//! valid value; the caller adds the name and the source of the setting.

use std::time::Duration;

use super::{
    Fault, Settings,
    fault_list::{FaultList, shown},
    issuer_rules, limit_rules,
};
use crate::{
    auth::{AuthOptions, SigningKeys},
    http::{ServerOptions, TrustedProxies},
    outbox::OutboxOptions,
    questions::QuestionOptions,
    redis::{RedisAddress, RedisOptions},
    room::RoomOptions,
    roster::RosterOptions,
    session::SessionOptions,
    store::{Retention, StoreOptions},
    telemetry::TelemetryOptions,
    wire::envelope::{NEWEST_VERSION, OLDEST_VERSION},
};

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;

/// The longest `auth.document_token_life`. The end of a token is stored for that time.
const MAX_DOCUMENT_TOKEN_LIFE: Duration = Duration::from_hours(24 * 31);

/// The shortest duration of a setting that must not be zero.
const MOMENT: Duration = Duration::from_millis(1);

/// The kernel counts the timeout in milliseconds, in 32 bits: 49 days.
const MAX_TCP_USER_TIMEOUT: Duration = Duration::from_hours(24 * 40);

/// Yjs editors close a connection on which nothing arrives for 30 s. The difference allows for the network.
const MAX_AWARENESS_EVERY: Duration = Duration::from_secs(20);

/// The longest time that a commit may wait for others to share it.
const MAX_COMMIT_PACE: Duration = Duration::from_secs(1);

/// The longest time that deleted documents stay in bins. A time before that always has a date.
const MAX_BIN_KEPT: Duration = Duration::from_hours(10 * 365 * 24);

/// A client that was disconnected for less than this must be able to resume.
const MIN_RETENTION: Duration = Duration::from_hours(1);

/// Returns the faults of these settings, at most one for each setting.
pub(super) fn check(settings: &Settings) -> Vec<Fault> {
    let mut faults = FaultList::default();
    check_server(&mut faults, &settings.server);
    check_session(&mut faults, &settings.session);
    check_tcp_user_timeout(&mut faults, &settings.server, &settings.session);
    limit_rules::check(&mut faults, &settings.limits);
    check_auth(&mut faults, &settings.auth);
    issuer_rules::check(&mut faults, &settings.auth);
    check_room(&mut faults, &settings.room);
    check_outbox(&mut faults, settings.outbox);
    check_store(&mut faults, &settings.store);
    check_redis(&mut faults, &settings.redis);
    check_roster(&mut faults, settings.roster);
    check_telemetry(&mut faults, &settings.telemetry);
    check_together(&mut faults, settings);
    faults.into_vec()
}

fn check_server(faults: &mut FaultList, server: &ServerOptions) {
    faults.unless(!server.host.trim().is_empty(), "server.host", || {
        "is empty. Set it to an address, such as 0.0.0.0 for all addresses of this machine.".into()
    });
    faults.duration("server.drain", server.drain, MOMENT);
    faults.duration("server.keep_alive", server.keep_alive, MOMENT);
    faults.duration("server.head_within", server.head_within, MOMENT);
    faults.duration("server.body_within", server.body_within, MOMENT);
    faults.duration("server.answer_patience", server.answer_patience, MOMENT);
    faults.at_least(
        "server.least_rate",
        usize::try_from(server.least_rate).unwrap_or(usize::MAX),
        1,
    );
    faults.unless(!server.data_dir.as_os_str().is_empty(), "server.data_dir", || {
        "is empty. Set it to a folder, such as ./data.".into()
    });
    for origin in &server.allowed_origins {
        faults.unless(is_origin(origin), "server.allowed_origins", || {
            format!(
                "{origin:?} is not an origin. Write the scheme, the host in lower case and the port, if any, without a \
                 path, such as https://app.example.org; or * to allow all origins."
            )
        });
    }
    for header in &server.allowed_headers {
        let is_token =
            |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
        let is_name = !header.is_empty() && header.chars().all(is_token);
        faults.unless(is_name, "server.allowed_headers", || {
            format!("{header:?} is not the name of a header. Write one like sentry-trace, or * to allow all.")
        });
    }
    faults.at_least("server.max_connections", server.max_connections, 1);
    faults.at_most("server.reserved_percent", server.reserved_percent, 90);
    faults.at_least("server.connections_per_address", server.connections_per_address, 1);
    for proxy in &server.trusted_proxies {
        faults.unless(TrustedProxies::parse_network(proxy).is_some(), "server.trusted_proxies", || {
            format!(
                "{proxy:?} is not an address or a network. Write an IP address, such as 10.0.0.7, or a network, such as \
                 172.16.0.0/12."
            )
        });
    }
    faults.at_least("server.backlog", server.backlog as usize, 1);
}

fn check_session(faults: &mut FaultList, session: &SessionOptions) {
    faults.duration("session.ping_every", session.ping_every, MOMENT);
    let (silence, twice) = (session.silence_allowed, session.ping_every.saturating_mul(2));
    faults.duration("session.silence_allowed", silence, MOMENT);
    faults.unless(silence >= twice, "session.silence_allowed", || {
        format!(
            "{} is less than twice session.ping_every ({}): idle clients would be disconnected before they can answer a \
             ping. Set it to at least {}.",
            shown(silence), shown(session.ping_every), shown(twice)
        )
    });
    let (stall, ping) = (session.stall_allowed, session.ping_every);
    faults.duration("session.stall_allowed", stall, MOMENT);
    faults.unless(stall >= ping, "session.stall_allowed", || {
        format!(
            "{} is less than session.ping_every ({}): a session checks for a stall only when it pings, and would notice \
             one too late. Set it to at least {}.",
            shown(stall), shown(ping), shown(ping)
        )
    });
    faults.duration("session.init_within", session.init_within, MOMENT);
    faults.at_least("session.mailbox", session.mailbox, 1);
}

/// The kernel must not break connections that a session still allows.
fn check_tcp_user_timeout(
    faults: &mut FaultList,
    server: &ServerOptions,
    session: &SessionOptions,
) {
    let key = "server.tcp_user_timeout";
    let kernel = server.tcp_user_timeout;
    faults.duration(key, kernel, MOMENT);
    faults.unless(kernel <= MAX_TCP_USER_TIMEOUT, key, || {
        format!(
            "{} is more than the kernel can count. Set it to at most {}.",
            shown(kernel),
            shown(MAX_TCP_USER_TIMEOUT)
        )
    });
    for (name, allowed, clients) in [
        ("session.silence_allowed", session.silence_allowed, "silent"),
        ("session.stall_allowed", session.stall_allowed, "stalled"),
    ] {
        faults.unless(kernel >= allowed, key, || {
            format!(
                "{} is less than {name} ({}): the kernel would break the connections of {clients} clients before their \
                 sessions may end. Set it to at least {}.",
                shown(kernel), shown(allowed), shown(allowed)
            )
        });
    }
}

fn check_auth(faults: &mut FaultList, auth: &AuthOptions) {
    if let Some(secret) = &auth.secret {
        let length = secret.expose().len();
        faults.unless(length >= SigningKeys::MIN_SECRET, "auth.secret", || {
            format!(
                "has {length} bytes, which is too short. Use at least {} bytes; generate them with: openssl rand -hex 32",
                SigningKeys::MIN_SECRET
            )
        });
    }
    faults.duration("auth.token_life", auth.token_life, Duration::from_mins(1));
    faults.duration("auth.sign_in_life", auth.sign_in_life, Duration::from_mins(1));
    faults.duration("auth.guest_life", auth.guest_life, Duration::from_mins(1));
    if let Err(problem) = QuestionOptions::from(auth).address() {
        faults.unless(false, "auth.ask", || {
            format!("{problem}. Set it to the https address at which the application answers.")
        });
    }
    faults.duration("auth.document_token_life", auth.document_token_life, Duration::from_mins(1));
    faults.no_longer_than(
        "auth.document_token_life",
        auth.document_token_life,
        MAX_DOCUMENT_TOKEN_LIFE,
    );
    faults.unless(!auth.document_audience.trim().is_empty(), "auth.document_audience", || {
        "is empty, so document tokens for every other server would be accepted. Set it to a name of this server.".into()
    });
    faults.no_longer_than("auth.leeway", auth.leeway, Duration::from_mins(5));
    let (memory, lanes) = (auth.argon2_memory_kib as usize, auth.argon2_lanes as usize);
    faults.at_least("auth.argon2_lanes", lanes, 1);
    faults.at_most("auth.argon2_lanes", lanes, 64);
    faults.at_least("auth.argon2_passes", auth.argon2_passes as usize, 1);
    faults.at_most("auth.argon2_passes", auth.argon2_passes as usize, 100);
    faults.at_least("auth.argon2_memory_kib", memory, lanes.clamp(1, 64) * 8);
    faults.at_most("auth.argon2_memory_kib", memory, 4 * MIB);
}

fn check_room(faults: &mut FaultList, room: &RoomOptions) {
    faults.duration("room.awareness_every", room.awareness_every, MOMENT);
    faults.unless(room.awareness_every <= MAX_AWARENESS_EVERY, "room.awareness_every", || {
        format!(
            "{} is too long: Yjs editors would disconnect in between. Set it to at most {}.",
            shown(room.awareness_every),
            shown(MAX_AWARENESS_EVERY)
        )
    });
    faults.duration("room.linger", room.linger, Duration::ZERO);
    faults.at_least("room.mailbox", room.mailbox, 1);
    faults.at_least("room.edits_waiting", room.edits_waiting, 1);
    faults.at_least("room.edits_waiting_bytes", room.edits_waiting_bytes, 1);
    faults.duration("room.apply_within", room.apply_within, MOMENT);
    faults.duration("room.load_within", room.load_within, MOMENT);
    faults.at_least("room.snapshot_every", room.snapshot_every as usize, 1);
    faults.duration("room.compare_every", room.compare_every, Duration::from_millis(100));
    faults.at_most("room.compact_at", room.compact_at, 100);
    faults.at_least("room.texts_at_once", room.texts_at_once, 1);
}

fn check_outbox(faults: &mut FaultList, outbox: OutboxOptions) {
    faults.at_least("outbox.bound", outbox.bound, 64 * KIB);
}

fn check_store(faults: &mut FaultList, store: &StoreOptions) {
    let url = &store.url;
    if !url.is_empty() {
        // The URL itself is not shown: it may contain a password.
        faults.unless(url.starts_with("sqlite:") || store.is_postgres(), "store.url", || {
            "names an unknown database. Set it to sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME, or leave it unset \
             to use coscribe.db in server.data_dir."
                .into()
        });
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        faults.unless(!in_memory, "store.url", || {
            "names a database in memory, of which every connection would get its own. Set it to a file: sqlite:PATH."
                .into()
        });
    }
    faults.at_least("store.readers", store.readers as usize, 1);
    faults.at_least("store.writers", store.writers as usize, 1);
    faults.duration("store.acquire_within", store.acquire_within, MOMENT);
    faults.duration("store.busy_within", store.busy_within, MOMENT);
    faults.unless(store.answer_within > store.busy_within, "store.answer_within", || {
        format!(
            "{} is not longer than store.busy_within ({}), but an answer may have to wait for a lock first. Set it to \
             more than {}.",
            shown(store.answer_within), shown(store.busy_within), shown(store.busy_within)
        )
    });
    faults.duration("store.history_pause", store.history_pause, Duration::from_secs(1));
    faults.unless(store.commit_every <= MAX_COMMIT_PACE, "store.commit_every", || {
        format!(
            "{} is too long: every change would wait for it. Set it to at most {}.",
            shown(store.commit_every),
            shown(MAX_COMMIT_PACE)
        )
    });
    if let Retention::For(time) = store.retention {
        faults.unless(time >= MIN_RETENTION, "store.retention", || {
            format!(
                "{} is too short. Set it to at least {}, or to forever.",
                shown(time),
                shown(MIN_RETENTION)
            )
        });
    }
    faults.duration("store.forget_every", store.forget_every, Duration::from_secs(1));
    faults.unless(store.bin_kept <= MAX_BIN_KEPT, "store.bin_kept", || {
        format!("{} is longer than ten years. Set it to less.", shown(store.bin_kept))
    });
}

fn check_redis(faults: &mut FaultList, redis: &RedisOptions) {
    if redis.is_set()
        && let Err(bad) = redis.url.parse::<RedisAddress>()
    {
        faults.unless(false, "redis.url", || bad.to_string());
    }
    faults.duration("redis.answer_within", redis.answer_within, Duration::from_millis(10));
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    faults.unless(
        !redis.prefix.is_empty() && redis.prefix.chars().all(is_plain),
        "redis.prefix",
        || {
            format!(
                "{:?} is not a valid prefix. Use one or more letters, digits, -, _, . and : only.",
                redis.prefix
            )
        },
    );
    let versions = OLDEST_VERSION..=NEWEST_VERSION;
    faults.unless(versions.contains(&redis.envelope_version), "redis.envelope_version", || {
        format!(
            "{} is unknown. Set it to a version from {OLDEST_VERSION} to {NEWEST_VERSION}.",
            redis.envelope_version
        )
    });
}

fn check_roster(faults: &mut FaultList, roster: RosterOptions) {
    faults.duration("roster.renew_every", roster.renew_every, Duration::from_millis(10));
    faults.duration("roster.lease", roster.lease, Duration::from_millis(10));
    let min = roster.renew_every.saturating_mul(3);
    faults.unless(roster.lease >= min, "roster.lease", || {
        format!(
            "{} is less than three times roster.renew_every ({}): a node that misses one renewal would count as dead. \
             Set it to at least {}.",
            shown(roster.lease), shown(roster.renew_every), shown(min)
        )
    });
}

fn check_telemetry(faults: &mut FaultList, telemetry: &TelemetryOptions) {
    faults.unless(!telemetry.filter.trim().is_empty(), "telemetry.filter", || {
        "is empty. Set it to info, or to off to log nothing.".into()
    });
    if let Err(error) = telemetry.check() {
        faults.unless(false, "telemetry.filter", || error.to_string());
    }
}

/// Checks the rules between settings of different sections.
fn check_together(faults: &mut FaultList, settings: &Settings) {
    let (auth, redis) = (&settings.auth, &settings.redis);
    let is_shared = settings.store.is_postgres();
    faults.unless(auth.secret.is_some() || !is_shared, "auth.secret", || {
        "is not set, but all nodes that share a PostgreSQL database need the same secret. Set JWT_SECRET on each of \
         them; generate it once with: openssl rand -hex 32"
            .into()
    });
    faults.unless(is_shared || !redis.is_set(), "redis.url", || {
        "is set, but the database is a SQLite file, which nodes cannot share. Set store.url (DATABASE_URL) to a \
         PostgreSQL database, or unset redis.url."
            .into()
    });
    let (answer, lease) = (redis.answer_within, settings.roster.lease);
    faults.unless(answer.saturating_mul(2) < lease, "redis.answer_within", || {
        format!(
            "{} is not less than half of roster.lease ({}): a node that waits for Redis would lose its lease. Set it to \
             less than {}.",
            shown(answer), shown(lease), shown(lease / 2)
        )
    });
    faults.unless(auth.sign_in_life >= auth.token_life, "auth.sign_in_life", || {
        format!(
            "{} is less than auth.token_life ({}). Set it to at least {}.",
            shown(auth.sign_in_life),
            shown(auth.token_life),
            shown(auth.token_life)
        )
    });
    let (warning, life) = (settings.session.warn_before_expiry, auth.token_life);
    faults.unless(warning <= life, "session.warn_before_expiry", || {
        format!(
            "{} is longer than auth.token_life ({}). Set it to at most {}.",
            shown(warning),
            shown(life),
            shown(life)
        )
    });
}

/// Returns whether this is a value that browsers send as `Origin` (RFC 6454, section 6.2), or `*`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "*" };
    let is_invalid = |letter: char| {
        letter.is_whitespace() || letter.is_ascii_uppercase() || "/?#@*,".contains(letter)
    };
    !scheme.is_empty()
        && !host.is_empty()
        && !scheme.contains(is_invalid)
        && !host.contains(is_invalid)
}
