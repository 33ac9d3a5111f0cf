//! The demo data: Alice, Bob, a document that both have open on the demo page, and a plain text for GraphQL.

use std::time::Duration;

use actix_web::web::Bytes;
use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    app::Base,
    auth::{HashTurn, MintedToken, Passwords},
    domain::{
        AccessLevel, Account, Budget, DisplayName, DocumentId, Email, Party, Text, Title, UserId,
    },
    editing::{BodyKind, DocumentBody, MergeBounds, Replica},
    session::Limits,
    settings::Settings,
    store::{AcceptedAddress, DocumentQuery, NewAccount, Store},
};

/// The title of the document that the demo page shows.
const PAGE_TITLE: &str = "Welcome to coscribe";
/// The root type that the editor of the demo page uses.
const PAGE_ROOT: &str = "default";
/// The title of the plain text.
const TEXT_TITLE: &str = "Project Alpha";
/// The password of both users. It is public: the server prints it at every start.
const PASSWORD: &str = "open-sesame";

/// How long the content of the demo page may take to write, and in how many steps. It needs a few hundred.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);
const MAX_STEPS: u64 = 1_000_000;

/// The demo data in the database, with a token for each user.
pub struct Demo {
    page: DocumentId,
    text: DocumentId,
    people: Vec<(Account, MintedToken)>,
}

/// Creates the users and the documents unless they exist.
///
/// # Errors
/// The store cannot be read or written, or the settings do not allow the content or the password.
pub async fn prepare(settings: &Settings, base: &Base) -> anyhow::Result<Demo> {
    let store = &base.store;
    let alice = account(settings, store, "Alice").await?;
    let bob = account(settings, store, "Bob").await?;
    let page = document(store, alice.id, PAGE_TITLE, || page_content(&settings.limits)).await?;
    let text = document(store, alice.id, TEXT_TITLE, || {
        let text = Text::new("Welcome to Project Alpha.\n", settings.limits.document)?;
        Ok(Replica::of(text.as_str()))
    });
    let text = text.await?;
    for document in [page, text] {
        store.grant_access(alice.id, document, bob.id, AccessLevel::Edit).await?;
    }

    let people = [alice, bob].map(|account| {
        let token = base.token_for(&account);
        (account, token)
    });
    Ok(Demo { page, text, people: people.into() })
}

impl Demo {
    /// Returns the document and the users as JSON, for the demo page. The password is public.
    #[must_use]
    pub fn page(&self) -> Bytes {
        let users = self.people.iter().map(|(Account { name, email, .. }, _)| {
            json!({ "name": name.to_string(), "email": email.to_string(), "password": PASSWORD })
        });
        let users: Vec<_> = users.collect();
        let page = json!({ "demo": true, "document": self.page.to_string(), "users": users });
        page.to_string().into()
    }

    /// Returns how to open the documents, on the node at `address` (host and port).
    #[must_use]
    pub fn welcome(&self, address: &str) -> String {
        let text = self.text;
        let mut welcome = format!(
            "\nAlice and Bob, side by side in the document \"{PAGE_TITLE}\":\n  \
             http://{address}/\n\
             \nThe document \"{TEXT_TITLE}\" is plain text, to try GraphQL. Alice owns it, and Bob may edit it:\n  \
             {text}\n"
        );
        for (Account { name, email, .. }, MintedToken { token, .. }) in &self.people {
            welcome.push_str(&format!(
                "\nOpen GraphiQL as {name} (or sign in as {email} with the password {PASSWORD}):\n  \
                 http://{address}/graphql#token={token}&document={text}\n"
            ));
        }
        welcome
    }
}

/// Returns the owner's document of this title, or creates it.
async fn document(
    store: &Store,
    owner: UserId,
    title: &str,
    content: impl FnOnce() -> anyhow::Result<Replica>,
) -> anyhow::Result<DocumentId> {
    let page = store.list_documents(owner, DocumentQuery::newest(100)).await?;
    let mut documents = page.documents.into_iter().map(|(document, _)| document);
    if let Some(document) = documents.find(|document| &*document.title == title) {
        return Ok(document.id);
    }
    let replica = content()?;
    let (size, state) = (replica.content().bytes(), replica.state());
    Ok(store.create_document(owner, Title::new(title)?, size, state).await?.id)
}

/// Returns the content of the demo page, as its editor would have written it.
fn page_content(limits: &Limits) -> anyhow::Result<Replica> {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let node = |kind: &str, content: Value| json!({ "type": kind, "content": content });
    let item = |words: &str| node("listItem", json!([node("paragraph", json!([text(words)]))]));
    let heading = json!({ "type": "heading", "attrs": { "level": 2 }, "content": [text("One document, two people")] });
    let content = json!([
        heading,
        node(
            "paragraph",
            json!([text(
                "Type on either side. The other side shows each change once it is stored, with the caret of its author."
            )])
        ),
        node(
            "bulletList",
            json!([
                item(
                    "The line below the text says \"Saved\" when the server has stored what you typed, and not before."
                ),
                item(
                    "Work offline on one side, type on both, and go online again: nothing is lost."
                ),
                item(
                    "The history shows who changed the document, and restores each version of it."
                ),
            ])
        ),
    ]);
    let body = DocumentBody::new(PAGE_ROOT, Some(BodyKind::Xml), content)?;
    let bounds = MergeBounds {
        text: limits.document,
        state: limits.document_state,
        structs: limits.update_structs,
        document_structs: limits.document_structs,
        clients: limits.document_clients,
        compare_until: (Instant::now() + WRITTEN_WITHIN).into_std(),
        budget: Budget::new(MAX_STEPS),
    };
    let (replica, written) = Replica::of("").replace_body(&body, &bounds);
    written?;
    replica.context("the content of the demo page has not been written in time")
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
