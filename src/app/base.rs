//! The store and the keys, which every command needs.

use std::path::PathBuf;

use actix_web::web::Bytes;
use anyhow::{Context as _, ensure};
use chrono::Utc;

use crate::{
    auth::{MintedToken, SigningKeys, Tokens},
    domain::{Account, User},
    settings::Settings,
    store::{FileLock, FileLockError, Quotas, Store, StoreOptions},
};

/// The parts of a node that work without a server.
pub struct Base {
    /// Accounts, documents, access.
    pub store: Store,
    /// Mints and verifies tokens.
    pub tokens: Tokens,
    /// What the demo page gets at `/demo.json`; `None` without `--demo`.
    pub demo_page: Option<Bytes>,
    /// The SQLite file, which only one server may use.
    database_file: Option<PathBuf>,
    lock: Option<FileLock>,
}

impl Base {
    /// Opens the store and the keys.
    ///
    /// # Errors
    /// The database cannot be opened, or the signing secret cannot be used.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let options = store_options(settings);
        let store = Store::open(&options).await.context("cannot open the database")?;
        let keys = SigningKeys::open(settings.auth.secret.as_ref(), &settings.server.data_dir)?;
        let tokens = Tokens::new(keys, settings.auth.token_options());
        Ok(Self { store, tokens, demo_page: None, database_file: options.file(), lock: None })
    }

    /// Opens the store and the keys for a command that needs a database with all tables.
    ///
    /// # Errors
    /// As for [`open`](Self::open), or there is no such database. No file is created then.
    pub async fn open_existing(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(file) = store_options(settings).file() {
            ensure!(
                file.exists(),
                "there is no database in {}. Run `coscribe migrate up` or start the server first, or say with --data-dir or \
                 --config where the database is",
                file.display()
            );
        }
        let base = Self::open(settings).await?;
        let is_complete = base.store.migration_status().await?.iter().all(|state| state.applied);
        ensure!(
            is_complete,
            "the database lacks tables or columns of this version of coscribe. Run `coscribe migrate up` first"
        );
        Ok(base)
    }

    /// Locks the SQLite file for a server, unless it is locked already. Do this before anything is changed in it.
    ///
    /// # Errors
    /// Another server uses the file, or the lock file cannot be used.
    pub fn lock_database(&mut self) -> Result<(), FileLockError> {
        if let (None, Some(file)) = (&self.lock, &self.database_file) {
            self.lock = Some(FileLock::of(file)?);
        }
        Ok(())
    }

    /// Takes the lock of the database.
    pub(super) fn take_lock(&mut self) -> Option<FileLock> {
        self.lock.take()
    }

    /// Returns a token for an account, like the one that a sign-in returns.
    #[must_use]
    pub fn token_for(&self, account: &Account) -> MintedToken {
        self.tokens.mint(&account.user(), account.generation, Utc::now())
    }

    /// Returns a token for a user, who need not have an account.
    #[must_use]
    pub fn token_for_user(&self, user: &User) -> MintedToken {
        self.tokens.mint(user, 0, Utc::now())
    }
}

/// Returns the options of the store. If no URL is set, the database is a file in the data folder.
fn store_options(settings: &Settings) -> StoreOptions {
    let mut options = settings.store.clone();
    let limits = &settings.limits;
    options.quotas = Quotas {
        documents_per_user: limits.documents_per_user,
        bytes_per_user: limits.bytes_per_user,
        change_bytes_per_hour: limits.change_bytes_per_hour,
    };
    if options.url.is_empty() {
        let file = settings.server.data_dir.join("coscribe.db");
        options.url = format!("sqlite://{}?mode=rwc", file.display());
    } else if !options.is_postgres() && !options.url.contains('?') {
        options.url.push_str("?mode=rwc");
    }
    options
}
