//! Which of the two JSON content types a client gets, and what that means for the status.
//!
//! As "GraphQL over HTTP" (sections 6.2 to 6.4) says: with `application/graphql-response+json` the status tells
//! whether the operation was executed; with `application/json`, which clients from before it accept, every
//! well-formed request is answered with 200.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use async_graphql::Response;

use super::HttpError;
use crate::graphql::was_executed;

/// The content type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    /// `application/graphql-response+json`.
    GraphqlResponse,
    /// `application/json`.
    Json,
}

impl Answering {
    /// What the client accepts; of both, the newer one. No `Accept` header stands for everything.
    ///
    /// # Errors
    /// It accepts neither.
    pub(super) fn to(request: &HttpRequest) -> Result<Self, HttpError> {
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

    /// The answer to an operation.
    pub(super) fn with(self, response: &Response) -> HttpResponse {
        let executed = was_executed(response);
        let status = match self {
            Self::GraphqlResponse if !executed => StatusCode::BAD_REQUEST,
            Self::GraphqlResponse | Self::Json => StatusCode::OK,
        };
        let body = if executed {
            serde_json::to_vec(response)
        } else {
            // What was not executed has no data, not even null.
            serde_json::to_vec(&serde_json::json!({ "errors": response.errors }))
        };
        match body {
            Ok(body) => HttpResponse::build(status)
                .content_type(self.content_type())
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body(body),
            Err(error) => {
                tracing::error!(%error, "an answer could not be encoded");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

/// The media type of one part of an `Accept` header, unless it is excluded by `q=0`.
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

    fn answering(accept: Option<&str>) -> Option<Answering> {
        let request = accept.into_iter().fold(TestRequest::default(), |request, accept| {
            request.insert_header((header::ACCEPT, accept))
        });
        Answering::to(&request.to_http_request()).ok()
    }

    #[test]
    fn the_newer_type_is_chosen_where_it_is_accepted() {
        assert_eq!(answering(None), Some(Answering::Json));
        assert_eq!(answering(Some("*/*")), Some(Answering::Json));
        assert_eq!(answering(Some("application/json")), Some(Answering::Json));
        let both = "application/json, application/graphql-response+json;q=0.9";
        assert_eq!(answering(Some(both)), Some(Answering::GraphqlResponse));
        let excluded = "application/graphql-response+json;q=0, application/json";
        assert_eq!(answering(Some(excluded)), Some(Answering::Json));
        assert_eq!(answering(Some("text/html")), None);
    }
}
