//! Verifies tokens, both our own and those of outside issuers, and tickets.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{
    ApplicationKeys, Claims, Subject, TicketClaims, TicketError, Tickets, TokenError, Tokens,
    claims::time_delta,
    issuers::Issuers,
    token_head::{self, TokenHead},
};
use crate::domain::{DocumentId, UserId};

/// How many tokens are remembered.
const REMEMBERED: usize = 20_000;

/// How long a token is remembered, unless the keys of its issuer are fetched meanwhile.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// The SHA-256 hash of a token.
type TokenHash = [u8; 32];

/// A token whose signature was verified.
#[derive(Clone)]
struct Verified {
    claims: Claims,
    at: Instant,
    /// How often the keys of its issuer or application had been replaced.
    key_epoch: u64,
}

/// Verifies our own tokens and those of outside issuers, and tickets.
#[derive(Clone)]
pub struct Verifier {
    tokens: Tokens,
    tickets: Tickets,
    issuers: Issuers,
    applications: ApplicationKeys,
    leeway: Duration,
    /// Tokens of outside issuers and applications. To verify one takes as long as a small request.
    verified: Arc<Cache<TokenHash, Verified>>,
}

impl Verifier {
    /// Accepts our own tokens and those of `issuers` and `applications`, which may differ from our clock by `leeway`.
    #[must_use]
    pub fn new(
        tokens: Tokens,
        issuers: Issuers,
        applications: ApplicationKeys,
        leeway: Duration,
    ) -> Self {
        let (tickets, verified) = (tokens.tickets(), Arc::new(Cache::new(REMEMBERED)));
        Self { tokens, tickets, issuers, applications, leeway, verified }
    }

    /// Returns the user to whom one of our nodes has issued this ticket, for any document, whether or not it is still valid.
    #[must_use]
    pub fn issued_to(&self, ticket: &str) -> Option<UserId> {
        self.tickets.issued_to(ticket)
    }

    /// Returns what a ticket for `document` says if it is valid at `now`. It may have been redeemed before.
    ///
    /// # Errors
    /// The first rule that the ticket breaks; see [`TicketError`].
    pub fn open_ticket(
        &self,
        ticket: &str,
        document: DocumentId,
        now: DateTime<Utc>,
    ) -> Result<TicketClaims, TicketError> {
        self.tickets.open(ticket, document, now)
    }

    /// Returns the claims of a token if it takes little work to verify it: it is one of our own, or it was verified a moment
    /// ago. `None` if it is neither.
    #[must_use]
    pub fn verify_quickly(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Option<Result<Claims, TokenError>> {
        if token.len() > Tokens::MAX_LENGTH {
            return Some(Err(TokenError::Malformed));
        }
        match TokenHead::read(token) {
            Err(error) => Some(Err(error)),
            Ok(head) if head.alg == "HS256" || !self.has_other_issuers() => {
                Some(self.tokens.verify_with_head(token, &head, now))
            }
            Ok(_signed_with_another_key) => self.recall(token, now),
        }
    }

    /// Returns the claims of a token if it is valid at `now`. Waits for the keys of its issuer, if they have to be fetched.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        if let Some(verified) = self.verify_quickly(token, now) {
            return verified;
        }
        // Keys that are fetched meanwhile may not have verified it.
        let issuer = token_head::claimed_issuer(token).ok_or(TokenError::WrongIssuer)?;
        let is_outside = self.issuers.knows(&issuer);
        let key_epoch = self.key_epoch(is_outside.then_some(&*issuer));
        let claims = match is_outside {
            true => self.issuers.verify(token, now).await?,
            false if self.applications.knows(&issuer) => self.applications.verify(token, now)?,
            false => return Err(TokenError::WrongIssuer),
        };
        let verified = Verified { claims: claims.clone(), at: Instant::now(), key_epoch };
        self.verified.insert(hash(token), verified);
        Ok(claims)
    }

    /// Returns whether outside issuers or applications may issue tokens.
    fn has_other_issuers(&self) -> bool {
        !self.issuers.is_empty() || !self.applications.is_empty()
    }

    /// Returns how often the keys of an outside issuer, or of all applications, were replaced.
    fn key_epoch(&self, issuer: Option<&str>) -> u64 {
        match issuer {
            Some(issuer) => self.issuers.key_epoch(issuer),
            None => self.applications.epoch(),
        }
    }

    /// Returns the claims of a token that was verified a moment ago, or that it has expired since.
    fn recall(&self, token: &str, now: DateTime<Utc>) -> Option<Result<Claims, TokenError>> {
        let known = self.verified.get(&hash(token))?;
        let issuer = match (&known.claims.subject, &known.claims.grants) {
            (Subject::Outside(subject), None) => Some(&*subject.issuer),
            _ => None,
        };
        let is_current = known.key_epoch == self.key_epoch(issuer);
        if !is_current || known.at.elapsed() >= REMEMBERED_FOR {
            return None;
        }
        let is_over = now.signed_duration_since(known.claims.expires_at) >= time_delta(self.leeway);
        Some(if is_over { Err(TokenError::Expired) } else { Ok(known.claims) })
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}
