//! The options of questions.

use reqwest::Url;

use crate::{
    auth::{AuthOptions, Secret},
    outgoing::is_this_machine,
};

/// The settings `auth.ask` and those beside it.
#[derive(Debug, Clone, Default)]
pub struct QuestionOptions {
    /// The address to which questions are sent. If not set, nobody is asked.
    pub ask: Option<String>,
    /// The bearer token of questions, by which the application recognizes this server.
    pub ask_secret: Option<Secret>,
    /// Whether questions may be sent to another machine over plain HTTP.
    pub ask_over_http: bool,
}

impl From<&AuthOptions> for QuestionOptions {
    fn from(auth: &AuthOptions) -> Self {
        Self {
            ask: auth.ask.clone(),
            ask_secret: auth.ask_secret.clone(),
            ask_over_http: auth.ask_over_http,
        }
    }
}

impl QuestionOptions {
    /// Returns the address to which questions are sent, if there is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn address(&self) -> Result<Option<Url>, &'static str> {
        let Some(address) = &self.ask else { return Ok(None) };
        let url: Url = address.parse().map_err(|_error| "is not a URL")?;
        match url.scheme() {
            "https" => Ok(Some(url)),
            "http" if self.ask_over_http || is_this_machine(&url) => Ok(Some(url)),
            "http" => Err(
                "begins with http://, where others on the network could answer; use https, or set auth.ask_over_http",
            ),
            _ => Err("does not begin with https://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_sent_by_https_or_to_this_machine() {
        let check = |address: &str, ask_over_http| {
            let ask = Some(address.to_owned());
            QuestionOptions { ask, ask_over_http, ask_secret: None }.address().is_ok()
        };
        for address in ["https://wiki.example.org/ask", "http://127.0.0.1:3000", "http://localhost"]
        {
            assert!(check(address, false), "{address}");
        }
        for address in ["http://wiki:3000/ask", "ftp://wiki", "wiki", ""] {
            assert!(!check(address, false), "{address}");
        }
        assert!(check("http://wiki:3000/ask", true));
    }
}
