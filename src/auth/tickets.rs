//! Tickets: each lets one user open one document in a Yjs editor, once, within seconds, on any node.
//!
//! The address of a WebSocket ends up in logs, and a ticket in it is worth nothing afterwards. A ticket is a JWT that says all
//! that the session needs: the user, and the sign-in of the token that it was got with. It is signed with a key of its own,
//! which all nodes derive from their secret, so a ticket is never accepted as a token, nor a token as a ticket.
//!
//! Whether a ticket was redeemed before is known to the database, not here. Time is an argument.

use std::time::Duration;

use chrono::{
    DateTime, TimeDelta, Utc,
    serde::{ts_microseconds, ts_microseconds_option},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{SigningKeys, Tokens, claims::time_delta};
use crate::domain::{DocumentId, SignIn, SignInId, TicketId, TokenIssuer, UserId};

/// Why a ticket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TicketError {
    /// It is no ticket, or it was changed.
    #[error("The ticket is not valid. Get one with `createTicket`, and send it as it is.")]
    Invalid,
    /// It is for another document.
    #[error("The ticket is for another document. Get one for this document with `createTicket`.")]
    OtherDocument,
    /// It was not used in time.
    #[error("The ticket has expired. Get another one with `createTicket` when you connect.")]
    Expired,
    /// It was used before.
    #[error("The ticket was used before. Get another one with `createTicket` for each connection.")]
    Used,
}

impl TicketError {
    /// All errors, for lists of their labels.
    pub const ALL: [Self; 4] = [Self::Invalid, Self::OtherDocument, Self::Expired, Self::Used];

    /// Returns the label of the error in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Invalid => "ticket_invalid",
            Self::OtherDocument => "ticket_of_other_document",
            Self::Expired => "ticket_expired",
            Self::Used => "ticket_used",
        }
    }
}

/// A ticket for its user.
#[derive(Clone)]
pub struct IssuedTicket {
    /// The ticket, as it is sent in an address.
    pub ticket: String,
    /// The time from which it is refused.
    pub expires_at: DateTime<Utc>,
}

/// What a valid ticket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketClaims {
    /// What distinguishes it from all others.
    pub id: TicketId,
    /// The user.
    pub user: UserId,
    /// The sign-in of the token that it was got with, with the expiry of that token.
    pub sign_in: SignIn,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// The claims as they are signed. Times have microseconds, because those of a sign-in have.
#[derive(Serialize, Deserialize)]
struct SignedTicket {
    jti: TicketId,
    doc: DocumentId,
    #[serde(with = "ts_microseconds")]
    until: DateTime<Utc>,
    sub: UserId,
    sid: SignInId,
    /// Whether an outside issuer issued the token.
    outside: bool,
    #[serde(rename = "gen")]
    generation: Option<i64>,
    #[serde(with = "ts_microseconds_option")]
    issued_at: Option<DateTime<Utc>>,
    #[serde(with = "ts_microseconds_option")]
    began_at: Option<DateTime<Utc>>,
    #[serde(with = "ts_microseconds")]
    token_until: DateTime<Utc>,
}

impl SignedTicket {
    fn sign_in(&self) -> SignIn {
        SignIn {
            id: self.sid,
            issued_by: match self.outside {
                true => TokenIssuer::Outside,
                false => TokenIssuer::Ours,
            },
            generation: self.generation,
            issued_at: self.issued_at,
            began_at: self.began_at,
            expires_at: self.token_until,
        }
    }
}

/// Issues and verifies tickets.
#[derive(Debug, Clone)]
pub struct Tickets {
    keys: SigningKeys,
    leeway: Duration,
}

impl Tickets {
    /// How long a ticket is valid, unless the token expires before.
    pub const LIFE: TimeDelta = TimeDelta::seconds(30);

    /// Signs and verifies with a key that is derived from the secret of `keys`. The clock of the node that issued a ticket may
    /// differ by `leeway`.
    #[must_use]
    pub const fn new(keys: SigningKeys, leeway: Duration) -> Self {
        Self { keys, leeway }
    }

    /// Returns a ticket with which `user` may open `document`, got with a token of this sign-in.
    #[must_use]
    pub fn issue(
        &self,
        user: UserId,
        sign_in: &SignIn,
        document: DocumentId,
        now: DateTime<Utc>,
    ) -> IssuedTicket {
        let end = now.checked_add_signed(Self::LIFE).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let expires_at = end.min(sign_in.expires_at);
        let ticket = self.keys.sign_ticket(&SignedTicket {
            jti: TicketId::new(),
            doc: document,
            until: expires_at,
            sub: user,
            sid: sign_in.id,
            outside: sign_in.issued_by == TokenIssuer::Outside,
            generation: sign_in.generation,
            issued_at: sign_in.issued_at,
            began_at: sign_in.began_at,
            token_until: sign_in.expires_at,
        });
        IssuedTicket { ticket, expires_at }
    }

    /// Returns the user to whom one of our nodes has issued this ticket, for any document, whether or not it is still valid. `None`
    /// if none has.
    #[must_use]
    pub fn issued_to(&self, ticket: &str) -> Option<UserId> {
        // An unknown client must not make the server hash megabytes.
        if ticket.len() > Tokens::MAX_LENGTH {
            return None;
        }
        let opened = self.keys.open_ticket(ticket);
        opened.ok().map(|signed: SignedTicket| signed.sub)
    }

