//! The demo data: Alice, Bob and a document that they share.

use anyhow::Context as _;
use serde_json::json;

use crate::{
    app::Base,
    auth::{HashTurn, MintedToken, Passwords},
    domain::{AccessLevel, Account, DisplayName, DocumentId, Email, Party, Text, Title},
    editing::Replica,
    settings::Settings,
    store::{AcceptedAddress, DocumentQuery, NewAccount, Store},
};

const TITLE: &str = "Project Alpha";
/// The password of both users. It is public: the server prints it at every start.
const PASSWORD: &str = "open-sesame";

/// The demo data in the database, with a token for each user.
pub struct Demo {
    document: DocumentId,
    people: Vec<(Account, MintedToken)>,
}

/// Creates the users and the document unless they exist.
///
/// # Errors
/// The store cannot be read or written, or the settings do not allow the text or the password.
pub async fn prepare(settings: &Settings, base: &Base) -> anyhow::Result<Demo> {
    let store = &base.store;
    let alice = account(settings, store, "Alice").await?;
    let bob = account(settings, store, "Bob").await?;
    let page = store.list_documents(alice.id, DocumentQuery::newest(100)).await?;
    let mut documents = page.documents.into_iter().map(|(document, _)| document);
    let document = match documents.find(|document| &*document.title == TITLE) {
        Some(document) => document,
        None => {
            let text = Text::new("Welcome to Project Alpha.\n", settings.limits.document)?;
            let (size, state) = (text.as_str().len(), Replica::of(text.as_str()).state());
            store.create_document(alice.id, Title::new(TITLE)?, size, state).await?
        }
    };
    store.grant_access(alice.id, document.id, bob.id, AccessLevel::Edit).await?;

    let people = [alice, bob].map(|account| {
        let token = base.token_for(&account);
        (account, token)
    });
    Ok(Demo { document: document.id, people: people.into() })
}

impl Demo {
    /// Returns the document and the users as JSON, for the demo page. The password is public.
    #[must_use]
    pub fn page(&self) -> String {
        let users = self.people.iter().map(|(Account { name, email, .. }, _)| {
            json!({ "name": name.to_string(), "email": email.to_string(), "password": PASSWORD })
        });
        let users: Vec<_> = users.collect();
        json!({ "demo": true, "document": self.document.to_string(), "users": users }).to_string()
    }

    /// Returns how to open the document as each user, on the node at `address` (host and port).
    #[must_use]
    pub fn welcome(&self, address: &str) -> String {
        let document = self.document;
        let mut text = format!(
            "\nThe document \"{TITLE}\" belongs to Alice, and Bob may edit it:\n  {document}\n"
        );
        for (Account { name, email, .. }, MintedToken { token, .. }) in &self.people {
            text.push_str(&format!(
                "\nOpen it as {name} (or sign in as {email} with the password {PASSWORD}):\n  \
                 http://{address}/graphql#token={token}&document={document}\n"
            ));
        }
        text
    }
}

async fn account(settings: &Settings, store: &Store, name: &str) -> anyhow::Result<Account> {
    let email = Email::new(&format!("{}@demo.example", name.to_lowercase()))?;
    if let Some(account) = store.find_account_by_email(&email, AcceptedAddress::Any).await? {
        return Ok(account);
    }
    let password_hash = Passwords::new(&settings.auth)?.hash(HashTurn::OF_NODE, PASSWORD).await?;
    let new = NewAccount { name: DisplayName::new(name)?, email, password_hash };
    let account = store.create_account(new, Party::Node).await;
    let account = account.context("cannot create an account of the demo")?;
    store.confirm_address(account.id).await?;
    Ok(account)
}
