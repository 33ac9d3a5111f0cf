//! The store and the keys: what commands need that serve nobody.

use anyhow::Context as _;
use chrono::Utc;

use crate::{
    auth::{MintedToken, SigningKeys, Tokens},
    domain::{Account, User},
    settings::Settings,
    store::{Store, StoreOptions},
};

/// What stands behind the front door and can be used without it.
pub struct Base {
    /// Accounts, documents, access.
    pub store: Store,
    /// Makes and checks tokens.
    pub tokens: Tokens,
}

impl Base {
    /// Opens the store and the keys.
    ///
    /// # Errors
    /// The database or the secret cannot be opened.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let options = store_options(settings);
        let store = Store::open(&options).await.context("the database cannot be opened")?;
        let keys = SigningKeys::open(settings.auth.secret.as_ref(), &settings.server.data_dir)?;
        Ok(Self { store, tokens: Tokens::new(keys, settings.auth.token_options()) })
    }

    /// A token for an account, as signing in makes it.
    #[must_use]
    pub fn token_for(&self, account: &Account) -> MintedToken {
        self.tokens.mint(&account.user(), Utc::now())
    }

    /// A token for anybody, whether there is an account or not.
    #[must_use]
    pub fn token_for_user(&self, user: &User) -> MintedToken {
        self.tokens.mint(user, Utc::now())
    }
}

/// Where the database is: a file in the data folder unless something else is set.
fn store_options(settings: &Settings) -> StoreOptions {
    let mut options = settings.store.clone();
    if options.url.is_empty() {
        let file = settings.server.data_dir.join("coscribe.db");
        options.url = format!("sqlite://{}?mode=rwc", file.display());
    } else if !options.is_postgres() && !options.url.contains('?') {
        options.url.push_str("?mode=rwc");
    }
    options
}
