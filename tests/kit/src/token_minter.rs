//! Tokens of any lifetime.

use std::time::Duration;

use chrono::{DateTime, Utc};
use coscribe::{
    auth::{SigningKeys, TokenOptions, Tokens},
    domain::{DisplayName, User, UserId},
};

use crate::TestNode;

/// Mints tokens with the secret of a node.
pub struct TokenMinter {
    keys: SigningKeys,
}

impl TokenMinter {
    /// Reads the secret of `node`.
    #[must_use]
    pub fn of(node: &TestNode) -> Self {
        let settings = node.settings();
        let keys =
            SigningKeys::open(settings.auth.secret.as_ref(), &settings.server.data_dir).unwrap();
        Self { keys }
    }

    /// Mints a token that expires after at most `lifetime`: tokens count whole seconds.
    #[must_use]
    pub fn token(&self, user: UserId, lifetime: Duration) -> String {
        self.mint(user, lifetime, Utc::now())
    }

    /// Mints a token for a user all of whose sign-ins have ended this often.
    #[must_use]
    pub fn token_of_generation(&self, user: UserId, generation: i64, lifetime: Duration) -> String {
        self.mint_in(user, generation, lifetime, Utc::now())
    }

    /// Mints a token that expired a minute ago.
    #[must_use]
    pub fn expired(&self, user: UserId) -> String {
        let lifetime = Duration::from_secs(60);
        self.mint(user, lifetime, Utc::now() - 2 * lifetime)
    }

    fn mint(&self, user: UserId, life: Duration, now: DateTime<Utc>) -> String {
        self.mint_in(user, 0, life, now)
    }

    fn mint_in(&self, id: UserId, generation: i64, life: Duration, now: DateTime<Utc>) -> String {
        let options = TokenOptions {
            life,
            sign_in_life: life,
            leeway: Duration::ZERO,
            issuer: None,
            audience: None,
        };
        let user = User { id, name: DisplayName::from(id).into_shared() };
        Tokens::new(self.keys.clone(), options).mint(&user, generation, now).token
    }
}
