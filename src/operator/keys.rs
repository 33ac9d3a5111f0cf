//! `coscribe key`: the public keys of applications, which sign document tokens.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use chrono::Utc;
use clap::Subcommand;
use uuid::Uuid;

use crate::{
    app::Base,
    auth::RegisteredKey,
    store::{ApplicationKey, RegisterOutcome, Store},
};

/// The most characters of the name of an application, and of the id of a key.
const MAX_NAME: usize = 64;

/// A command for the keys of applications.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List all keys: id, application, when it was registered
    List,
    /// Register the public key of an application, and print its id. The application signs document tokens with the private key:
    /// JWTs that name a user, documents, and the user's level on each
    Register {
        /// Name of the application, which its tokens have as `iss`: letters, digits, ".", "_" and "-"
        #[arg(long)]
        application: String,
        /// File with the public key, as a JWK or as PEM: RSA for RS256, P-256 for ES256, or Ed25519 for EdDSA
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
        /// Id of the key, which its tokens have as `kid` in the header; the `kid` of the JWK or a new one if it is left out
        #[arg(long)]
        id: Option<String>,
    },
    /// Remove a key: tokens that it has signed are refused, and running servers end their connections and what they grant
    /// within seconds
    Remove {
        /// Id of the key
        id: String,
    },
}

impl KeyCommand {
    /// Runs the command, and passes each line of its output to `print`.
    ///
    /// # Errors
    /// The input is not valid, there is no such key, or the database does not respond.
    pub async fn run(
        self,
        base: &Base,
        mut print: impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let store = &base.store;
        match self {
            Self::List => {
                for ApplicationKey { id, application, created_at, .. } in
                    store.list_application_keys().await?
                {
                    let created = created_at.format("%Y-%m-%dT%H:%M:%SZ");
                    print(format!("{id} {application} {created}\n"))?;
                }
                Ok(())
            }
            Self::Register { application, public_key, id } => {
                let key = fs::read_to_string(&public_key)
                    .with_context(|| format!("cannot read {}", public_key.display()))?;
                let id = id.or_else(|| RegisteredKey::id_in(&key));
                let id = id.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
                register(store, id.clone(), application, key).await?;
                print(format!("id: {id}\n"))
            }
            Self::Remove { id } => {
                let was_removed = store.remove_application_key(&id).await?;
                anyhow::ensure!(was_removed, "no key has the id {id}; see coscribe key list");
                print(format!("removed {id}\n"))
            }
        }
    }
}

async fn register(
    store: &Store,
    id: String,
    application: String,
    key: String,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        is_name(&application),
        "the name of the application must have 1 to {MAX_NAME} letters, digits, \".\", \"_\" or \"-\""
    );
    anyhow::ensure!(
        !id.is_empty()
            && id.len() <= MAX_NAME
            && id.chars().all(|letter| letter.is_ascii_graphic()),
        "the id of the key must have 1 to {MAX_NAME} characters without spaces; give another one with --id"
    );
    RegisteredKey::read(&id, &application, &key).context("the file has no usable key")?;
    let key = ApplicationKey { id, application, key, created_at: Utc::now() };
    match store.register_application_key(key).await? {
        RegisterOutcome::Registered => Ok(()),
        RegisterOutcome::IdTaken => {
            anyhow::bail!("this id is or was that of another key; give another one with --id")
        }
        RegisterOutcome::TooMany => anyhow::bail!(
            "there are {} keys already; remove those that no application uses any more",
            Store::MAX_APPLICATION_KEYS
        ),
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_letter)
}
