//! The application that is asked, over HTTP.

use std::time::Duration;

use reqwest::{Client, Url, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::QuestionOptions;
use crate::{
    auth::Secret,
    domain::{AccessLevel, DocumentId, DocumentKey, OutsideSubject, UserId},
    outgoing::{self, BodyError},
};

/// The most bytes of an answer.
const MAX_BYTES: usize = 16 * 1024;

/// How long an answer is valid that does not say so.
const DEFAULT_LIFE: u64 = 60;

/// The longest time for which an answer is valid, in seconds.
const MAX_LIFE: u64 = 24 * 60 * 60;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum AskError {
    /// The request failed, or the status of the answer is an error.
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    /// The body of the answer could not be read.
    #[error("its answer cannot be read")]
    Body(#[from] BodyError),
    /// The answer has another form.
    #[error("its answer is not an object with `level`, one of VIEW, EDIT, OWNER and null")]
    Malformed(#[from] serde_json::Error),
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApplicationAnswer {
    /// The level of the user, if they may open the document.
    pub(super) level: Option<AccessLevel>,
    /// How long the answer is valid.
    pub(super) life: Duration,
}

/// The application.
pub(super) struct Application {
    address: Url,
    secret: Option<Secret>,
    client: Client,
}

#[derive(Serialize)]
struct Question<'a> {
    document: DocumentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a DocumentKey>,
    user: AskedUser<'a>,
}

#[derive(Serialize)]
struct AskedUser<'a> {
    id: UserId,
    issuer: Option<&'a str>,
    subject: Option<&'a str>,
}

#[derive(Deserialize)]
struct ReceivedAnswer {
    // Without a default: an answer that does not name the level is none.
    #[serde(deserialize_with = "Option::deserialize")]
    level: Option<AnsweredLevel>,
    seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum AnsweredLevel {
    View,
    Edit,
    Owner,
}

impl Application {
    /// Returns the application that the options name, if they name one with a valid address.
    ///
    /// # Errors
    /// TLS cannot be used on this machine.
    pub(super) fn of(options: &QuestionOptions) -> Result<Option<Self>, reqwest::Error> {
        let Ok(Some(address)) = options.address() else { return Ok(None) };
        let client = outgoing::client()?;
        Ok(Some(Self { address, secret: options.ask_secret.clone(), client }))
    }

    /// Asks for the level of a user on a document, which may have a key. `subject` is how an outside issuer or an application names the user.
    ///
    /// # Errors
    /// [`AskError`].
    pub(super) async fn ask(
        &self,
        user: UserId,
        subject: Option<&OutsideSubject>,
        (document, key): (DocumentId, Option<&DocumentKey>),
    ) -> Result<ApplicationAnswer, AskError> {
        let user = AskedUser {
            id: user,
            issuer: subject.map(|subject| issuer_name(&subject.issuer)),
            subject: subject.map(|subject| &*subject.subject),
        };
        let body = serde_json::to_vec(&Question { document, key, user })?;
        let mut request = self.client.post(self.address.clone());
        request = request.header(CONTENT_TYPE, "application/json").body(body);
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.expose());
        }
        let answer = request.send().await?.error_for_status()?;
        let bytes = outgoing::read_body(answer, MAX_BYTES).await?;
        read(&bytes)
    }
}

/// Returns the `iss` claim of the tokens of an issuer or an application.
fn issuer_name(issuer: &str) -> &str {
    issuer.strip_prefix(OutsideSubject::APPLICATION).unwrap_or(issuer)
}

fn read(bytes: &[u8]) -> Result<ApplicationAnswer, AskError> {
    let ReceivedAnswer { level, seconds } = serde_json::from_slice(bytes)?;
    let level = level.map(|level| match level {
        AnsweredLevel::View => AccessLevel::View,
        AnsweredLevel::Edit => AccessLevel::Edit,
        AnsweredLevel::Owner => AccessLevel::Owner,
    });
    let seconds = seconds.unwrap_or(DEFAULT_LIFE).clamp(1, MAX_LIFE);
    Ok(ApplicationAnswer { level, life: Duration::from_secs(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_a_level_and_perhaps_its_life() {
        for (text, level, seconds) in [
            (r#"{ "level": "VIEW" }"#, Some(AccessLevel::View), 60),
            (r#"{ "level": "EDIT", "seconds": 5 }"#, Some(AccessLevel::Edit), 5),
            (r#"{ "level": "OWNER", "seconds": 0 }"#, Some(AccessLevel::Owner), 1),
            (r#"{ "level": null, "seconds": 999999999 }"#, None, 86_400),
            (r#"{ "level": "VIEW", "more": [] }"#, Some(AccessLevel::View), 60),
        ] {
            let life = Duration::from_secs(seconds);
            assert_eq!(read(text.as_bytes()).unwrap(), ApplicationAnswer { level, life }, "{text}");
        }
    }

    #[test]
    fn an_answer_of_another_form_is_none() {
        for text in [
            "",
            "{}",
            "null",
            "[]",
            r#"{ "level": "view" }"#,
            r#"{ "level": "ADMIN" }"#,
            r#"{ "level": true }"#,
            r#"{ "seconds": 5 }"#,
            r#"{ "level": "VIEW", "seconds": -1 }"#,
            "<html>",
        ] {
            assert!(matches!(read(text.as_bytes()), Err(AskError::Malformed(_))), "{text}");
        }
    }
}
