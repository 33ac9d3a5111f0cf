//! `/graphql`: operations by POST and GET, the upgrade to a socket, and the page for browsers.
//!
//! Who asks is looked at before the body: somebody without a good token may not send much. The framework's extractor
//! reads a body to its end however long it is and takes, so the body is read here first, up to its limits, and handed
//! to the extractor whole. Whoever is refused while he still sends is read on for a moment, since he would take a reset
//! for the answer.

use std::{
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    time::Duration,
};

use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse, dev,
    error::PayloadError,
    http::header,
    web::{self, Bytes, BytesMut},
};
use async_graphql::Request;
use async_graphql_actix_web::GraphQLRequest;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;

use super::{
    BodyLimits, HttpError, HttpParts, graphql_socket, negotiation::Answering, web as page,
    who::caller,
};
use crate::{graphql::Caller, metrics::OperationKind};

/// How long a request that is refused is read on at most, so that its client is there for the answer.
const LINGER: Duration = Duration::from_secs(1);

type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// `POST /graphql`.
pub(super) async fn post(
    request: HttpRequest,
    mut payload: web::Payload,
    parts: web::Data<HttpParts>,
) -> Result<HttpResponse, HttpError> {
    let (caller, answering) = match asked(&request, &parts).await {
        Ok(asked) => asked,
        Err(error) => {
            linger(&mut payload, &parts.bodies).await;
            return Err(error);
        }
    };
    let body = read(&mut payload, &parts.bodies, &caller).await?;
    let body: BodyStream = Box::pin(stream::once(async { Ok(body) }));
    let operation = extract(&request, &mut dev::Payload::from(body)).await?;
    answer(caller, operation, &parts, answering, Method::Post).await
}

/// Who asks, and how the answer is to be written: all that a request says before its body.
async fn asked(request: &HttpRequest, parts: &HttpParts) -> Result<(Caller, Answering), HttpError> {
    let answering = Answering::to(request)?;
    if !is_json(request) {
        return Err(HttpError::ContentType);
    }
    Ok((admitted(request, parts).await?, answering))
}

/// `GET /graphql`: a socket, a page, or a query.
pub(super) async fn get(
    request: HttpRequest,
    payload: web::Payload,
    parts: web::Data<HttpParts>,
) -> Result<HttpResponse, HttpError> {
    if graphql_socket::is_upgrade(request.headers()) {
        return graphql_socket::open(&request, payload, &parts).await;
    }
    if page::is_wanted(&request) {
        return Ok(page::page());
    }
    let answering = Answering::to(&request)?;
    let operation = InAddress::read(request.query_string())?;
    let caller = admitted(&request, &parts).await?;
    answer(caller, operation, &parts, answering, Method::Get).await
}

/// Any other method.
pub(super) async fn other() -> Result<HttpResponse, HttpError> {
    Err(HttpError::Method)
}

/// A query in the address of a GET (GraphQL over HTTP, section 5.3). The framework's own reader knows no
/// `operationName`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InAddress {
    #[serde(default)]
    query: String,
    operation_name: Option<String>,
    /// JSON.
    variables: Option<String>,
}

impl InAddress {
    fn read(address: &str) -> Result<Request, HttpError> {
        let Self { query, operation_name, variables } = web::Query::<Self>::from_query(address)
            .map_err(|error| HttpError::Malformed(error.to_string()))?
            .into_inner();
        let mut request = Request::new(query);
        request.operation_name = operation_name.filter(|name| !name.is_empty());
        if let Some(variables) = variables.filter(|json| !json.is_empty()) {
            request.variables = serde_json::from_str(&variables)
                .map_err(|error| HttpError::Malformed(format!("`variables`: {error}")))?;
        }
        Ok(request)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn extract(request: &HttpRequest, payload: &mut dev::Payload) -> Result<Request, HttpError> {
    let malformed = |error: actix_web::Error| HttpError::Malformed(error.to_string());
    GraphQLRequest::from_request(request, payload)
        .await
        .map(GraphQLRequest::into_inner)
        .map_err(malformed)
}

/// Who asks, if he does not ask too often.
async fn admitted(request: &HttpRequest, parts: &HttpParts) -> Result<Caller, HttpError> {
    let caller = caller(request, parts).await?;
    match &caller {
        Caller::Request { user, .. } => parts.throttle.take(&user.id)?,
        Caller::Nobody => {
            if let Some(peer) = request.peer_addr() {
                parts.strangers.take(&household(peer.ip()))?;
            }
        }
        // A session sends no requests; it has its own count.
        Caller::Session(_) => {}
    }
    Ok(caller)
}

/// Who shares an address: with IPv6, one connection has 2^64 of them (RFC 6177).
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

async fn answer(
    caller: Caller,
    operation: Request,
    parts: &HttpParts,
    answering: Answering,
    method: Method,
) -> Result<HttpResponse, HttpError> {
    let Request { query, operation_name, variables, .. } = operation;
    if query.is_empty() {
        return Err(HttpError::Malformed("`query` is missing".to_owned()));
    }
    let prepared = match parts.engine.prepare(query, operation_name, variables) {
        Ok(prepared) => prepared,
        Err(error) => {
            let response = async_graphql::Response::from_errors(vec![error]);
            return Ok(answering.with(&response));
        }
    };
    match (prepared.kind(), method) {
        (OperationKind::Subscription, Method::Post) => return Err(HttpError::NeedsSocket),
        (OperationKind::Subscription | OperationKind::Mutation, Method::Get) => {
            return Err(HttpError::OnlyQueries);
        }
        (OperationKind::Query, _) | (OperationKind::Mutation, Method::Post) => {}
    }
    Ok(answering.with(&prepared.respond(caller).await))
}

/// Only JSON: what a form can send without asking is not taken.
fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok());
    let kind = content_type.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The body of a request, if it is no larger and no later than bodies of `caller` may be.
async fn read(
    payload: &mut web::Payload,
    limits: &BodyLimits,
    caller: &Caller,
) -> Result<Bytes, HttpError> {
    let limit = match caller {
        Caller::Nobody => limits.of_strangers,
        Caller::Request { .. } | Caller::Session(_) => limits.largest,
    };
    let read = tokio::time::timeout(limits.within, read_up_to(payload, limit));
    let body = read.await.unwrap_or(Err(HttpError::TooSlow { within: limits.within }));
    if let Err(HttpError::TooLarge { .. }) = &body {
        linger(payload, limits).await;
    }
    body
}

async fn read_up_to(payload: &mut web::Payload, limit: usize) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| HttpError::Malformed(error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads on, and keeps nothing.
async fn linger(payload: &mut web::Payload, limits: &BodyLimits) {
    let rest = async { while let Some(Ok(_)) = payload.next().await {} };
    let in_time = tokio::time::timeout(LINGER.min(limits.within), rest).await.is_ok();
    tracing::debug!(in_time, "a request was refused before its end");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_connection_are_one() {
        let of = |text: &str| household(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::7"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
