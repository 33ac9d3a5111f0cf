//! Builds every part once and passes its dependencies to it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::{base::Base, cluster::Cluster};
use crate::{
    auth::{AddressLookUps, ApplicationKeys, Issuers, Passwords, SignInLimits, SignIns, Verifier},
    graphql::{Api, Engine, GuestRules, HourlyAllowances, LocalAccountRules, RequestAllowances},
    http::{
        BodyLimits, DrainFlag, HttpState, Origins, Paced, RefusalLog, RequestsInFlight,
        TrustedProxies,
    },
    log_pace::LogPace,
    memory::{MemoryAccount, MemoryBounds, MemoryUse},
    metrics::Metrics,
    outbox::OutboxTotals,
    questions::{QuestionOptions, Questions},
    quota::OpenDocuments,
    room::{RoomParts, Rooms},
    session::{
        AccountEnds, DocumentTokenEnds, Identity, Limits, MAX_SEARCHES_PER_MINUTE, SessionParts,
        Sessions, SignInEnds, Throttle, WaitingThrottle,
    },
    settings::Settings,
    store::{AcceptedAddress, Store},
    telemetry,
    yjs::{EditorParts, UnstoredLog},
};

/// The shortest time between two checks of the database for `/readyz`, and between two metrics pages.
const PROBE_PERIOD: Duration = Duration::from_millis(10);

/// How long the end of a sign-in is remembered at least: sessions at an outside issuer may last as long.
const SIGN_INS_KEPT: Duration = Duration::from_hours(24 * 90);

/// The longest time after its expiry for which another node may still accept a token.
const MAX_LEEWAYS: Duration = Duration::from_mins(10);

/// The connected parts of a node.
pub(super) struct Parts {
    pub(super) http: Arc<HttpState>,
    pub(super) session: Arc<SessionParts>,
    pub(super) rooms: Rooms,
    pub(super) cluster: Cluster,
    pub(super) draining: DrainFlag,
    pub(super) issuers: Issuers,
    pub(super) applications: ApplicationKeys,
    pub(super) document_token_ends: DocumentTokenEnds,
    pub(super) account_ends: AccountEnds,
}

