//! The HTTP server: workers, sockets, and the middleware of every request.

use std::{any::Any, time::Duration};

use actix_cors::Cors;
use actix_web::{
    App, HttpServer,
    dev::Server,
    http::{StatusCode, header},
    middleware::from_fn,
    web,
};
use actix_web_prom::PrometheusMetricsBuilder;
use socket2::SockRef;

use crate::{
    http::{HttpState, Listeners, log_request, only_known_methods, routes},
    settings::Settings,
};

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
        // The life of a WebSocket is not the duration of a request.
        .exclude_status(StatusCode::SWITCHING_PROTOCOLS)
        .mask_unmatched_patterns("unmatched")
        .build()
        .map_err(|error| anyhow::anyhow!("cannot register the metrics of requests: {error}"))?;
    let workers = match options.workers {
        // The kernel and the threads of the database need cores as well, and a message between two threads costs more
        // than one within a thread (docs/adr/0013-worker-threads-and-allocator.md).
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        workers => workers,
    };
    let user_timeout = options.tcp_user_timeout;
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(parts.clone())
            .wrap(cors(parts.clone()))
            .wrap(requests.clone())
            .wrap(from_fn(log_request))
            // The middleware that is added last sees a request first.
            .wrap(from_fn(only_known_methods))
            .configure(routes)
    })
    .workers(workers)
    .max_connections(options.max_connections)
    // The server closes the socket of an ended session immediately (RFC 6455, section 7.1.1); the framework would first
    // wait for the client to close it. Where a client may still be sending, the session or the route reads the rest.
    .client_disconnect_timeout(Duration::ZERO)
    // Frames that the framework has taken out of an outbox count as sent, even if the kernel has not accepted them. So
    // its buffer is small: just enough for the head of a response and a small body.
    .h1_write_buffer_size(1024)
    .shutdown_timeout(options.drain.as_secs().max(1))
    .disable_signals()
    .on_connect(move |connection, _extensions| prepare(connection, user_timeout));
    for listener in listeners.duplicate()? {
        server = server.listen(listener)?;
    }
    Ok(server.run())
}

/// Sets the options of an accepted socket: small frames leave at once, and the kernel breaks a connection whose client
/// acknowledges nothing for `user_timeout` (docs/adr/0008-tcp-user-timeout.md).
fn prepare(connection: &dyn Any, user_timeout: Duration) {
    let Some(stream) = connection.downcast_ref::<actix_rt::net::TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let prepared =
        socket.set_tcp_nodelay(true).and_then(|()| set_user_timeout(&socket, user_timeout));
    if let Err(error) = prepared {
        tracing::debug!(%error, "could not set the options of a socket");
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

/// Allows the pages of the origins in `server.allowed_origins`.
fn cors(parts: web::Data<HttpState>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _request| {
            origin.to_str().is_ok_and(|origin| parts.origins.lists(origin))
        })
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .allowed_header("x-session-id")
        .max_age(3600)
}
