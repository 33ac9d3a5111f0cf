//! The HTTP server: workers, sockets, and the middleware of every request.
//!
//! It assembles the framework's parts itself, because `HttpServer` would write to the sockets directly, and not through a
//! [`ClientConnection`].

use std::{cell::OnceCell, future::ready, net::SocketAddr, sync::Arc, time::Duration};

use actix_cors::Cors;
use actix_http::{HttpService, error::DispatchError};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App,
    dev::AppConfig,
    http::{StatusCode, header},
    middleware::from_fn,
    web,
};
use actix_web_prom::PrometheusMetricsBuilder;
use socket2::SockRef;

use super::upgrades::answer_upgrades;
use crate::{
    connection::{ClientConnection, ConnectionDeadlines, ConnectionPlaces, PlaceLimits, refuse},
    domain::Network,
    http::{
        HttpState, Listeners, RouteScope, TrustedProxies, log_request, only_known_methods,
        response_headers, routes, time_request,
    },
    metrics::Metrics,
    settings::Settings,
};

/// Connections that a worker accepts beyond `server.max_connections`. A connection that gives way to a new one takes a moment
/// to close, and the framework would not accept the new one before that.
const SPARE_CONNECTIONS: usize = 64;

/// Connections of one user that keep their places on a worker, beside as many as the user may have sessions. Browsers open six
/// to a server.
const MAX_KEPT_REQUEST_CONNECTIONS: usize = 64;

thread_local! {
    /// The places of the worker of this thread. The framework builds a service of its own for each listener of a worker, but
    /// counts the connections of all of them together.
    static PLACES: OnceCell<ConnectionPlaces> = const { OnceCell::new() };
}

/// Starts the workers.
///
/// # Errors
/// The metrics of requests cannot be registered, or a listener cannot be shared.
pub(super) fn serve(
    settings: &Settings,
    parts: web::Data<HttpState>,
    listeners: &Listeners,
) -> anyhow::Result<Server> {
    let options = &settings.server;
    let requests = PrometheusMetricsBuilder::new("coscribe")
        .registry(parts.metrics.registry().clone())
        // An upgrade is counted as a connection.
        .exclude_status(StatusCode::SWITCHING_PROTOCOLS)
        .mask_unmatched_patterns("unmatched")
        .build()
        .map_err(|error| anyhow::anyhow!("cannot register the metrics of requests: {error}"))?;
    let workers = match options.workers {
        // The kernel and the threads of the database need cores as well, and a message between two threads costs more
        // than one within a thread (docs/adr/0013-worker-threads.md).
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        workers => workers,
    };
    let drain = options.drain.as_secs().max(1);
    let mut server = ServerBuilder::new()
        .workers(workers)
        .max_concurrent_connections(options.max_connections.saturating_add(SPARE_CONNECTIONS))
        .shutdown_timeout(drain)
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let acceptor = Acceptor::new(settings, &parts);
    let keep_alive = options.keep_alive;
    let head_within = options.head_within;
    let application = |scope: RouteScope| {
        let (parts, requests, acceptor) = (parts.clone(), requests.clone(), acceptor.clone());
        let (stopping, allowed_headers) = (stopping.clone(), options.allowed_headers.clone());
        move || {
            let app = || {
                let app = App::new()
                    .app_data(parts.clone())
                    .wrap(cors(parts.clone(), &allowed_headers))
                    .wrap(requests.clone())
                    .wrap(from_fn(log_request))
                    .wrap(from_fn(only_known_methods))
                    .wrap(response_headers())
                    // The middleware that is added last sees a request first.
                    .wrap(from_fn(time_request))
                    .configure(|config| routes(config, scope));
                map_config(app.into_factory(), |()| AppConfig::default())
            };
            let stopping = stopping.clone();
            let http = HttpService::build()
                // A connection without a request is closed when the node stops.
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(keep_alive)
                // Of the first request of a connection. The connection itself times the others.
                .client_request_timeout(head_within)
                // The server closes the socket of an ended session immediately (RFC 6455, section 7.1.1); the framework
                // would first wait for the client to close it. Where a client may still be sending, the session or the
                // route reads the rest.
                .client_disconnect_timeout(Duration::ZERO)
                // Just enough for the head of a response and a small body.
                .h1_write_buffer_size(1024)
                .on_connect_ext(|connection: &ClientConnection, extensions| {
                    extensions.insert(connection.handle());
                })
                .upgrade(answer_upgrades(app()))
                .h1(app());
            let (acceptor, places) = (acceptor.clone(), acceptor.places());
            let accept = move |stream| ready(acceptor.accept(stream, &places));
            fn_service(accept).and_then(http)
        }
    };
    let scopes = listeners.duplicate()?;
    for (number, (listener, scope)) in scopes.into_iter().enumerate() {
        server = server.listen(format!("listener-{number}"), listener, application(scope))?;
    }
    Ok(server.run())
}

