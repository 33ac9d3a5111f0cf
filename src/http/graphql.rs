//! The handlers of `/graphql`: operations by POST and GET, upgrades, and the page for browsers.
//!
//! A POST is authenticated before its body is read, because a request without a valid token may send only a small body.

use std::pin::Pin;

use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse, dev,
    error::PayloadError,
    http::header,
    web::{self, Bytes},
};
use async_graphql_actix_web::GraphQLRequest;
use futures_util::{Stream, stream};

use super::{
    HttpError, HttpState,
    admission::{admit, charge_operation, refused},
    body::{self, RequestBody},
    graphiql, graphql_socket,
    negotiation::ResponseFormat,
    query_string,
    requests_in_flight::RequestInFlight,
    upgrade,
};
use crate::{
    domain::Party,
    editing::{LoadError, loader::MAX_INLINE_BYTES},
    graphql::{Caller, OperationAnswer, OperationRequest},
    memory::Reservation,
    metrics::OperationKind,
    wire::{
        graphql_ws::{BadMessage, SubscribePayload},
        json_surrogates,
    },
};

type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Handles `POST /graphql`.
pub(super) async fn post(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    let (caller, format) = match check_headers(&request, &state).await {
        Ok(checked) => checked,
        Err(error) => {
            body::discard(&mut payload, &state.bodies).await;
            return Err(refused(&request, &state, error).await);
        }
    };
    let in_flight = match state.in_flight.enter(caller.party()) {
        Ok(in_flight) => in_flight,
        Err(error) => {
            body::discard(&mut payload, &state.bodies).await;
            return Err(error);
        }
    };
    let RequestBody { bytes, held } = body::read(&request, &mut payload, &state, &caller).await?;
    let size = bytes.len();
    let operation = parse_body(&request, &state, caller.party(), bytes).await?;
    charge_operation(&state, &caller, size, &operation.query).await?;
    let received = ReceivedRequest { caller, operation, held, in_flight };
    respond(received, &state, format, Method::Post).await
}

/// Handles `GET /graphql`: an upgrade, the page, or a query.
pub(super) async fn get(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    if upgrade::is_requested(request.headers()) {
        return match graphql_socket::open(&request, &state).await {
            Ok(response) => Ok(response),
            Err(error) => Err(upgrade::refuse(&request, &state, error).await),
        };
    }
    if graphiql::is_requested(&request) {
        return graphiql::page(&request, &state).await;
    }
    let caller = match admit(&request, &state).await {
        Ok(caller) => caller,
        Err(error) => return Err(refused(&request, &state, error).await),
    };
    let format = ResponseFormat::accepted_by(&request)?;
    let in_flight = state.in_flight.enter(caller.party())?;
    let query = request.query_string();
    let operation = query_string::parse_operation(query)?;
    charge_operation(&state, &caller, query.len(), &operation.query).await?;
    let received = ReceivedRequest { caller, operation, held: None, in_flight };
    respond(received, &state, format, Method::Get).await
}

/// Refuses any other method.
pub(super) async fn refuse_method(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    Err(refused(&request, &state, HttpError::Method).await)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

/// Checks everything that a POST states before its body.
async fn check_headers(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<(Caller, ResponseFormat), HttpError> {
    let format = ResponseFormat::accepted_by(request)?;
    if !is_json(request) {
        return Err(HttpError::ContentType);
    }
    if is_compressed(request) {
        return Err(HttpError::ContentEncoding);
    }
    Ok((admit(request, state).await?, format))
}

/// Returns whether the content type is JSON. Other types are refused, because a form on a foreign page can send them
/// without asking the server first.
fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok());
    let kind = content_type.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Returns whether the body is compressed.
fn is_compressed(request: &HttpRequest) -> bool {
    let encodings = request.headers().get_all(header::CONTENT_ENCODING);
    encodings.into_iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Decodes a body: a small one with the framework's extractor, a large one on another thread. The variables of a large one are not
/// decoded before the operation is checked.
///
/// # Errors
/// [`HttpError::Malformed`], [`HttpError::Busy`].
async fn parse_body(
    request: &HttpRequest,
    state: &HttpState,
    party: Party,
    body: Bytes,
) -> Result<OperationRequest, HttpError> {
    let malformed = |error: BadMessage| HttpError::Malformed(error.into_text());
    let bytes = body.len();
    if bytes <= MAX_INLINE_BYTES {
        SubscribePayload::expect_object(&body).map_err(malformed)?;
        let body = json_surrogates::replaced_in(body);
        let body: BodyStream = Box::pin(stream::once(async { Ok(body) }));
        return GraphQLRequest::from_request(request, &mut dev::Payload::from(body))
            .await
            .map(|request| request.into_inner().into())
            .map_err(|error| HttpError::Malformed(error.to_string()));
    }
    let parse = move || SubscribePayload::parse(&json_surrogates::replaced_in(body));
    match state.engine.large_work(party, bytes, parse).await {
        Ok(parsed) => parsed.map(OperationRequest::from).map_err(malformed),
        Err(LoadError::Busy) => Err(HttpError::Busy),
        Err(error) => {
            tracing::error!(%error, "a body could not be decoded");
            Err(HttpError::Failed)
        }
    }
}

/// A request that is decoded.
struct ReceivedRequest {
    caller: Caller,
    operation: OperationRequest,
    /// The memory of a large body.
    held: Option<Reservation>,
    in_flight: Option<RequestInFlight>,
}

async fn respond(
    ReceivedRequest { caller, operation, held, in_flight }: ReceivedRequest,
    state: &HttpState,
    format: ResponseFormat,
    method: Method,
) -> Result<HttpResponse, HttpError> {
    if operation.query.is_empty() && operation.is_persisted {
        return Ok(format.refuse_persisted_query());
    }
    if operation.query.is_empty() {
        return Err(HttpError::Malformed("`query` is missing".to_owned()));
    }
    let prepared = match state.engine.prepare(caller.party(), operation).await {
        Ok(prepared) => prepared,
        Err(error) => {
            return Ok(format.respond(OperationAnswer::Refused(vec![error]), in_flight));
        }
    };
    match (prepared.kind(), method) {
        (OperationKind::Subscription, Method::Post) => return Err(HttpError::NeedsSocket),
        (OperationKind::Subscription | OperationKind::Mutation, Method::Get) => {
            return Err(HttpError::OnlyQueries);
        }
        (OperationKind::Query, Method::Get | Method::Post)
        | (OperationKind::Mutation, Method::Post) => {}
    }
    Ok(format.respond(prepared.holding(held).answer(caller).await, in_flight))
}
