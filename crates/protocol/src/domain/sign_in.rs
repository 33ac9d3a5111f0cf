//! Sign-ins: what a token says of the moment at which its user showed who they are, and how sign-ins end.

use chrono::{DateTime, Utc};

use super::{SessionId, SignInId};

/// Who issued the token of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenIssuer {
    /// This server, or an application that has its secret.
    Ours,
    /// An outside issuer.
    Outside,
}

/// A sign-in, as one of its tokens describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignIn {
    /// Its identifier.
    pub id: SignInId,
    /// Who issued the token.
    pub issued_by: TokenIssuer,
    /// How often all sign-ins of the user had ended when it began. Only our own tokens say so.
    pub generation: Option<i64>,
    /// When the token was issued at the earliest, by our clock, if it says so.
    pub issued_at: Option<DateTime<Utc>>,
    /// When the sign-in began, if the token says so.
    pub began_at: Option<DateTime<Utc>>,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}

/// A session that stays open when all sign-ins of its user end, because it belongs to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSession {
    /// The session.
    pub session: SessionId,
    /// Its new sign-in.
    pub sign_in: SignIn,
}

/// The sign-ins of a user that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedSignIns {
    /// The user has signed out with one of its tokens.
    One(SignInId),
    /// All up to now.
    All {
        /// How often all sign-ins have ended, with this time.
        generation: i64,
        /// When they ended.
        at: DateTime<Utc>,
    },
}

impl SignIn {
    /// Returns whether it is among these.
    ///
    /// A token without a generation is among all if it may have been issued before their end, or does not say when.
    #[must_use]
    pub fn is_among(&self, ended: &EndedSignIns) -> bool {
        match ended {
            EndedSignIns::One(id) => self.id == *id,
            EndedSignIns::All { generation, at } => match self.generation {
                Some(own) => own < *generation,
                None => self.issued_at.is_none_or(|issued_at| issued_at <= *at),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn sign_in(generation: Option<i64>, issued_at: Option<DateTime<Utc>>) -> SignIn {
        let id = SignInId::new();
        SignIn {
            id,
            issued_by: TokenIssuer::Outside,
            generation,
            issued_at,
            began_at: None,
            expires_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_sign_in_ends_alone_or_with_all_of_its_generation() {
        let at = DateTime::from_timestamp(1_900_000_000, 500_000_000).unwrap();
        let all = EndedSignIns::All { generation: 3, at };
        assert!(sign_in(Some(2), None).is_among(&all));
        assert!(!sign_in(Some(3), None).is_among(&all));

        let seconds = TimeDelta::seconds(1);
        let second = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        assert!(sign_in(None, None).is_among(&all));
        assert!(sign_in(None, Some(second)).is_among(&all));
        assert!(!sign_in(None, Some(second + seconds)).is_among(&all));

        let one = sign_in(Some(2), None);
        assert!(one.is_among(&EndedSignIns::One(one.id)));
        assert!(!one.is_among(&EndedSignIns::One(SignInId::new())));
    }
}
