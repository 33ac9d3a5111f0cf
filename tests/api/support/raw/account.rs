//! Accounts and documents of the raw tests, made over HTTP, and tokens of any life.

use std::time::Duration;

use chrono::{DateTime, Utc};
use coscribe::{
    auth::{SigningKeys, TokenOptions, Tokens},
    domain::{DisplayName, User, UserId},
};
use serde_json::{Value, json};

use super::Listens;
use crate::support::node::{TestNode, within};

/// Somebody with an account and a token.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Account {
    pub(crate) async fn new(node: &impl Listens, name: &str) -> Self {
        let register = "mutation($email: String!, $name: String!) {
            register(email: $email, name: $name, password: \"correct horse\") { token account { id } }
        }";
        let variables = json!({ "email": format!("{name}@example.org"), "name": name });
        let data = post(node, None, register, variables).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let registered = &data["register"];
        Self { id: text(&registered["account"]["id"]), token: text(&registered["token"]) }
    }

    /// Runs an operation over HTTP and gives its data.
    pub(crate) async fn post(&self, node: &impl Listens, query: &str, variables: Value) -> Value {
        post(node, Some(&self.token), query, variables).await
    }
}

/// A new document of `owner`, by its id.
pub(crate) async fn document(node: &impl Listens, owner: &Account) -> String {
    let create = "mutation { createDocument(title: \"Plan\") { id } }";
    let data = owner.post(node, create, json!({})).await;
    data["createDocument"]["id"].as_str().unwrap().to_owned()
}

/// A new document of `owner` that the others may edit.
pub(crate) async fn shared_document(
    node: &impl Listens,
    owner: &Account,
    others: &[&Account],
) -> String {
    let document = document(node, owner).await;
    for other in others {
        let grant = "mutation($document: ID!, $user: ID!) {
            grantAccess(documentId: $document, level: EDIT, userId: $user) { level }
        }";
        owner.post(node, grant, json!({ "document": document, "user": other.id })).await;
    }
    document
}

async fn post(node: &impl Listens, token: Option<&str>, query: &str, variables: Value) -> Value {
    let request = reqwest::Client::new()
        .post(node.at("/graphql"))
        .json(&json!({ "query": query, "variables": variables }));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answered = async { request.send().await.unwrap().json::<Value>().await.unwrap() };
    let mut answer = within("an answer over HTTP", answered).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"].take()
}

/// Makes tokens with a node's own secret.
pub(crate) struct Minter {
    keys: SigningKeys,
}

impl Minter {
    pub(crate) fn of(node: &TestNode) -> Self {
        let settings = node.settings();
        let keys =
            SigningKeys::open(settings.auth.secret.as_ref(), &settings.server.data_dir).unwrap();
        Self { keys }
    }

    /// A token for `account` that runs out in at most `life`: tokens know whole seconds only.
    pub(crate) fn token(&self, account: &Account, life: Duration) -> String {
        self.mint(account, life, Utc::now())
    }

    /// A token for `account` that ran out a minute ago.
    pub(crate) fn expired(&self, account: &Account) -> String {
        let life = Duration::from_secs(60);
        self.mint(account, life, Utc::now() - 2 * life)
    }

    fn mint(&self, account: &Account, life: Duration, now: DateTime<Utc>) -> String {
        let options = TokenOptions { life, leeway: Duration::ZERO, issuer: None, audience: None };
        let id: UserId = account.id.parse().unwrap();
        let user = User { id, name: DisplayName::from(id).into_shared() };
        Tokens::new(self.keys.clone(), options).mint(&user, now).token
    }
}
