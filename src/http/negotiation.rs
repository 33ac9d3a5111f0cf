//! Negotiates the content type of a response, which also determines its status.
//!
//! Follows GraphQL over HTTP, sections 6.2 to 6.4. With `application/graphql-response+json`, the status states whether
//! the operation was executed. With the older `application/json`, the status of every well-formed request is 200.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Bytes,
};
use async_graphql::ServerError;

use super::{HttpError, answer_body::AnswerBody, requests_in_flight::RequestInFlight};
use crate::graphql::{OperationAnswer, persisted_query_error};

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    /// `application/graphql-response+json`.
    GraphqlResponse,
    /// `application/json`.
    Json,
}

impl ResponseFormat {
    /// Returns the format that the client accepts, the newer one if it accepts both. Without an `Accept` header it is the
    /// older one.
    ///
    /// # Errors
    /// [`HttpError::NotAcceptable`]: the client accepts neither.
    pub(super) fn accepted_by(request: &HttpRequest) -> Result<Self, HttpError> {
        let Some(accept) = request.headers().get(header::ACCEPT) else { return Ok(Self::Json) };
        let accept = accept.to_str().unwrap_or_default().to_ascii_lowercase();
        let types: Vec<_> = accept.split(',').filter_map(accepted_type).collect();
        if types.contains(&"application/graphql-response+json") {
            return Ok(Self::GraphqlResponse);
        }
        let json = |kind: &&str| matches!(*kind, "application/json" | "application/*" | "*/*" | "");
        if types.iter().any(json) { Ok(Self::Json) } else { Err(HttpError::NotAcceptable) }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// Returns the response with the answer to an operation.
    pub(super) fn respond(
        self,
        answer: OperationAnswer,
        in_flight: Option<RequestInFlight>,
    ) -> HttpResponse {
        let (status, body) = match (answer, self) {
            (OperationAnswer::Executed(answer), _) => (StatusCode::OK, answer.encode(|json| json)),
            (OperationAnswer::Refused(errors), Self::GraphqlResponse) => {
                (StatusCode::BAD_REQUEST, errors_body(&errors))
            }
            (OperationAnswer::Refused(errors), Self::Json) => {
                (StatusCode::OK, errors_body(&errors))
            }
        };
        HttpResponse::build(status)
            .content_type(self.content_type())
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(AnswerBody::new(body, in_flight))
    }
}

impl ResponseFormat {
    /// Returns the response to an operation that names a persisted query. Clients send the text instead only if the status is
    /// 200.
    pub(super) fn refuse_persisted_query(self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type(self.content_type())
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(errors_body(&[persisted_query_error()]))
    }
}

/// Returns the body for an operation that was not executed. It has no `data`, not even null (GraphQL, October 2021,
/// section 7.1).
fn errors_body(errors: &[ServerError]) -> Bytes {
    serde_json::json!({ "errors": errors }).to_string().into()
}

/// Returns the media type of one part of an `Accept` header, unless `q=0` excludes it.
fn accepted_type(part: &str) -> Option<&str> {
    let mut pieces = part.split(';').map(str::trim);
    let kind = pieces.next()?;
    let quality = pieces.find_map(|piece| piece.strip_prefix("q="));
    let excluded = quality.and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
    (!excluded).then_some(kind)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn format(accept: Option<&str>) -> Option<ResponseFormat> {
        let request = accept.into_iter().fold(TestRequest::default(), |request, accept| {
            request.insert_header((header::ACCEPT, accept))
        });
        ResponseFormat::accepted_by(&request.to_http_request()).ok()
    }

    #[test]
    fn the_newer_format_is_chosen_if_accepted() {
        assert_eq!(format(None), Some(ResponseFormat::Json));
        assert_eq!(format(Some("*/*")), Some(ResponseFormat::Json));
        assert_eq!(format(Some("application/json")), Some(ResponseFormat::Json));
        let both = "application/json, application/graphql-response+json;q=0.9";
        assert_eq!(format(Some(both)), Some(ResponseFormat::GraphqlResponse));
        let excluded = "application/graphql-response+json;q=0, application/json";
        assert_eq!(format(Some(excluded)), Some(ResponseFormat::Json));
        assert_eq!(format(Some("text/html")), None);
    }
}
