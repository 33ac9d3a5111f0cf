//! An application that keeps its own users and rules, and signs document tokens.

use chrono::Utc;
use coscribe::{
    domain::DocumentId,
    store::{ApplicationKey, RegisterOutcome},
};
use serde_json::{Value, json};

use crate::{Person, SigningKey, TestNode, expect_eventually};

/// An application whose key is registered.
pub struct Application {
    /// Its name: the `iss` claim of its tokens.
    pub name: String,
    /// The key that it signs with.
    pub key: SigningKey,
}

impl Application {
    /// Registers a new key for an application with this name, and waits until the node accepts it.
    pub async fn register(node: &TestNode, name: &str) -> Self {
        let application = Self {
            name: name.to_owned(),
            key: SigningKey::ed_dsa(&uuid::Uuid::new_v4().simple().to_string()),
        };
        application.register_key(node).await;
        application
    }

    async fn register_key(&self, node: &TestNode) {
        let key = ApplicationKey {
            id: self.key.id.clone(),
            application: self.name.clone(),
            key: self.key.public().to_string(),
            created_at: Utc::now(),
        };
        let registered = node.store().register_application_key(key).await.unwrap();
        assert_eq!(registered, RegisterOutcome::Registered);
        let token = self.token(&self.name, json!({}));
        let someone = Person::with_token_at(node, token);
        expect_eventually("the key of the application", async || {
            someone.send(&json!({ "query": "{ me { id } }" })).await.status == 200
        })
        .await;
    }

    /// The application itself, at a node.
    pub async fn itself(&self, node: &TestNode) -> Person {
        Person::with_outside_token(node, &self.name, self.token(&self.name, json!({}))).await
    }

    /// A user with a token that grants a level on a document.
    pub async fn user(
        &self,
        node: &TestNode,
        name: &str,
        document: DocumentId,
        level: &str,
    ) -> Person {
        let changes = json!({ "name": name, "documents": { document.to_string(): level } });
        Person::with_outside_token(node, name, self.token(name, changes)).await
    }

    /// A token for the user with this subject, valid for ten minutes, except that some claims are changed or, with null,
    /// removed. Its id is `id of SUBJECT`.
    #[must_use]
    pub fn token(&self, subject: &str, changes: Value) -> String {
        self.key.sign(&self.claims(subject, changes))
    }

    /// The claims of such a token.
    #[must_use]
    pub fn claims(&self, subject: &str, changes: Value) -> Value {
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.name,
            "aud": "coscribe",
            "sub": subject,
            "jti": format!("id of {subject}"),
            "iat": now,
            "exp": now + 600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}