    /// Returns what a ticket says if one of our nodes issued it for `document` and it is valid at `now`. It may have been
    /// redeemed before.
    ///
    /// # Errors
    /// The first rule that the ticket breaks; see [`TicketError`].
    pub fn open(
        &self,
        ticket: &str,
        document: DocumentId,
        now: DateTime<Utc>,
    ) -> Result<TicketClaims, TicketError> {
        // An unknown client must not make the server hash megabytes.
        if ticket.len() > Tokens::MAX_LENGTH {
            return Err(TicketError::Invalid);
        }
        let opened = self.keys.open_ticket(ticket);
        let signed: SignedTicket = opened.map_err(|_error| TicketError::Invalid)?;
        if signed.doc != document {
            return Err(TicketError::OtherDocument);
        }
        if now.signed_duration_since(signed.until) >= time_delta(self.leeway) {
            return Err(TicketError::Expired);
        }
        Ok(TicketClaims {
            id: signed.jti,
            user: signed.sub,
            sign_in: signed.sign_in(),
            expires_at: signed.until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Secret, TokenOptions},
        domain::User,
        metrics::Metrics,
    };

    const SECRET: &str = "a secret that only these tests know";

    fn keys(secret: &str) -> SigningKeys {
        SigningKeys::from_secret(&Secret::new(secret)).unwrap()
    }

    fn tickets() -> Tickets {
        Tickets::new(keys(SECRET), Duration::ZERO)
    }

    fn tokens() -> Tokens {
        let life = Duration::from_secs(3_600);
        let options = TokenOptions {
            life,
            sign_in_life: life,
            leeway: Duration::ZERO,
            issuer: None,
            audience: None,
        };
        Tokens::new(keys(SECRET), options)
    }

    fn noon() -> DateTime<Utc> {
        "2031-05-17T12:00:00.123456Z".parse().unwrap()
    }

    fn seconds(count: i64) -> TimeDelta {
        TimeDelta::seconds(count)
    }

    /// A sign-in whose token expires an hour after noon.
    fn sign_in() -> SignIn {
        SignIn {
            id: SignInId::new(),
            issued_by: TokenIssuer::Outside,
            generation: Some(3),
            issued_at: Some(noon() - seconds(60)),
            began_at: None,
            expires_at: noon() + seconds(3_600),
        }
    }

    #[test]
    fn a_ticket_names_its_user_and_the_sign_in_of_the_token() {
        let (user, document, sign_in) = (UserId::new(), DocumentId::new(), sign_in());
        let issued = tickets().issue(user, &sign_in, document, noon());
        assert_eq!(issued.expires_at, noon() + seconds(30));

        let opened = tickets().open(&issued.ticket, document, noon()).unwrap();

        assert_eq!((opened.user, opened.sign_in), (user, sign_in));
        assert_eq!(opened.expires_at, issued.expires_at);
        let another = tickets().issue(user, &sign_in, document, noon()).ticket;
        assert_ne!(tickets().open(&another, document, noon()).unwrap().id, opened.id);
    }

    #[test]
    fn a_ticket_is_valid_for_thirty_seconds_and_not_longer_than_the_token() {
        let (document, mut sign_in) = (DocumentId::new(), sign_in());
        let ticket = tickets().issue(UserId::new(), &sign_in, document, noon()).ticket;
        assert!(tickets().open(&ticket, document, noon() + seconds(29)).is_ok());
        let late = noon() + seconds(30);
        assert_eq!(tickets().open(&ticket, document, late), Err(TicketError::Expired));

        let lenient = Tickets::new(keys(SECRET), Duration::from_secs(5));
        assert!(lenient.open(&ticket, document, noon() + seconds(34)).is_ok());
        let late = noon() + seconds(35);
        assert_eq!(lenient.open(&ticket, document, late), Err(TicketError::Expired));

        sign_in.expires_at = noon() + seconds(10);
        let issued = tickets().issue(UserId::new(), &sign_in, document, noon());
        assert_eq!(issued.expires_at, sign_in.expires_at);
    }

    #[test]
    fn a_ticket_is_for_one_document() {
        let user = UserId::new();
        let ticket = tickets().issue(user, &sign_in(), DocumentId::new(), noon()).ticket;
        assert_eq!(tickets().issued_to(&ticket), Some(user));
        assert_eq!(tickets().issued_to("nonsense"), None);
        let opened = tickets().open(&ticket, DocumentId::new(), noon());
        assert_eq!(opened, Err(TicketError::OtherDocument));
    }

    #[test]
    fn what_is_no_ticket_of_ours_is_refused() {
        let (document, sign_in) = (DocumentId::new(), sign_in());
        let others =
            Tickets::new(keys("another secret, long enough for these tests"), Duration::ZERO);
        let foreign = others.issue(UserId::new(), &sign_in, document, noon()).ticket;
        let ours = tickets().issue(UserId::new(), &sign_in, document, noon()).ticket;
        let changed = format!("{ours}x");
        let long = "x".repeat(Tokens::MAX_LENGTH + 1);
        for ticket in ["", "x", "a.b.c", &*foreign, &*changed, &*long] {
            let opened = tickets().open(ticket, document, noon());
            assert_eq!(opened, Err(TicketError::Invalid), "{ticket}");
        }
    }

    #[test]
    fn a_ticket_is_no_token_and_a_token_no_ticket() {
        let (document, sign_in) = (DocumentId::new(), sign_in());
        let ticket = tickets().issue(UserId::new(), &sign_in, document, noon()).ticket;
        assert!(tokens().verify(&ticket, noon()).is_err());
        let ana = User { id: UserId::new(), name: "Ana".into() };
        let token = tokens().mint(&ana, 0, noon()).token;
        assert_eq!(tickets().open(&token, document, noon()), Err(TicketError::Invalid));
    }

    #[test]
    fn the_metrics_list_every_refusal_from_the_start() {
        let page = Metrics::new().render().unwrap();
        for error in TicketError::ALL {
            let line = format!("auth_failures_total{{reason=\"{}\"}} 0", error.label());
            assert!(page.contains(&line), "{line}");
        }
    }
}
