//! The claims of a document token.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{DocumentTokenOptions, RegisteredKey};
use crate::{
    auth::{
        Claims, Subject, TokenError,
        claims::{RegisteredClaims, derived_sign_in, time_delta},
    },
    domain::{AccessLevel, DocumentName, OutsideSubject, SignIn, SignInId, TokenIssuer},
};

/// What a document token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentGrants {
    /// The application that has signed it.
    pub application: Arc<str>,
    /// The key that it was signed with.
    pub key_id: Arc<str>,
    /// The documents, by their ids or keys, and the levels on them, at most [`DocumentGrants::MAX_DOCUMENTS`].
    pub levels: BTreeMap<DocumentName, AccessLevel>,
}

impl DocumentGrants {
    /// The most documents that a token may name.
    pub const MAX_DOCUMENTS: usize = 100;

    /// The most characters of a token's id.
    const MAX_ID: usize = 255;

    /// Returns the sign-in of the token with this id (`jti`) of an application.
    #[must_use]
    pub fn sign_in(application: &str, token_id: &str) -> SignInId {
        derived_sign_in(&["application", application, token_id])
    }
}

/// Returns the user whom an application names so. The application itself is the user with its own name. `None` if the
/// subject is empty, too long or has control characters.
#[must_use]
pub fn application_subject(application: &str, subject: &str) -> Option<OutsideSubject> {
    let issuer = format!("{}{application}", OutsideSubject::APPLICATION);
    OutsideSubject::new(issuer.into(), subject)
}

/// A level as a token writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ClaimedLevel {
    View,
    Edit,
    Owner,
}

impl From<ClaimedLevel> for AccessLevel {
    fn from(level: ClaimedLevel) -> Self {
        match level {
            ClaimedLevel::View => Self::View,
            ClaimedLevel::Edit => Self::Edit,
            ClaimedLevel::Owner => Self::Owner,
        }
    }
}

/// The claims, as they were received.
#[derive(Deserialize)]
pub(super) struct DocumentClaims {
    #[serde(flatten)]
    registered: RegisteredClaims,
    jti: Option<String>,
    name: Option<String>,
    documents: Option<serde_json::Value>,
}

impl DocumentClaims {
    /// Checks claims whose signature is that of `key`.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub(super) fn check(
        self,
        key: &RegisteredKey,
        options: &DocumentTokenOptions,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        let Self { registered, jti, name, documents } = self;
        let expires_at = registered.check_time(now, options.leeway)?;
        // The end of a token is remembered for this time only, so one that lives longer is never accepted.
        let issued_at = registered.issued_at().ok_or(TokenError::LivesTooLong)?;
        if issued_at.signed_duration_since(now) > time_delta(options.leeway) {
            return Err(TokenError::NotYetValid);
        }
        let longest = time_delta(options.life);
        if expires_at.signed_duration_since(issued_at) > longest {
            return Err(TokenError::LivesTooLong);
        }
        if registered.iss.as_deref() != Some(&*key.application) {
            return Err(TokenError::WrongIssuer);
        }
        if !registered.is_for(&options.audience) {
            return Err(TokenError::WrongAudience);
        }
        let sub = registered.sub.as_deref().ok_or(TokenError::BadSubject)?;
        let subject = application_subject(&key.application, sub).ok_or(TokenError::BadSubject)?;
        let fits = |id: &String| !id.is_empty() && id.chars().count() <= DocumentGrants::MAX_ID;
        let token_id = jti.filter(fits).ok_or(TokenError::NoTokenId)?;
        let sign_in = SignIn {
            id: DocumentGrants::sign_in(&key.application, &token_id),
            issued_by: TokenIssuer::Outside,
            generation: None,
            issued_at: registered.earliest_issue(options.leeway),
            began_at: registered.beginning(),
            expires_at,
        };
        let levels = levels_of(documents)?;
        let (application, key_id) = (Arc::clone(&key.application), Arc::clone(&key.id));
        Ok(Claims {
            subject: Subject::Outside(subject),
            name,
            email: None,
            is_email_verified: false,
            groups: None,
            may_enrol: true,
            sign_in,
            expires_at,
            grants: Some(Arc::new(DocumentGrants { application, key_id, levels })),
        })
    }
}

fn levels_of(
    documents: Option<serde_json::Value>,
) -> Result<BTreeMap<DocumentName, AccessLevel>, TokenError> {
    let Some(documents) = documents else { return Ok(BTreeMap::new()) };
    let claimed: BTreeMap<DocumentName, ClaimedLevel> =
        serde_json::from_value(documents).map_err(|_error| TokenError::BadDocuments)?;
    if claimed.len() > DocumentGrants::MAX_DOCUMENTS {
        return Err(TokenError::BadDocuments);
    }
    Ok(claimed.into_iter().map(|(id, level)| (id, level.into())).collect())
}
