//! Alice, Bob and their document, for whoever tries coscribe out.

use anyhow::Context as _;

use crate::{
    app::Base,
    auth::{MintedToken, Passwords},
    domain::{AccessLevel, Account, DisplayName, DocumentId, Email, Text, Title},
    editing::Replica,
    settings::Settings,
    store::{NewAccount, Store},
};

const TITLE: &str = "Project Alpha";
/// A demonstration's password is no secret: it is printed at every start.
const PASSWORD: &str = "open-sesame";

/// What there is to try, ready to be told once it is known where the node listens.
pub struct Demo {
    document: DocumentId,
    people: Vec<(Account, MintedToken)>,
}

/// Makes what is not there yet.
///
/// # Errors
/// The store refuses.
pub async fn prepare(settings: &Settings, base: &Base) -> anyhow::Result<Demo> {
    let store = &base.store;
    let alice = account(settings, store, "Alice").await?;
    let bob = account(settings, store, "Bob").await?;
    let page = store.list_documents(alice.id, 100, None).await?;
    let there = page.documents.into_iter().map(|(document, _)| document);
    let document = match there.into_iter().find(|document| &*document.title == TITLE) {
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
    /// How to open the document as each of the two, on the node at `address` (host and port).
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
    if let Some(account) = store.find_account_by_email(&email).await? {
        return Ok(account);
    }
    let password_hash = Passwords::new(&settings.auth)?.hash(PASSWORD).await?;
    let new = NewAccount { name: DisplayName::new(name)?, email, password_hash };
    store.create_account(new).await.context("an account of the demonstration cannot be made")
}
