//! Users and their tokens.

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{Http, Operation};

/// The lifetime of a minted token, in seconds. Longer than any run.
const LIFE: i64 = 24 * 60 * 60;

/// A user of the load.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// The id of the account.
    pub(crate) id: String,
    /// A valid token.
    pub(crate) token: String,
}

/// How users come to their tokens.
#[derive(Debug, Clone)]
pub(crate) enum TokenSource {
    /// Tokens are signed with the secret of the server, which creates the accounts (`auth.enrol`).
    Minted(String),
    /// Accounts are registered, each with a password.
    Registered,
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    name: String,
    iat: i64,
    exp: i64,
}

impl TokenSource {
    /// The most accounts that a server with the default limits registers for one address in an hour.
    pub(crate) const MAX_REGISTERED: usize = 100;

    /// The connections that one registered user gets: fewer than the default limit.
    pub(crate) const CONNECTIONS_PER_USER: usize = 8;

    /// Returns how many connections a user should have who would have `wanted` if accounts were free.
    pub(crate) fn connections_per_user(&self, wanted: usize) -> usize {
        match self {
            Self::Minted(_) => wanted,
            Self::Registered => wanted.max(Self::CONNECTIONS_PER_USER),
        }
    }

    /// Creates a user.
    ///
    /// # Errors
    /// The server does not accept the token or the registration.
    pub(crate) async fn create(&self, http: &Http, number: usize) -> anyhow::Result<User> {
        match self {
            Self::Minted(secret) => {
                let user = mint(secret, number)?;
                let admitted = http.run(Some(&user.token), Operation::ME, json!({})).await;
                admitted.context(
                    "a token was not accepted. Check that the secret is that of the server, and that `auth.enrol` is set there",
                )?;
                Ok(user)
            }
            Self::Registered => register(http, number).await.context(
                "a user could not be registered. With the secret of the server, users need not be: see --secret",
            ),
        }
    }
}

fn mint(secret: &str, number: usize) -> anyhow::Result<User> {
    let (id, now) = (Uuid::now_v7().to_string(), chrono::Utc::now().timestamp());
    let claims = Claims { sub: id.clone(), name: name(number), iat: now, exp: now + LIFE };
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?;
    Ok(User { id, token })
}

async fn register(http: &Http, number: usize) -> anyhow::Result<User> {
    let email = format!("bench-{}@example.org", Uuid::now_v7());
    let variables = json!({ "e": email, "n": name(number), "p": Uuid::now_v7().to_string() });
    let data = http.run(None, Operation::REGISTER, variables).await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let payload = &data["register"];
    Ok(User { id: text(&payload["account"]["id"]), token: text(&payload["token"]) })
}

fn name(number: usize) -> String {
    format!("User {number}")
}
