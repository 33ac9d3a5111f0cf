//! Alice, Bob and their document, for whoever tries coscribe out.

use std::fmt::Write as _;

use anyhow::Context as _;

use crate::{
    app::Base,
    auth::Passwords,
    domain::{AccessLevel, Account, DisplayName, Email, Text, Title},
    settings::Settings,
    store::{NewAccount, Store},
};

const TITLE: &str = "Project Alpha";
/// A demonstration's password is no secret: it is printed at every start.
const PASSWORD: &str = "open-sesame";

/// Makes what is not there yet, and says how to open the document as each of the two.
///
/// # Errors
/// The store refuses.
pub async fn prepare(settings: &Settings, base: &Base) -> anyhow::Result<String> {
    let store = &base.store;
    let alice = account(settings, store, "Alice").await?;
    let bob = account(settings, store, "Bob").await?;
    let page = store.list_documents(alice.id, 100, None).await?;
    let there = page.documents.into_iter().map(|(document, _)| document);
    let document = match there.into_iter().find(|document| &*document.title == TITLE) {
        Some(document) => document,
        None => {
            let text = Text::new("Welcome to Project Alpha.\n", settings.limits.document)?;
            store.create_document(alice.id, Title::new(TITLE)?, text).await?
        }
    };
    store.grant_access(alice.id, document.id, bob.id, AccessLevel::Edit).await?;

    let port = settings.server.port;
    let mut text = format!(
        "\nThe document \"{TITLE}\" belongs to Alice, and Bob may edit it:\n  {}\n",
        document.id
    );
    for account in [&alice, &bob] {
        let token = base.token_for(account).token;
        write!(
            text,
            "\nOpen it as {name} (or sign in as {email} with the password {PASSWORD}):\n  \
             http://localhost:{port}/graphql#token={token}&document={document}\n",
            name = account.name,
            email = account.email,
            document = document.id,
        )?;
    }
    Ok(text)
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
