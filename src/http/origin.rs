//! The web origins whose pages may use the API (RFC 6454).
//!
//! Tokens are sent in headers and messages, never in cookies, so a foreign page cannot act for a user who has not given
//! it a token. Foreign origins are refused nevertheless, unless the operator allows them.

use actix_web::{HttpRequest, http::header};

/// The allowed origins, in addition to the server's own.
#[derive(Debug, Clone)]
pub struct Origins {
    allowed: Vec<String>,
}

impl Origins {
    /// Allows these origins, written as in `Origin`. `*` allows all.
    #[must_use]
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Returns whether the API may be used from the origin of this request. A request without `Origin` does not come from
    /// a web page.
    #[must_use]
    pub fn admits(&self, request: &HttpRequest) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        self.lists(origin) || host.is_some_and(|host| is_own(origin, host))
    }

    /// Returns whether the operator allows this origin.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

/// Returns whether a page of this server has this origin: its host and port are those of the request. The scheme may
/// differ, because a proxy may terminate TLS.
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
        origins.admits(&request.to_http_request())
    }

    #[test]
    fn own_pages_and_programs_are_allowed_and_foreign_pages_are_not() {
        assert!(admits(&[], None));
        assert!(admits(&[], Some("http://docs.example:4000")));
        assert!(admits(&[], Some("https://docs.example:4000")));
        assert!(!admits(&[], Some("http://docs.example")));
        assert!(!admits(&[], Some("https://evil.example")));
        assert!(!admits(&[], Some("null")));
    }

    #[test]
    fn the_operator_may_allow_other_origins() {
        assert!(admits(&["https://app.example"], Some("https://app.example")));
        assert!(!admits(&["https://app.example"], Some("https://app.example.evil")));
        assert!(admits(&["*"], Some("https://anyone.example")));
    }
}
