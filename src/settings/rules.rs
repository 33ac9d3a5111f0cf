//! What may be set but would start and then misbehave.

use std::time::Duration;

use super::{Fault, Settings};
use crate::{
    auth::{AuthOptions, SigningKeys},
    http::ServerOptions,
    outbox::OutboxOptions,
    redis::{RedisAddress, RedisOptions},
    room::RoomOptions,
    roster::RosterOptions,
    session::{Limits, SessionOptions},
    store::{Retention, StoreOptions},
    telemetry::TelemetryOptions,
    wire::envelope::{NEWEST_VERSION, OLDEST_VERSION},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Longer than this is a slip of the pen, and adding it to a clock could overflow.
const MAX_DURATION: Duration = Duration::from_hours(24 * 365);

/// The kernel counts the timeout in milliseconds, in 32 bits: 49 days.
const MAX_TCP_USER_TIMEOUT: Duration = Duration::from_hours(24 * 40);

/// Yjs editors give up a connection on which nothing comes for 30 s; this leaves some time for the way.
const MAX_AWARENESS_EVERY: Duration = Duration::from_secs(20);

/// Everything that is wrong with these settings, at most one fault for each key.
pub(super) fn check(settings: &Settings) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    faults.server(&settings.server);
    faults.session(&settings.session);
    faults.kernel_timeout(&settings.server, &settings.session);
    faults.limits(&settings.limits);
    faults.auth(&settings.auth, settings.store.is_postgres());
    faults.room(&settings.room);
    faults.outbox(&settings.outbox);
    faults.store(&settings.store);
    faults.redis(&settings.redis, settings.store.is_postgres());
    faults.roster(&settings.roster);
    let (answer, lease) = (settings.redis.answer_within, settings.roster.lease);
    faults.unless(answer.saturating_mul(2) < lease, "redis.answer_within", || {
        format!(
            "{} is half of roster.lease, {}, or more: a node would lose its lease while it waits. Set it lower.",
            shown(answer), shown(lease)
        )
    });
    faults.telemetry(&settings.telemetry);
    let (warning, life) = (settings.session.warn_before_expiry, settings.auth.token_life);
    faults.unless(warning <= life, "session.warn_before_expiry", || {
        format!("{} is longer than auth.token_life, {}. Set it lower.", shown(warning), shown(life))
    });
    faults.0
}

