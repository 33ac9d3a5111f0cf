//! The one place where everything meets: builds every part once, runs them, drains them in order.

use std::{any::Any, net::SocketAddr, sync::Arc, time::Duration};

use actix_cors::Cors;
use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    http::StatusCode,
    http::header,
    middleware::from_fn,
    web,
};
use actix_web_prom::PrometheusMetricsBuilder;
use anyhow::Context as _;
use chrono::Utc;
use socket2::SockRef;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, timeout_at},
};

use crate::{
    auth::{Keys, MintedToken, Passwords, Tokens},
    bridge::LocalBridge,
    domain::{Account, User},
    graphql::{Api, Engine},
    http::{
        BodyLimits, Draining, HttpParts, Listeners, Origins, log_request, only_known_methods,
        routes,
    },
    metrics::Metrics,
    outbox::OutboxTotals,
    room::{RoomParts, Rooms},
    roster::{LocalRoster, Roster},
    session::{Identity, SessionParts, Sessions, Throttle},
    settings::Settings,
    store::{Retention, Store, StoreOptions},
};

/// A running node.
pub struct Node {
    address: SocketAddr,
    listeners: Listeners,
    server: ServerHandle,
    sessions: Sessions,
    rooms: Rooms,
    store: Store,
    /// The tasks that run beside it: they end with it.
    chores: Vec<JoinHandle<()>>,
    draining: Draining,
    drain: Duration,
}

/// What stands behind the front door and can be used without it.
pub struct Base {
    /// Accounts, documents, access.
    pub store: Store,
    /// Makes and checks tokens.
    pub tokens: Tokens,
}

impl Base {
    /// Opens the store and the keys.
    ///
    /// # Errors
    /// The database or the secret cannot be opened.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let options = store_options(settings);
        let store = Store::open(&options).await.context("the database cannot be opened")?;
        let keys = Keys::open(settings.auth.secret.as_ref(), &settings.server.data_dir)?;
        Ok(Self { store, tokens: Tokens::new(keys, settings.auth.token_options()) })
    }

    /// A token for an account, as signing in makes it.
    #[must_use]
    pub fn token_for(&self, account: &Account) -> MintedToken {
        self.tokens.mint(&account.user(), Utc::now())
    }

    /// A token for anybody, whether there is an account or not.
    #[must_use]
    pub fn token_for_user(&self, user: &User) -> MintedToken {
        self.tokens.mint(user, Utc::now())
    }
}

/// Where the database is: a file in the data folder unless something else is set.
fn store_options(settings: &Settings) -> StoreOptions {
    let mut options = settings.store.clone();
    if options.url.is_empty() {
        let file = settings.server.data_dir.join("coscribe.db");
        options.url = format!("sqlite://{}?mode=rwc", file.display());
    } else if !options.is_postgres() && !options.url.contains('?') {
        options.url.push_str("?mode=rwc");
    }
    options
}

impl Node {
    /// Builds a node on an opened base and starts to listen. The tables must be there.
    ///
    /// # Errors
    /// The address is taken, or a part cannot be built.
    pub async fn start(settings: &Settings, base: Base) -> anyhow::Result<Self> {
        let Base { store, tokens } = base;
        let parts = build(settings, store.clone(), tokens)?;
        let (sessions, draining) = (parts.session.sessions.clone(), parts.draining.clone());
        let (rooms, parts) = (parts.rooms, web::Data::from(parts.http));
        let listeners = Listeners::bind(&settings.server).with_context(|| {
            format!(
                "cannot listen on {}:{}; set another one with server.host and server.port, or PORT",
                settings.server.host, settings.server.port
            )
        })?;
        let address = listeners.address()?;
        let server = serve(settings, parts, &listeners)?;
        let handle = server.handle();
        actix_rt::spawn(server);
        let forgetting = forget_old_changes(&settings.store, store.clone());
        let comparing = compare_with_store(settings, rooms.clone());
        let chores = forgetting.into_iter().chain(comparing).collect();
        Ok(Self {
            address,
            listeners,
            server: handle,
            sessions,
            rooms,
            store,
            chores,
            draining,
            drain: settings.server.drain,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The open rooms.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The open sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Goes down in order: accepts nothing more, sends the sessions away, finishes what is open, closes the store.
    /// What is not done within `server.drain` is cut off.
    pub async fn stop(self) {
        tracing::info!(sessions = self.sessions.count(), "draining");
        for chore in &self.chores {
            chore.abort();
        }
        let deadline = Instant::now() + self.drain;
        self.draining.begin();
        self.server.pause().await;
        self.listeners.close();
        // Half of the time is for sending the sessions away, the rest for what they still do.
        let orderly = async {
            self.sessions.drain(self.drain / 2).await;
            self.rooms.close().await;
        };
        let in_order = timeout_at(deadline, orderly).await.is_ok();
        // Requests may still be answered, and sockets be written to, for as long as there is time.
        let stopped = timeout_at(deadline, self.server.stop(in_order)).await;
        if !in_order || stopped.is_err() {
            tracing::warn!(sessions = self.sessions.count(), "not everything ended in time");
        }
        self.store.close().await;
        tracing::info!("stopped");
    }
}

/// Forgets changes that are older than the retention, again and again. What fails is tried again the next time.
fn forget_old_changes(options: &StoreOptions, store: Store) -> Option<JoinHandle<()>> {
    let Retention::For(retention) = options.retention else { return None };
    let every = options.forget_every;
    Some(actix_rt::spawn(async move {
        let mut turns = tokio::time::interval(every);
        loop {
            turns.tick().await;
            let before = Utc::now() - retention;
            loop {
                match store.forget_changes(before).await {
                    Ok(0) => break,
                    Ok(documents) => tracing::debug!(documents, "old changes were forgotten"),
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "old changes could not be forgotten");
                        break;
                    }
                }
            }
        }
    }))
}

/// Lets the rooms find out what other nodes stored, again and again, where there may be others.
fn compare_with_store(settings: &Settings, rooms: Rooms) -> Option<JoinHandle<()>> {
    let every = settings.room.compare_every;
    settings.store.is_postgres().then(|| {
        actix_rt::spawn(async move {
            let mut turns = tokio::time::interval(every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                if let Err(error) = rooms.compare().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "open documents could not be compared with the database");
                }
            }
        })
    })
}

