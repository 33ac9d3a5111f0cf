//! Which web pages may use the API (RFC 6454).
//!
//! Tokens travel in headers and messages, never in cookies, so a foreign page cannot act for a user who did not
//! give it a token. Other origins are kept out all the same, unless the operator lets them in.

use actix_web::{HttpRequest, http::header};

/// The origins that may use the API besides the server's own.
#[derive(Debug, Clone)]
pub struct Origins {
    allowed: Vec<String>,
}

impl Origins {
    /// These, as browsers write them in `Origin`; `*` stands for all.
    #[must_use]
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Whether the page that sent this request may use the API. What is no page sends no `Origin`.
    #[must_use]
    pub fn admit(&self, request: &HttpRequest) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        self.lists(origin) || host.is_some_and(|host| is_own(origin, host))
    }

    /// Whether the operator lets this origin in.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

/// A page of this server has the host and port that the request was sent to. The scheme may have been changed by a
/// proxy that speaks TLS for us.
fn is_own(origin: &str, host: &str) -> bool {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|own| own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn admits(allowed: &[&str], origin: Option<&str>) -> bool {
        let origins = Origins::new(allowed.iter().map(ToString::to_string).collect());
        let mut request = TestRequest::default().insert_header((header::HOST, "docs.example:4000"));
        if let Some(origin) = origin {
            request = request.insert_header((header::ORIGIN, origin));
        }
        origins.admit(&request.to_http_request())
    }

    #[test]
    fn own_pages_and_programs_are_admitted_and_foreign_pages_are_not() {
        assert!(admits(&[], None));
        assert!(admits(&[], Some("http://docs.example:4000")));
        assert!(admits(&[], Some("https://docs.example:4000")));
        assert!(!admits(&[], Some("http://docs.example")));
        assert!(!admits(&[], Some("https://evil.example")));
        assert!(!admits(&[], Some("null")));
    }

    #[test]
    fn the_operator_may_let_others_in() {
        assert!(admits(&["https://app.example"], Some("https://app.example")));
        assert!(!admits(&["https://app.example"], Some("https://app.example.evil")));
        assert!(admits(&["*"], Some("https://anyone.example")));
    }
}