/// The faults found so far.
struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault unless the rule holds. The first one of a key says enough.
    fn unless(&mut self, holds: bool, key: &str, problem: impl FnOnce() -> String) {
        if !holds && self.0.iter().all(|fault| fault.key != key) {
            self.0.push(Fault::new(key, problem()));
        }
    }

    fn at_least(&mut self, key: &str, value: usize, least: usize) {
        self.unless(value >= least, key, || {
            format!("{value} is too small. Set it to at least {least}.")
        });
    }

    fn at_most(&mut self, key: &str, value: usize, most: usize) {
        self.unless(value <= most, key, || {
            format!("{value} is too large. Set it to at most {most}.")
        });
    }

    /// A time of `least` to a year.
    fn time(&mut self, key: &str, value: Duration, least: Duration) {
        self.unless(value >= least, key, || {
            format!("{} is too short. Set it to at least {}.", shown(value), shown(least))
        });
        self.unless(value <= MAX_DURATION, key, || {
            format!("{} is too long. Set it to at most 365days.", shown(value))
        });
    }

    fn server(&mut self, server: &ServerOptions) {
        self.unless(!server.host.trim().is_empty(), "server.host", || {
            "is empty. Set it to 0.0.0.0 to listen on every address.".into()
        });
        self.time("server.drain", server.drain, Duration::from_millis(1));
        self.time("server.body_within", server.body_within, Duration::from_millis(1));
        self.unless(!server.data_dir.as_os_str().is_empty(), "server.data_dir", || {
            "is empty. Name a folder, as in ./data.".into()
        });
        for origin in &server.allowed_origins {
            self.unless(is_origin(origin), "server.allowed_origins", || {
                format!(
                    "{origin:?} is not an origin. Write the scheme, the host in lower case and the port if \
                     there is one, with nothing behind, as in https://app.example.org; or * for all."
                )
            });
        }
        self.at_least("server.max_connections", server.max_connections, 1);
        self.at_least("server.backlog", server.backlog as usize, 1);
    }

    fn session(&mut self, session: &SessionOptions) {
        let moment = Duration::from_millis(1);
        self.time("session.ping_every", session.ping_every, moment);
        let (silence, twice) = (session.silence_allowed, session.ping_every.saturating_mul(2));
        self.time("session.silence_allowed", silence, moment);
        self.unless(silence >= twice, "session.silence_allowed", || {
            format!(
                "{} is less than twice session.ping_every, {}: clients that send nothing by themselves would be closed \
                 before they can answer a ping. Set it to at least {}.",
                shown(silence), shown(session.ping_every), shown(twice)
            )
        });
        let (stall, ping) = (session.stall_allowed, session.ping_every);
        self.time("session.stall_allowed", stall, moment);
        self.unless(stall >= ping, "session.stall_allowed", || {
            format!(
                "{} is less than session.ping_every, {}: a session looks for a stall only when it pings, so it would \
                 notice one too late. Set it to at least {}.",
                shown(stall), shown(ping), shown(ping)
            )
        });
        self.time("session.init_within", session.init_within, moment);
        self.at_least("session.mailbox", session.mailbox, 1);
    }

    /// The kernel must not break connections that a session still allows.
    fn kernel_timeout(&mut self, server: &ServerOptions, session: &SessionOptions) {
        let key = "server.tcp_user_timeout";
        let kernel = server.tcp_user_timeout;
        self.time(key, kernel, Duration::from_millis(1));
        self.unless(kernel <= MAX_TCP_USER_TIMEOUT, key, || {
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
            self.unless(kernel >= allowed, key, || {
                format!(
                    "{} is less than {name}, {}: the kernel would break the connections of {clients} clients before \
                     their sessions may end. Set it to at least {}.",
                    shown(kernel), shown(allowed), shown(allowed)
                )
            });
        }
    }

    fn limits(&mut self, limits: &Limits) {
        self.at_least("limits.connections_per_user", limits.connections_per_user, 1);
        self.at_least("limits.operations_in_flight", limits.operations_in_flight, 1);
        self.at_least("limits.subscriptions", limits.subscriptions, 1);
        self.at_least("limits.frame", limits.frame, 1);
        self.at_most("limits.message", limits.message, 256 * MIB);
        self.unless(limits.message >= limits.frame, "limits.message", || {
            format!(
                "{} is less than limits.frame, {}: a message is one frame or more. Set it to at least that.",
                limits.message, limits.frame
            )
        });
        self.at_least("limits.unauthenticated_bytes", limits.unauthenticated_bytes, 16 * KIB);
        self.at_least("limits.document", limits.document, 1);
        self.at_most("limits.document", limits.document, 256 * MIB);
        self.unless(
            limits.document_state >= limits.document,
            "limits.document_state",
            || {
                format!(
                    "{} is less than limits.document, {}: it holds the text and more. Set it to at least that.",
                    limits.document_state, limits.document
                )
            },
        );
        self.at_most("limits.document_state", limits.document_state, 1024 * MIB);
        self.at_least("limits.update_structs", limits.update_structs, 1);
        self.at_least("limits.awareness", limits.awareness, KIB);
        self.at_most("limits.awareness", limits.awareness, MIB);
        self.at_least("limits.cursors_per_second", limits.cursors_per_second as usize, 1);
        self.at_least("limits.edits_per_second", limits.edits_per_second as usize, 1);
        self.at_least("limits.operations_per_second", limits.operations_per_second as usize, 1);
        self.at_least("limits.anonymous_per_second", limits.anonymous_per_second as usize, 1);
        self.at_least("limits.sign_ins_per_minute", limits.sign_ins_per_minute as usize, 1);
        self.at_least("limits.operation_text", limits.operation_text, 1);
        self.unless(limits.operation_text <= limits.message, "limits.operation_text", || {
            format!(
                "{} is more than limits.message, {}, which no message can hold. Set it lower.",
                limits.operation_text, limits.message
            )
        });
        self.at_least("limits.operation_depth", limits.operation_depth, 1);
        self.at_least("limits.operation_complexity", limits.operation_complexity, 1_200);
        self.at_least("limits.operation_cache_entries", limits.operation_cache_entries, 1);
        self.at_least("limits.operation_cache_bytes", limits.operation_cache_bytes, 1);
    }

    fn auth(&mut self, auth: &AuthOptions, is_shared: bool) {
        let length = auth.secret.as_ref().map(|secret| secret.expose().len());
        self.unless(
            length.is_none_or(|length| length >= SigningKeys::MIN_SECRET),
            "auth.secret",
            || {
                format!(
                    "has {} bytes and needs at least {}. Make one with: openssl rand -hex 32",
                    length.unwrap_or_default(),
                    SigningKeys::MIN_SECRET
                )
            },
        );
        self.unless(length.is_some() || !is_shared, "auth.secret", || {
            "is not set. Nodes that share a database have to share it: set JWT_SECRET on all of them; make one with: \
             openssl rand -hex 32"
                .into()
        });
        self.time("auth.token_life", auth.token_life, Duration::from_mins(1));
        self.unless(auth.leeway <= Duration::from_mins(5), "auth.leeway", || {
            format!("{} is too long. Set it to at most 5m.", shown(auth.leeway))
        });
        let (memory, lanes) = (auth.argon2_memory_kib as usize, auth.argon2_lanes as usize);
        self.at_least("auth.argon2_lanes", lanes, 1);
        self.at_most("auth.argon2_lanes", lanes, 64);
        self.at_least("auth.argon2_passes", auth.argon2_passes as usize, 1);
        self.at_most("auth.argon2_passes", auth.argon2_passes as usize, 100);
        self.at_least("auth.argon2_memory_kib", memory, lanes.clamp(1, 64) * 8);
        self.at_most("auth.argon2_memory_kib", memory, 4 * MIB);
    }

    fn room(&mut self, room: &RoomOptions) {
        self.time("room.awareness_every", room.awareness_every, Duration::from_millis(1));
        self.unless(room.awareness_every <= MAX_AWARENESS_EVERY, "room.awareness_every", || {
            format!(
                "{} is so long that editors would give up their connections in between. Set it to at most {}.",
                shown(room.awareness_every), shown(MAX_AWARENESS_EVERY)
            )
        });
        self.time("room.linger", room.linger, Duration::ZERO);
        self.at_least("room.mailbox", room.mailbox, 1);
        self.at_least("room.edits_waiting", room.edits_waiting, 1);
        self.at_least("room.edits_waiting_bytes", room.edits_waiting_bytes, 1);
        self.time("room.apply_within", room.apply_within, Duration::from_millis(1));
        self.at_least("room.snapshot_every", room.snapshot_every as usize, 1);
        self.time("room.compare_every", room.compare_every, Duration::from_millis(100));
        self.at_least("room.texts_at_once", room.texts_at_once, 1);
    }

    fn outbox(&mut self, outbox: &OutboxOptions) {
        self.at_least("outbox.bound", outbox.bound, 64 * KIB);
    }

    fn store(&mut self, store: &StoreOptions) {
        let url = &store.url;
        if !url.is_empty() {
            // The URL itself is not shown: it may hold a password.
            self.unless(url.starts_with("sqlite:") || store.is_postgres(), "store.url", || {
                "names a database that this version does not know. It knows SQLite and PostgreSQL: write sqlite:PATH or \
                 postgres://USER:PASSWORD@HOST/NAME, or leave it unset for coscribe.db in server.data_dir."
                    .into()
            });
            let in_memory = url.contains(":memory:") || url.contains("mode=memory");
            self.unless(!in_memory, "store.url", || {
                "would give every connection a database of its own. Name a file: sqlite:PATH."
                    .into()
            });
        }
        let moment = Duration::from_millis(1);
        self.at_least("store.readers", store.readers as usize, 1);
        self.at_least("store.writers", store.writers as usize, 1);
        self.time("store.acquire_within", store.acquire_within, moment);
        self.time("store.busy_within", store.busy_within, moment);
        self.unless(store.answer_within > store.busy_within, "store.answer_within", || {
            format!(
                "{} is not longer than store.busy_within. Set it to more: an answer may come after a lock.",
                shown(store.answer_within)
            )
        });
        self.time("store.history_pause", store.history_pause, Duration::from_secs(1));
        self.unless(store.commit_every <= SLOWEST_PACE, "store.commit_every", || {
            format!(
                "{} would hold every change up. Set it to at most 1s.",
                shown(store.commit_every)
            )
        });
        if let Retention::For(time) = store.retention {
            self.unless(time >= MIN_RETENTION, "store.retention", || {
                format!("{} is too short. Set it to at least 1h, or to forever.", shown(time))
            });
        }
        self.time("store.forget_every", store.forget_every, Duration::from_secs(1));
    }

    fn redis(&mut self, redis: &RedisOptions, is_shared: bool) {
        if redis.is_set() {
            if let Err(bad) = redis.url.parse::<RedisAddress>() {
                self.unless(false, "redis.url", || bad.to_string());
            }
            self.unless(is_shared, "redis.url", || {
                "is set, but the database is a file, which nodes cannot share. Set store.url (DATABASE_URL) to a PostgreSQL, \
                 or unset this."
                    .into()
            });
        }
        self.time("redis.answer_within", redis.answer_within, Duration::from_millis(10));
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
        self.unless(
            !redis.prefix.is_empty() && redis.prefix.chars().all(plain),
            "redis.prefix",
            || {
                format!(
                    "{:?} cannot begin a key. Use letters, digits, -, _, . and : only.",
                    redis.prefix
                )
            },
        );
        let versions = OLDEST_VERSION..=NEWEST_VERSION;
        self.unless(versions.contains(&redis.envelope_version), "redis.envelope_version", || {
            format!(
                "{} is not known. Set it to {OLDEST_VERSION} to {NEWEST_VERSION}.",
                redis.envelope_version
            )
        });
    }

    fn roster(&mut self, roster: &RosterOptions) {
        self.time("roster.renew_every", roster.renew_every, Duration::from_millis(10));
        let least = roster.renew_every.saturating_mul(3);
        self.time("roster.lease", roster.lease, Duration::from_millis(10));
        self.unless(roster.lease >= least, "roster.lease", || {
            format!(
                "{} is less than three times roster.renew_every, {}: a node that misses one renewal would count as dead. \
                 Set it to at least {}.",
                shown(roster.lease), shown(roster.renew_every), shown(least)
            )
        });
    }

    fn telemetry(&mut self, telemetry: &TelemetryOptions) {
        self.unless(!telemetry.filter.trim().is_empty(), "telemetry.filter", || {
            "is empty. Set it to info, or to off for no logs.".into()
        });
        if let Err(error) = telemetry.check() {
            self.unless(false, "telemetry.filter", || error.to_string());
        }
    }
}

/// So long may a commit wait for others to share it.
const SLOWEST_PACE: Duration = Duration::from_secs(1);

/// Whoever was away for less long must be able to go on.
const MIN_RETENTION: Duration = Duration::from_hours(1);

/// Whether this is what a browser sends as `Origin` (RFC 6454, section 6.2), or `*`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "*" };
    let odd = |letter: char| {
        letter.is_whitespace() || letter.is_ascii_uppercase() || "/?#@*,".contains(letter)
    };
    !scheme.is_empty() && !host.is_empty() && !scheme.contains(odd) && !host.contains(odd)
}

/// A time as settings have it.
fn shown(time: Duration) -> String {
    humantime_serde::re::humantime::format_duration(time).to_string()
}