/// Builds the parts of a node on an open store.
///
/// # Errors
/// A part cannot use its settings.
pub(super) fn build(settings: &Settings, base: Base) -> anyhow::Result<Parts> {
    let Base { store, tokens, demo_page, .. } = base;
    let metrics = Metrics::new();
    let cluster = Cluster::new(settings, tokens.relay_key(), &metrics)?;
    let roster = Arc::clone(&cluster.roster);
    let limits = settings.limits.clone();
    let sessions = Sessions::default();
    let issuers = Issuers::new(settings.auth.issuers.values(), settings.auth.leeway)?;
    let answers = answer_memory(&limits, &metrics);
    let rooms = build_rooms(settings, store.clone(), &cluster, answers.clone(), metrics.clone())?;
    let document_tokens = settings.auth.document_token_options();
    let applications = ApplicationKeys::new(document_tokens.clone());
    let sign_in_ends =
        SignInEnds::new(sessions.clone(), rooms.clone(), Arc::clone(&cluster.bridge));
    let document_token_ends = DocumentTokenEnds::new(store.clone(), sign_in_ends.clone());
    let account_ends = AccountEnds::new(store.clone(), rooms.clone(), sign_in_ends.clone());
    let engine = Engine::new(Arc::new(Api {
        store: store.clone(),
        rooms: rooms.clone(),
        roster: Arc::clone(&roster),
        tokens: tokens.clone(),
        tickets: tokens.tickets(),
        passwords: Passwords::new(&settings.auth)?,
        sign_ins: SignIns::new(SignInLimits {
            failures_of_pair: limits.failed_sign_ins_of_pair,
            failures_of_source: limits.failed_sign_ins_of_source,
            failures_of_account: limits.failed_sign_ins_of_account,
        }),
        registrations: Throttle::per_hour(
            "new accounts from your network",
            limits.registrations_per_hour,
        ),
        look_ups: AddressLookUps::new(limits.address_look_ups_per_hour),
        local_accounts: LocalAccountRules {
            may_sign_in: settings.auth.has_local_accounts(),
            may_register: settings.auth.is_registration_open(),
        },
        account_ends: account_ends.clone(),
        document_token_ends: document_token_ends.clone(),
        document_tokens_kept_for: TimeDelta::from_std(document_tokens.life + MAX_LEEWAYS)?,
        sign_in_ends,
        sign_ins_kept_for: TimeDelta::from_std(settings.auth.sign_in_life.max(SIGN_INS_KEPT))?,
        guests: GuestRules {
            life: TimeDelta::from_std(settings.auth.guest_life)?,
            per_link: i32::try_from(settings.auth.guests_per_link).unwrap_or(i32::MAX),
        },
        addresses: match settings.auth.unconfirmed_addresses {
            true => AcceptedAddress::Any,
            false => AcceptedAddress::Confirmed,
        },
        allowances: RequestAllowances::new(&limits),
        public_schema: settings.server.public_schema,
        hourly: HourlyAllowances::new(&limits),
        answers,
        metrics: metrics.clone(),
        limits: limits.clone(),
    }));
    let verifier =
        Verifier::new(tokens, issuers.clone(), applications.clone(), settings.auth.leeway);
    let identity =
        Identity::new(verifier, store.clone(), rooms.clone(), metrics.clone(), settings.auth.enrol);
    let throttle = Arc::new(Throttle::per_second("operations", limits.operations_per_second));
    let totals = Arc::new(OutboxTotals::new(metrics.clone()));
    let memory = message_memory(&limits, &metrics);
    let message_rate = settings.server.least_rate(settings.server.body_within);
    let session = Arc::new(SessionParts {
        identity: identity.clone(),
        execute: Arc::new(engine.clone()),
        roster: Arc::clone(&roster),
        bridge: Arc::clone(&cluster.bridge),
        throttle: Arc::clone(&throttle),
        slot_searches: Throttle::per_minute("searches for a slot", MAX_SEARCHES_PER_MINUTE),
        memory: memory.clone(),
        message_rate,
        turns: engine.turns(),
        metrics: metrics.clone(),
        totals: Arc::clone(&totals),
        options: settings.session.clone(),
        limits: limits.clone(),
        outbox: settings.outbox,
        sessions,
        refusals: LogPace::of_strangers(),
    });
    let editors = Arc::new(EditorParts {
        rooms: rooms.clone(),
        store: store.clone(),
        throttle: Arc::clone(&throttle),
        metrics: metrics.clone(),
        limits: limits.clone(),
        unstored: UnstoredLog::default(),
    });
    let draining = DrainFlag::default();
    let http = Arc::new(HttpState {
        engine,
        identity,
        roster,
        rooms: rooms.clone(),
        throttle,
        anonymous_throttle: Throttle::per_second(
            "requests without a token",
            limits.anonymous_per_second,
        ),
        upgrade_throttle: WaitingThrottle::per_second(
            "new connections",
            limits.upgrades_per_second,
        ),
        check_throttle: Throttle::per_second(
            "health checks and requests for the metrics",
            limits.checks_per_second,
        ),
        proxies: Arc::new(TrustedProxies::new(
            &settings.server.trusted_proxies,
            settings.server.forwarded_header,
        )),
        metrics_page: Paced::new(PROBE_PERIOD),
        database_check: Paced::new(PROBE_PERIOD),
        editors,
        session: Arc::clone(&session),
        store,
        metrics,
        totals,
        origins: Origins::new(settings.server.allowed_origins.clone()),
        draining: draining.clone(),
        refusals: RefusalLog::default(),
        stranger_requests: LogPace::of_strangers(),
        demo: demo_page,
        dropped_log_lines: telemetry::dropped_lines,
        in_flight: RequestsInFlight::new(limits.requests_in_flight),
        memory,
        bodies: BodyLimits {
            authenticated: limits.message,
            anonymous: limits.unauthenticated_bytes.min(limits.message),
            rate: message_rate,
        },
    });
    Ok(Parts {
        http,
        session,
        rooms,
        cluster,
        draining,
        issuers,
        applications,
        document_token_ends,
        account_ends,
    })
}

fn message_memory(limits: &Limits, metrics: &Metrics) -> MemoryAccount {
    let bounds =
        MemoryBounds { of_user: limits.messages_of_user, of_node: limits.messages_of_node };
    MemoryAccount::new(MemoryUse::Messages, bounds, metrics.clone())
}

fn answer_memory(limits: &Limits, metrics: &Metrics) -> MemoryAccount {
    let bounds = MemoryBounds { of_user: limits.answers_of_user, of_node: limits.answers_of_node };
    MemoryAccount::new(MemoryUse::Answers, bounds, metrics.clone())
}

fn build_rooms(
    settings: &Settings,
    store: Store,
    cluster: &Cluster,
    answers: MemoryAccount,
    metrics: Metrics,
) -> Result<Rooms, reqwest::Error> {
    let questions =
        Questions::new(&QuestionOptions::from(&settings.auth), store.clone(), metrics.clone())?;
    let parts = RoomParts {
        questions,
        store,
        bridge: Arc::clone(&cluster.bridge),
        roster: Arc::clone(&cluster.roster),
        metrics,
        document_limit: settings.limits.document,
        state_limit: settings.limits.document_state,
        structs_limit: settings.limits.update_structs,
        document_structs_limit: settings.limits.document_structs,
        clients_limit: settings.limits.document_clients,
        replicas: MemoryBounds {
            of_user: settings.limits.replicas_of_user,
            of_node: settings.limits.replicas_of_node,
        },
        answers,
        sync_bytes_per_second: settings.limits.sync_bytes_per_second,
        open_documents: OpenDocuments::new(
            settings.limits.open_documents_per_user,
            settings.room.linger,
        ),
    };
    let mut options = settings.room.clone();
    // After this time every live node has registered its sessions again.
    options.settle = settings.roster.lease + settings.roster.renew_every;
    if settings.store.is_postgres() && !settings.redis.is_set() {
        // Other nodes may have a document open, and nothing tells.
        options.compact_at = 0;
    }
    Ok(Rooms::new(parts, options))
}
