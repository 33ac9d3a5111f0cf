//! `coscribe user`: the accounts of users.

use std::{
    io::{self, BufRead as _},
    path::PathBuf,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Subcommand;

use super::{erasure::erase, export::export};
use crate::{
    app::Base,
    auth::{HashTurn, Passwords},
    domain::{Account, DisplayName, Email, Party, UserId},
    settings::Settings,
    store::{AcceptedAddress, AccountListing, NewAccount, Store},
};

/// How many accounts are read at a time.
const PAGE: u64 = 500;

/// The random bytes of a password: 20 characters.
const PASSWORD_BYTES: usize = 15;

/// A command for the accounts of users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List all accounts: id, when it was created, its e-mail address, whether the address is confirmed, name
    List,
    /// Create an account with a password and a confirmed e-mail address, and print its id and password
    Create {
        /// E-mail address to sign in with
        #[arg(long)]
        email: String,
        /// Name that others see
        #[arg(long)]
        name: String,
        /// Read the password from the first line of standard input instead of making one up
        #[arg(long)]
        password_stdin: bool,
    },
    /// End all sign-ins of a user: their tokens are refused, and running servers close their connections within seconds
    EndSessions {
        /// Id or e-mail address of the user
        user: String,
    },
    /// Block an account and end all its sign-ins
    Block {
        /// Id or e-mail address of the user
        user: String,
    },
    /// Let a blocked account be used again
    Unblock {
        /// Id or e-mail address of the user
        user: String,
    },
    /// Confirm that the e-mail address of an account is its user's, so that others can share documents with it
    Confirm {
        /// Id or e-mail address of the user
        user: String,
    },
    /// Write what is stored of a user into files: the account, and each of their documents as text, as JSON and as a Yjs update,
    /// with its history
    Export {
        /// Id or e-mail address of the user
        user: String,
        /// Folder for the files, which is created; it must be empty if it exists
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Delete an account: end its sign-ins, delete its documents or hand them over, and remove its user as an author. Cannot be
    /// undone; export the account first. A deletion that was interrupted goes on when the command is repeated
    Erase {
        /// Id or e-mail address of the user
        user: String,
        /// Id or e-mail address of a user who receives the documents, instead of deleting them
        #[arg(long, value_name = "USER")]
        hand_over_to: Option<String>,
    },
}

impl UserCommand {
    /// Runs the command, and passes each line of its output to `print`.
    ///
    /// # Errors
    /// The input is not valid, there is no such user, or the database does not respond.
    pub async fn run(
        self,
        settings: &Settings,
        base: &mut Base,
        mut print: impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let store = &base.store.clone();
        match self {
            Self::List => list(store, print).await,
            Self::Create { email, name, password_stdin } => {
                let password = if password_stdin { read_password()? } else { new_password()? };
                let (email, name) = (Email::for_account(&email)?, DisplayName::new(&name)?);
                let account = create(settings, store, email, name, &password).await?;
                print(format!("id: {}\n", account.id))?;
                match password_stdin {
                    true => Ok(()),
                    false => print(format!("password: {password}\n")),
                }
            }
            Self::EndSessions { user } => {
                let account = find_account(store, &user).await?;
                store.end_all_sign_ins(account.id).await?;
                end_token_entitlements(store, account.id).await?;
                print(format!("ended all sign-ins of {}\n", account.id))
            }
            Self::Block { user } => {
                let account = find_account(store, &user).await?;
                store.block(account.id).await?;
                end_token_entitlements(store, account.id).await?;
                print(format!("blocked {}\n", account.id))
            }
            Self::Unblock { user } => {
                let account = find_account(store, &user).await?;
                store.unblock(account.id).await?;
                print(format!("unblocked {}\n", account.id))
            }
            Self::Confirm { user } => {
                let account = find_account(store, &user).await?;
                let email = store.confirm_address(account.id).await?;
                let email = email.context("the account has no address of its own")?;
                print(format!("confirmed {email} for {}\n", account.id))
            }
            Self::Export { user, to } => {
                let account = find_account(store, &user).await?;
                let outcome = export(store, &account, &to).await?;
                let folder = to.display();
                print(format!("exported {} documents to {folder}\n", outcome.documents))?;
                for (document, error) in &outcome.failed {
                    print(format!("could not export {document}: {error:#}\n"))?;
                }
                let failed = outcome.failed.len();
                anyhow::ensure!(failed == 0, "{failed} documents could not be exported");
                Ok(())
            }
            Self::Erase { user, hand_over_to } => {
                let account = find_account(store, &user).await?;
                let receiver = match hand_over_to {
                    Some(receiver) => Some(find_account(store, &receiver).await?.id),
                    None => None,
                };
                erase(base, account.id, receiver, print).await
            }
        }
    }
}

/// Ends what document tokens entitle a user to. Running servers find that in the database.
async fn end_token_entitlements(store: &Store, user: UserId) -> anyhow::Result<()> {
    while store.end_some_token_entitlements(user, None).await?.is_some() {}
    Ok(())
}

async fn list(
    store: &Store,
    mut print: impl FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.list_accounts(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.account.id);
        for AccountListing { account, is_confirmed } in page {
            let Account { id, name, email, created_at, .. } = account;
            let confirmed = if is_confirmed { "confirmed" } else { "unconfirmed" };
            let created = created_at.format("%Y-%m-%dT%H:%M:%SZ");
            print(format!("{id} {created} {email} {confirmed} {name}\n"))?;
        }
    }
}

async fn create(
    settings: &Settings,
    store: &Store,
    email: Email,
    name: DisplayName,
    password: &str,
) -> anyhow::Result<Account> {
    Passwords::check(password)?;
    let password_hash = Passwords::new(&settings.auth)?.hash(HashTurn::OF_NODE, password).await?;
    let account =
        store.create_account(NewAccount { name, email, password_hash }, Party::Node).await?;
    store.confirm_address(account.id).await?;
    Ok(account)
}

/// Returns the account with this id or e-mail address.
///
/// # Errors
/// There is none, or the database does not respond.
pub async fn find_account(store: &Store, user: &str) -> anyhow::Result<Account> {
    let found = match user.parse::<UserId>() {
        Ok(id) => store.find_account(id).await?,
        Err(_not_an_id) => {
            store.find_account_by_email(&Email::new(user)?, AcceptedAddress::Any).await?
        }
    };
    found.with_context(|| format!("no account has the id or e-mail address {user}; check it"))
}

fn new_password() -> anyhow::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(io::Error::other)
        .context("the system has no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a password from standard input, up to the end of the line.
fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    let count = io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    anyhow::ensure!(
        count > 0,
        "standard input has no password; write it there, followed by a line end"
    );
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