struct Parts {
    http: Arc<HttpParts>,
    session: Arc<SessionParts>,
    rooms: Rooms,
    draining: Draining,
}

fn build(settings: &Settings, store: Store, tokens: Tokens) -> anyhow::Result<Parts> {
    let metrics = Metrics::new();
    let roster: Arc<dyn Roster> = Arc::new(LocalRoster::default());
    let room_parts = RoomParts {
        store: store.clone(),
        bridge: Arc::new(LocalBridge),
        roster: Arc::clone(&roster),
        metrics: metrics.clone(),
        document_limit: settings.limits.document,
    };
    let rooms = Rooms::new(room_parts, settings.room.clone());
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
    let totals = Arc::new(OutboxTotals::default());
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
    let draining = Draining::default();
    let http = Arc::new(HttpParts {
        engine,
        identity,
        roster,
        throttle,
        strangers: Throttle::per_second("requests without a token", limits.anonymous_per_second),
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
    Ok(Parts { http, session, rooms, draining })
}

fn serve(
    settings: &Settings,
    parts: web::Data<HttpParts>,
    listeners: &Listeners,
) -> anyhow::Result<Server> {
    let options = &settings.server;
    let requests = PrometheusMetricsBuilder::new("coscribe")
        .registry(parts.metrics.registry().clone())
        // How long a socket lives is no request's duration.
        .exclude_status(StatusCode::SWITCHING_PROTOCOLS)
        .mask_unmatched_patterns("unmatched")
        .build()
        .map_err(|error| anyhow::anyhow!("the meters of requests cannot be declared: {error}"))?;
    let workers = match options.workers {
        // The kernel's share of a socket and the database's threads need cores as well, and a message between two
        // threads costs more than one that stays (docs/adr/0013-workers.md).
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        workers => workers,
    };
    // Twice the silence that a session allows: by then it has ended, and only the kernel still holds its socket.
    let unacknowledged = settings.session.silence_allowed.saturating_mul(2);
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(parts.clone())
            .wrap(cors(parts.clone()))
            .wrap(requests.clone())
            .wrap(from_fn(log_request))
            // The last one is the first to see a request.
            .wrap(from_fn(only_known_methods))
            .configure(routes)
    })
    .workers(workers)
    .max_connections(options.max_connections)
    // A socket whose session has ended is closed at once (RFC 6455, section 7.1.1); the framework would first wait
    // for the client to hang up. Where a client may still be sending, session and routes read on by themselves.
    .client_disconnect_timeout(Duration::ZERO)
    // What the framework takes out of an outbox before the kernel does looks as if it had been sent. It still holds
    // the head of a response together with a small body.
    .h1_write_buffer_size(1024)
    .shutdown_timeout(options.drain.as_secs().max(1))
    .disable_signals()
    .on_connect(move |connection, _extensions| prepare(connection, unacknowledged));
    for listener in listeners.again()? {
        server = server.listen(listener)?;
    }
    Ok(server.run())
}

/// Small frames leave at once, and a socket whose client takes nothing for ever is given up by the kernel.
fn prepare(connection: &dyn Any, unacknowledged: Duration) {
    let Some(stream) = connection.downcast_ref::<actix_rt::net::TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let prepared = socket.set_tcp_nodelay(true).and_then(|()| give_up(&socket, unacknowledged));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a socket could not be prepared");
    }
}

/// Only Linux can be told; elsewhere its own patience, of minutes, has to do.
#[cfg(target_os = "linux")]
fn give_up(socket: &SockRef<'_>, unacknowledged: Duration) -> std::io::Result<()> {
    socket.set_tcp_user_timeout(Some(unacknowledged))
}

#[cfg(not(target_os = "linux"))]
fn give_up(_socket: &SockRef<'_>, _unacknowledged: Duration) -> std::io::Result<()> {
    Ok(())
}

/// Pages of other origins, as far as the operator lets them in.
fn cors(parts: web::Data<HttpParts>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _request| {
            origin.to_str().is_ok_and(|origin| parts.origins.lists(origin))
        })
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .allowed_header("x-session-id")
        .max_age(3600)
}
