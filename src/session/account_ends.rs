//! The deletion of accounts on a running server: its sessions close, and everybody who has its documents open is told.

use std::{error::Error, sync::Arc};

use chrono::Utc;
use thiserror::Error;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::SignInEnds;
use crate::{
    domain::{DocumentId, UserId},
    editing::{EditError, EditKind, EditRequest},
    room::Rooms,
    store::{ErasedBy, Erasure, ErasureStep, Store, StoreError},
};

/// Deletes accounts.
#[derive(Clone)]
pub struct AccountEnds {
    store: Store,
    rooms: Rooms,
    ends: SignInEnds,
    /// Deletions go on one after the other: each looks at all documents.
    turn: Arc<Mutex<()>>,
}

/// Why a deletion stopped. It goes on later.
#[derive(Debug, Error)]
enum AccountEndError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error("the document {0} exists although it was deleted")]
    Undeleted(DocumentId),
}

impl AccountEnds {
    /// Deletes accounts in this store. Their documents close in `rooms`, and their sessions with `ends`.
    #[must_use]
    pub fn new(store: Store, rooms: Rooms, ends: SignInEnds) -> Self {
        Self { store, rooms, ends, turn: Arc::default() }
    }

    /// Deletes the account of a user who asks for it. With `receiver`, its documents are handed over to that user; otherwise they are
    /// deleted. When this returns, the account cannot be used any more. The rest goes on after that.
    ///
    /// # Errors
    /// As [`Store::begin_erasure`]. Nothing has changed then.
    pub async fn delete_account(
        &self,
        user: UserId,
        receiver: Option<UserId>,
    ) -> Result<(), StoreError> {
        let by = ErasedBy::Themselves;
        let (ended, erasure) = self.store.begin_erasure(user, receiver, by).await?;
        let deletion = self.clone();
        // Rooms are opened on the thread that handles the request.
        actix_rt::spawn(async move { deletion.finish(erasure).await });
        self.ends.announce(user, ended, None);
        Ok(())
    }

    /// Goes on with the deletions that have stopped, or that an operator has left to the server.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn finish_stalled(&self) -> Result<(), StoreError> {
        while let Some(erasure) = self.store.take_stalled_erasure(Utc::now()).await? {
            self.finish(erasure).await;
        }
        Ok(())
    }

    async fn finish(&self, mut erasure: Erasure) {
        let user = erasure.user();
        let _turn = self.turn.lock().await;
        match self.carry_out(&mut erasure).await {
            Ok(()) => tracing::info!(user.id = %user, "deleted an account"),
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::warn!(error, user.id = %user, "the deletion of an account has stopped; it goes on in a minute");
            }
        }
    }

    async fn carry_out(&self, erasure: &mut Erasure) -> Result<(), AccountEndError> {
        let mut deleted = None;
        loop {
            let began = Instant::now();
            match erasure.step().await? {
                ErasureStep::Changed(changes) => self.rooms.announce_access(changes).await,
                ErasureStep::Delete(document) => {
                    if deleted.replace(document) == Some(document) {
                        return Err(AccountEndError::Undeleted(document));
                    }
                    self.delete_document(erasure.user(), document).await?;
                }
                ErasureStep::Ended => return Ok(()),
            }
            // Others write meanwhile.
            sleep(began.elapsed()).await;
        }
    }

    async fn delete_document(
        &self,
        owner: UserId,
        document: DocumentId,
    ) -> Result<(), AccountEndError> {
        let (author, kind) = (owner, EditKind::Delete);
        let request = EditRequest { document, author, session: None, name: None, kind };
        match self.rooms.edit(request).await {
            // Another node may have deleted it.
            Ok(_) | Err(EditError::Store(StoreError::Denied)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
