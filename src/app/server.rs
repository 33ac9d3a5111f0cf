//! The front door: workers, sockets, and what every request passes.

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
    http::{HttpParts, Listeners, log_request, only_known_methods, routes},
    settings::Settings,
};

/// Starts the workers.
///
/// # Errors
/// The meters of requests cannot be declared, or a listener cannot be shared.
pub(super) fn serve(
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
        // threads costs more than one that stays (docs/adr/0013-worker-threads-and-allocator.md).
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
    .on_connect(move |connection, _extensions| prepare(connection, user_timeout));
    for listener in listeners.again()? {
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

/// Sets TCP_USER_TIMEOUT. Only Linux has this option; elsewhere the system's own timeout applies.
#[cfg(target_os = "linux")]
fn set_user_timeout(socket: &SockRef<'_>, timeout: Duration) -> std::io::Result<()> {
    socket.set_tcp_user_timeout(Some(timeout))
}

#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_socket: &SockRef<'_>, _timeout: Duration) -> std::io::Result<()> {
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
