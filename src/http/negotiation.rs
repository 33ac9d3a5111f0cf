//! Negotiates the content type of a response, which also determines its status.
//!
//! Follows GraphQL over HTTP, sections 6.2 to 6.4. With `application/graphql-response+json`, the status states whether
//! the operation was executed. With the older `application/json`, the status of every well-formed request is 200.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use async_graphql::Response;

use super::HttpError;
use crate::graphql::was_executed;

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

    /// Encodes the response to an operation.
    pub(super) fn encode(self, response: &Response) -> HttpResponse {
        let executed = was_executed(response);
        let status = match self {
            Self::GraphqlResponse if !executed => StatusCode::BAD_REQUEST,
            Self::GraphqlResponse | Self::Json => StatusCode::OK,
        };
        let body = if executed {
            serde_json::to_vec(response)
        } else {
            // The response to an operation that was not executed has no `data`, not even null.
            serde_json::to_vec(&serde_json::json!({ "errors": response.errors }))
        };
        match body {
            Ok(body) => HttpResponse::build(status)
                .content_type(self.content_type())
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body(body),
            Err(error) => {
                tracing::error!(%error, "a response could not be encoded");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
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
