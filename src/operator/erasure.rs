//! `coscribe user erase`: the deletion of an account.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    app::Base,
    domain::UserId,
    store::{ErasedBy, Erasure, ErasureStep, FileLockError, Store},
};

/// How long the command waits for the server that uses the SQLite file to delete the account.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// How often it looks whether that has happened.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Deletes an account, or goes on with its deletion.
///
/// Nodes with PostgreSQL find in the database what has changed. The server that uses a SQLite file would not; the deletion is left
/// to it.
pub(super) async fn erase(
    base: &mut Base,
    user: UserId,
    receiver: Option<UserId>,
    mut print: impl FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        receiver != Some(user),
        "the documents cannot be handed over to the account that is deleted; name another user"
    );
    let store = base.store.clone();
    let erasure = begin(&store, user, receiver).await?;
    match base.lock_database() {
        Ok(()) => finish(&store, erasure).await?,
        Err(FileLockError::InUse(_)) => {
            store.leave_erasure(erasure).await?;
            if !is_erased_in_time(&store, user).await? {
                return print(format!(
                    "blocked {user}; the running server goes on with the deletion\n"
                ));
            }
        }
        Err(error @ FileLockError::Unusable { .. }) => return Err(error.into()),
    }
    print(format!("erased {user}\n"))
}

/// Begins the deletion, unless it has begun.
async fn begin(store: &Store, user: UserId, receiver: Option<UserId>) -> anyhow::Result<Erasure> {
    match store.find_erasure(user).await? {
        Some(begun) => {
            anyhow::ensure!(
                receiver.is_none() || receiver == begun.receiver(),
                "the account is being deleted already, with another --hand-over-to or without it; repeat the command \
                 without it"
            );
            Ok(begun)
        }
        None => Ok(store.begin_erasure(user, receiver, ErasedBy::Operator).await?.1),
    }
}

async fn finish(store: &Store, mut erasure: Erasure) -> anyhow::Result<()> {
    let mut deleted = None;
    loop {
        match erasure.step().await? {
            // Running servers find that in the database.
            ErasureStep::Changed(_) => {}
            ErasureStep::Delete(document) => {
                anyhow::ensure!(
                    deleted.replace(document) != Some(document),
                    "the document {document} could not be deleted; repeat the command"
                );
                store.delete_document(erasure.user(), document).await?;
            }
            ErasureStep::Ended => return Ok(()),
        }
    }
}

/// Waits until the server has deleted the account. Returns whether it has.
async fn is_erased_in_time(store: &Store, user: UserId) -> anyhow::Result<bool> {
    let until = Instant::now() + MAX_WAIT;
    while Instant::now() < until {
        if store.find_erasure(user).await?.is_none() {
            return Ok(true);
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(false)
}