/// Accepts connections.
#[derive(Clone)]
struct Acceptor {
    deadlines: ConnectionDeadlines,
    limits: PlaceLimits,
    proxies: Arc<TrustedProxies>,
    metrics: Metrics,
}

impl Acceptor {
    fn new(settings: &Settings, parts: &HttpState) -> Self {
        let options = &settings.server;
        let deadlines = ConnectionDeadlines {
            head_within: options.head_within,
            max_stall: options.tcp_user_timeout,
            answer: options.least_rate(options.answer_patience),
        };
        let reserved = options.max_connections.saturating_mul(options.reserved_percent) / 100;
        let limits = PlaceLimits {
            total: options.max_connections,
            strangers: options.max_connections - reserved,
            per_network: options.connections_per_address,
            per_user: settings
                .limits
                .connections_per_user
                .saturating_add(MAX_KEPT_REQUEST_CONNECTIONS),
        };
        let (proxies, metrics) = (Arc::clone(&parts.proxies), parts.metrics.clone());
        Self { deadlines, limits, proxies, metrics }
    }

    /// Returns the places of the worker of this thread.
    fn places(&self) -> ConnectionPlaces {
        let create = || ConnectionPlaces::new(self.limits, self.metrics.clone());
        PLACES.with(|places| places.get_or_init(create).clone())
    }

    /// Gives an accepted socket a place and sets its options: small frames leave at once, and the kernel breaks a connection
    /// whose client acknowledges nothing for `tcp_user_timeout`. The connection itself breaks when the client accepts
    /// nothing for as long (docs/adr/0008-tcp-user-timeout.md).
    ///
    /// # Errors
    /// There is no place for a connection of this address. The client has been told so.
    fn accept(
        &self,
        stream: TcpStream,
        places: &ConnectionPlaces,
    ) -> Result<(ClientConnection, Option<SocketAddr>), DispatchError> {
        let socket = SockRef::from(&stream);
        let timeout = self.deadlines.max_stall;
        let prepared =
            socket.set_tcp_nodelay(true).and_then(|()| set_user_timeout(&socket, timeout));
        if let Err(error) = prepared {
            tracing::debug!(%error, "could not set the options of a socket");
        }
        let peer = stream.peer_addr().ok();
        let address = peer.map(|peer| peer.ip()).filter(|address| !self.proxies.include(*address));
        let connection = ClientConnection::new(stream, self.deadlines, self.metrics.clone());
        if !places.admit(&connection.handle(), address.map(Network::of)) {
            refuse(connection.stream());
            // Nothing is dispatched, and nobody reads the error.
            return Err(DispatchError::DisconnectTimeout);
        }
        Ok((connection, peer))
    }
}

/// Sets the timeout for unacknowledged data. Only Linux has it; other systems use their own timeouts, of minutes.
#[cfg(target_os = "linux")]
fn set_user_timeout(socket: &SockRef<'_>, timeout: Duration) -> std::io::Result<()> {
    socket.set_tcp_user_timeout(Some(timeout))
}

#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_socket: &SockRef<'_>, _timeout: Duration) -> std::io::Result<()> {
    Ok(())
}

/// Allows the pages of the origins in `server.allowed_origins`. They may send the headers in `allowed_headers`.
fn cors(parts: web::Data<HttpState>, allowed_headers: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, _request| {
            origin.to_str().is_ok_and(|origin| parts.origins.lists(origin))
        })
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .allowed_header("x-session-id")
        .max_age(3600);
    if allowed_headers.iter().any(|header| header == "*") {
        return cors.allow_any_header();
    }
    allowed_headers.iter().fold(cors, |cors, header| cors.allowed_header(header.as_str()))
}
