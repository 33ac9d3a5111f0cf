//! Builds every part once and gives each what it needs.

use std::sync::Arc;

use super::cluster::Cluster;
use crate::{
    auth::{Passwords, Tokens},
    graphql::{Api, Engine},
    http::{BodyLimits, Draining, HttpParts, Origins},
    metrics::Metrics,
    outbox::OutboxTotals,
    room::{RoomParts, Rooms},
    session::{Identity, SessionParts, Sessions, Throttle},
    settings::Settings,
    store::Store,
    yjs::EditorParts,
};

/// A node's parts, put together.
pub(super) struct Parts {
    pub(super) http: Arc<HttpParts>,
    pub(super) session: Arc<SessionParts>,
    pub(super) rooms: Rooms,
    pub(super) cluster: Cluster,
    pub(super) draining: Draining,
}

/// Builds them on an opened store.
///
/// # Errors
/// The settings of one of them cannot be used.
pub(super) fn build(settings: &Settings, store: Store, tokens: Tokens) -> anyhow::Result<Parts> {
    let metrics = Metrics::new();
    let cluster = Cluster::new(settings, &metrics)?;
    let roster = Arc::clone(&cluster.roster);
    let room_parts = RoomParts {
        store: store.clone(),
        bridge: Arc::clone(&cluster.bridge),
        roster: Arc::clone(&roster),
        metrics: metrics.clone(),
        document_limit: settings.limits.document,
        state_limit: settings.limits.document_state,
        structs_limit: settings.limits.update_structs,
    };
    let mut room = settings.room.clone();
    // Every node that is alive has entered its sessions again by then.
    room.settle = settings.roster.lease + settings.roster.renew_every;
    let rooms = Rooms::new(room_parts, room);
    let limits = settings.limits.clone();
    let engine = Engine::new(Arc::new(Api {
        store: store.clone(),
        rooms: rooms.clone(),
        roster: Arc::clone(&roster),
        tokens: tokens.clone(),
        passwords: Passwords::new(&settings.auth)?,
        sign_ins: Throttle::per_minute("attempts to sign in", limits.sign_ins_per_minute),
        metrics: metrics.clone(),
        limits: limits.clone(),
    }));
    let identity = Identity::new(tokens, store.clone(), metrics.clone(), settings.auth.enrol);
    let throttle = Arc::new(Throttle::per_second("operations", limits.operations_per_second));
    let totals = Arc::new(OutboxTotals::new(metrics.clone()));
    let session = Arc::new(SessionParts {
        identity: identity.clone(),
        execute: Arc::new(engine.clone()),
        roster: Arc::clone(&roster),
        throttle: Arc::clone(&throttle),
        metrics: metrics.clone(),
        totals: Arc::clone(&totals),
        options: settings.session.clone(),
        limits: limits.clone(),
        outbox: settings.outbox,
        sessions: Sessions::default(),
    });
    let editors = Arc::new(EditorParts {
        rooms: rooms.clone(),
        store: store.clone(),
        throttle: Arc::clone(&throttle),
        metrics: metrics.clone(),
        limits: limits.clone(),
    });
    let draining = Draining::default();
    let http = Arc::new(HttpParts {
        engine,
        identity,
        roster,
        rooms: rooms.clone(),
        throttle,
        strangers: Throttle::per_second("requests without a token", limits.anonymous_per_second),
        editors,
        session: Arc::clone(&session),
        store,
        metrics,
        totals,
        origins: Origins::new(settings.server.allowed_origins.clone()),
        draining: draining.clone(),
        bodies: BodyLimits {
            largest: limits.message,
            of_strangers: limits.unauthenticated_bytes.min(limits.message),
            within: settings.server.body_within,
        },
    });
    Ok(Parts { http, session, rooms, cluster, draining })
}
