//! Locks on documents.
//!
//! PostgreSQL locks the row of a document until the transaction ends; SQLite locks the whole file when a write
//! transaction begins. A group commit takes the locks that are free ([`try_lock_documents`]) and leaves the other batches
//! to [`DocumentLocks`], where each waits in a transaction of its own. So a document that another transaction has locked
//! does not delay the others.
//!
//! Invariant: an attempt that fails occupies a connection for [`LOCK_ATTEMPT`](super::postgres::LOCK_ATTEMPT) at most.
//! Then the other waiting documents have their turn before it tries again, until `store.busy_within` has passed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use entity::document;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
    sea_query::{LockBehavior, LockType},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    Batch, CommitError, Committed, Head, Store, StoreError, StoreOptions,
    commit::commit_locked,
    log::select_head,
    log_reader::find_edits_in,
    pools::{Pools, begin_write},
    quotas::StoreQuotas,
    renewable_pool::RenewablePool,
    retirement::Retirement,
    snapshots::delete_lost_snapshots,
};
use crate::domain::{DocumentId, EditId, UserId, Version};

/// A locked document, with the transaction that holds the lock. Dropping it gives the lock up and stores nothing.
pub struct DocumentLock {
    txn: DatabaseTransaction,
    document: DocumentId,
    head: Option<Head>,
    answer_within: Duration,
    retirement: Arc<Retirement>,
    quotas: Arc<StoreQuotas>,
    _turn: OwnedSemaphorePermit,
}

impl DocumentLock {
    /// Stores a batch of the document, all of it or nothing.
    ///
    /// # Errors
    /// [`CommitError`]. Not [`CommitError::Overtaken`], if the head was read after the document was locked.
    pub async fn commit(self, batch: &Batch) -> Result<Committed, CommitError> {
        let batches = std::slice::from_ref(batch);
        let committed = Box::pin(commit_locked(self.txn, batches, &self.quotas));
        let outcomes = self.retirement.limit(self.answer_within, committed).await;
        let mut outcomes =
            outcomes.unwrap_or_else(|error| Err(CommitError::Unknown(error.into())))?;
        let nothing = || Err(StoreError::internal("the commit of a batch had no outcome").into());
        outcomes.pop().unwrap_or_else(nothing)
    }

    /// Returns the head of the document. None if there is no such document, or it was deleted.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Deletes the snapshots and names of versions after the head, and gives the lock up. The database has lost those versions.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn delete_lost_snapshots(self) -> Result<(), StoreError> {
        let head = self.head.as_ref().map_or(Version::default(), |head| head.version);
        let deleting = async {
            let counted = delete_lost_snapshots(&self.txn, self.document, head).await?;
            self.txn.commit().await?;
            self.quotas.note(counted);
            Ok(())
        };
        self.retirement.limit(self.answer_within, deleting).await?
    }

    /// Whether an edit is stored. The answer "no" is final: a transaction that is still storing the edit would hold the
    /// lock.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn has_edit(&self, author: UserId, edit: &EditId) -> Result<bool, StoreError> {
        let names = [(author, edit.clone())];
        let found = find_edits_in(&self.txn, self.document, &names);
        Ok(!self.retirement.limit(self.answer_within, found).await??.is_empty())
    }
}

/// The turns of the documents that wait for a lock. Clones share them.
#[derive(Clone)]
pub(super) struct DocumentLocks {
    pool: RenewablePool,
    /// One for each connection. Those who wait for one get it in their order.
    turns: Arc<Semaphore>,
    busy_within: Duration,
    answer_within: Duration,
    retirement: Arc<Retirement>,
    quotas: Arc<StoreQuotas>,
}

impl DocumentLocks {
    pub(super) fn new(
        pools: &Pools,
        options: &StoreOptions,
        retirement: Arc<Retirement>,
        quotas: Arc<StoreQuotas>,
    ) -> Self {
        Self {
            pool: pools.locking.clone(),
            turns: Arc::new(Semaphore::new(pools.locking_connections as usize)),
            busy_within: options.busy_within,
            answer_within: options.answer_within,
            retirement,
            quotas,
        }
    }

    /// Returns the quotas of owners and authors.
    pub(super) fn quotas(&self) -> &StoreQuotas {
        &self.quotas
    }

