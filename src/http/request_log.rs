//! Logs one line per request, inside the span of the request.

use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{HttpState, admission::KnownCaller, request_span::request_span};

/// Logs method, path, status and duration of a request when its response begins. Requests to `/graphql` are logged at `info`,
/// unless they have no valid token or exceed a rate limit. Of those without a valid token, only a few lines are written in each
/// period. Omits the query string, which may contain a token. An upgrade has status 101, and its session logs what follows.
///
/// # Errors
/// Those of the request.
pub async fn log_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let started = Instant::now();
    let state = request.app_data::<web::Data<HttpState>>().cloned();
    async move {
        let response = next.call(request).await;
        let status = match &response {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        // Anybody can be refused as often as they like.
        let is_known = response
            .as_ref()
            .is_ok_and(|response| response.request().extensions().contains::<KnownCaller>());
        let is_notable = path == "/graphql"
            && status != StatusCode::TOO_MANY_REQUESTS
            && (is_known || !status.is_client_error());
        let (status, took) = (status.as_u16(), started.elapsed());
        // The number of requests without a line since the last one, if this one has a line.
        let unlogged = match &state {
            _ if !is_notable => None,
            Some(state) if !is_known => state.stranger_requests.note(Instant::now()),
            Some(_) | None => Some(0),
        };
        if let Some(unlogged) = unlogged {
            let unlogged = (unlogged > 0).then_some(unlogged);
            tracing::info!(%method, path, status, ?took, unlogged, "request answered");
        } else {
            tracing::debug!(%method, path, status, ?took, "request answered");
        }
        response
    }
    .instrument(request_span())
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use actix_web::{App, HttpResponse, middleware::from_fn, test};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::{
        domain::{DocumentId, UserId},
        http::request_span,
    };

    /// Collects the log.
    #[derive(Clone, Default)]
    struct LogSink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for LogSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for LogSink {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[actix_web::test]
    async fn the_span_of_a_request_names_its_user_and_document() {
        let sink = LogSink::default();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(sink.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (user, document) = (UserId::new(), DocumentId::new());
        let handler = move || async move {
            request_span::record_user(user);
            request_span::record_document(document);
            HttpResponse::Ok().finish()
        };
        let app = App::new().wrap(from_fn(log_request)).route("/graphql", web::get().to(handler));
        let app = test::init_service(app).await;

        test::call_service(&app, test::TestRequest::get().uri("/graphql?token=x").to_request())
            .await;

        let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("request.id="), "{log}");
        assert!(log.contains(&format!("user.id={user}")), "{log}");
        assert!(log.contains(&format!("document.id={document}")), "{log}");
        assert!(!log.contains("token"), "the query string is logged: {log}");
    }
}