    /// Returns the pool of their connections.
    pub(super) fn pool(&self) -> &RenewablePool {
        &self.pool
    }

    /// Returns the connections that must not be used any more.
    pub(super) fn retirement(&self) -> &Arc<Retirement> {
        &self.retirement
    }

    /// Whether a connection is free.
    pub(super) fn has_turn(&self) -> bool {
        self.turns.available_permits() > 0
    }

    /// Locks a document.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if something else holds the lock for longer than `store.busy_within`.
    pub(super) async fn lock(&self, document: DocumentId) -> Result<DocumentLock, StoreError> {
        self.lock_until(document, Instant::now() + self.busy_within).await
    }

    /// Stores a batch in a transaction of its own as soon as its document is free.
    pub(super) async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        let deadline = Instant::now() + self.busy_within;
        loop {
            let lock = self.lock_until(batch.document, deadline).await?;
            match lock.commit(batch).await {
                Err(CommitError::Store(error))
                    if error.is_contention() && Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }

    async fn lock_until(
        &self,
        document: DocumentId,
        deadline: Instant,
    ) -> Result<DocumentLock, StoreError> {
        loop {
            let turn = timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await;
            let Ok(Ok(turn)) = turn else { return Err(still_locked()) };
            match self.retirement.limit(self.answer_within, self.attempt(document)).await? {
                Ok((txn, head)) => {
                    return Ok(DocumentLock {
                        txn,
                        document,
                        head,
                        answer_within: self.answer_within,
                        retirement: Arc::clone(&self.retirement),
                        quotas: Arc::clone(&self.quotas),
                        _turn: turn,
                    });
                }
                Err(error) if error.is_contention() && Instant::now() < deadline => {}
                Err(error) => {
                    self.retirement.note(&error);
                    return Err(error);
                }
            }
        }
    }

    async fn attempt(
        &self,
        document: DocumentId,
    ) -> Result<(DatabaseTransaction, Option<Head>), StoreError> {
        let txn = begin_write(&self.pool).await?;
        let mut select = select_head(document);
        if txn.get_database_backend() != DbBackend::Sqlite {
            select = select.lock(LockType::NoKeyUpdate);
        }
        let row = select.into_tuple().one(&txn).await?;
        Ok((txn, row.map(Head::from_row)))
    }
}

impl Store {
    /// Whether a document could be locked now without waiting for a connection.
    #[must_use]
    pub fn can_lock(&self) -> bool {
        self.locks.has_turn()
    }

    /// Locks a document, until the lock is dropped or a batch is committed with it. No node can change the document
    /// meanwhile, so hold it briefly.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if something else holds the lock for longer than `store.busy_within`.
    pub async fn lock_document(&self, document: DocumentId) -> Result<DocumentLock, StoreError> {
        self.locks.lock(document).await
    }
}

fn still_locked() -> StoreError {
    StoreError::unavailable("the document stayed locked for longer than `store.busy_within`")
}

/// Locks the rows of these documents until the transaction ends. Reads that follow see what the previous holder of the
/// lock committed: in the isolation READ COMMITTED, each statement sees everything committed before it began.
///
/// Rows are locked in the order of their ids, so that two transactions cannot deadlock.
pub(super) async fn lock_documents(
    txn: &DatabaseTransaction,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<(), StoreError> {
    // A write transaction of SQLite has locked the whole file already.
    if txn.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let _locked: Vec<uuid::Uuid> =
        select_ids(documents).lock(LockType::NoKeyUpdate).into_tuple().all(txn).await?;
    Ok(())
}

/// Locks those of these documents that nothing else has locked, and returns them. Does not wait.
pub(super) async fn try_lock_documents(
    txn: &DatabaseTransaction,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<HashSet<DocumentId>, StoreError> {
    if txn.get_database_backend() == DbBackend::Sqlite {
        return Ok(documents.into_iter().collect());
    }
    let locked: Vec<uuid::Uuid> = select_ids(documents)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .into_tuple()
        .all(txn)
        .await?;
    Ok(locked.into_iter().map(DocumentId::from).collect())
}

fn select_ids(documents: impl IntoIterator<Item = DocumentId>) -> Select<document::Entity> {
    let ids = documents.into_iter().map(DocumentId::uuid);
    document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.is_in(ids))
        .order_by_asc(document::Column::Id)
}
