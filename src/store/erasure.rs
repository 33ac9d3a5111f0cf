//! The deletion of accounts ([ADR 55](../../docs/adr/0055-erased-accounts.md)).
//!
//! An account is blocked first, so that nothing new appears that is its. Then an [`Erasure`] goes through small
//! transactions: it hands the documents over or has them deleted, purges those in the bin, ends the access to those of others, removes the user
//! as an author, and at last what is known of them. Any node continues one that was interrupted.
//!
//! Invariant: an account is deleted when `user.erased_at` is set. Then it owns nothing but tombstones, has no
//! access, and is the author of nothing. Its row stays, because deleted documents refer to it and other nodes read
//! there that its sign-ins have ended.

use std::{iter, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{document, document_access, entitlement, user};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait as _, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait as _, Select,
    sea_query::{Expr, ExprTrait as _, LockType},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Batch, CommitError, HandOverRefused, LinkRefused, NewChange, Store, StoreError, UserAccess,
    authorship::AuthorshipStep, guests::check_not_guest, quotas::check_receiver, rows,
    usage::select_usage,
};
use crate::domain::{ChangeKind, DocumentId, EndedSignIns, Party, UserId};

/// How often a node notes that it works on a deletion. Others take it over after several times as long.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How long a node may not have noted its work before another one takes the deletion over.
const STALLED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// The most attempts to delete a document that others change.
const MAX_ATTEMPTS: usize = 8;

/// Who deletes an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedBy {
    /// Its user: the receiver of the documents must have accepted access to each, and have room for them.
    Themselves,
    /// An operator, who may hand the documents over to anyone.
    Operator,
}

/// What a step of a deletion did, or what its caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureStep {
    /// The access of these users has changed, and is to be announced.
    Changed(Vec<UserAccess>),
    /// The caller has to delete this document in the name of its owner, whose account is being deleted.
    Delete(DocumentId),
    /// The account is deleted.
    Ended,
}

/// The deletion of an account, which has begun.
pub struct Erasure {
    store: Store,
    user: UserId,
    /// The user who receives the documents. Without one they are deleted.
    receiver: Option<UserId>,
    phase: ErasurePhase,
    noted_at: Instant,
}

/// What the next step of a deletion does.
#[derive(Debug, Clone, Copy)]
enum ErasurePhase {
    Documents,
    Access,
    /// Looks at the documents after this one.
    Authorship {
        after: Option<Uuid>,
    },
    Account,
    Ended,
}

impl Erasure {
    fn new(store: Store, (user, receiver): (Uuid, Option<Uuid>)) -> Self {
        let (user, receiver) = (user.into(), receiver.map(UserId::from));
        Self { store, user, receiver, phase: ErasurePhase::Documents, noted_at: Instant::now() }
    }

    /// Returns the account.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Returns the user who receives the documents, if they are not deleted.
    #[must_use]
    pub fn receiver(&self) -> Option<UserId> {
        self.receiver
    }

    /// Carries out the next step. A step that has failed can be repeated.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn step(&mut self) -> Result<ErasureStep, StoreError> {
        if self.noted_at.elapsed() >= NOTE_EVERY {
            self.store.note_erasure(self.user, rows::now()).await?;
            self.noted_at = Instant::now();
        }
        match self.phase {
            ErasurePhase::Documents => self.end_document().await,
            ErasurePhase::Access => self.end_access().await,
            ErasurePhase::Authorship { after } => {
                self.phase = match self.store.forget_author(self.user, after).await? {
                    AuthorshipStep::Changed => ErasurePhase::Authorship { after },
                    AuthorshipStep::Looked(last) => ErasurePhase::Authorship { after: Some(last) },
                    AuthorshipStep::Ended => ErasurePhase::Account,
                };
                Ok(ErasureStep::Changed(vec![]))
            }
            ErasurePhase::Account => {
                let has_ended = self.store.erase_account(self.user).await?;
                self.phase = if has_ended { ErasurePhase::Ended } else { ErasurePhase::Documents };
                Ok(ErasureStep::Changed(vec![]))
            }
            ErasurePhase::Ended => Ok(ErasureStep::Ended),
        }
    }

    /// Hands the next document over, or has the caller delete it.
    async fn end_document(&mut self) -> Result<ErasureStep, StoreError> {
        let reading = self.store.find_owned_document(self.user);
        let found = self.store.read_for(Party::Node, reading).await??;
        match (found, self.receiver) {
            (Some(document), Some(receiver)) => {
                let changes = self.store.pass_on(self.user, document, receiver).await?;
                Ok(ErasureStep::Changed(changes))
            }
            (Some(document), None) => Ok(ErasureStep::Delete(document)),
            // What is in the bin is handed over to nobody.
            (None, _) if self.store.purge_one_of(self.user).await? => {
                Ok(ErasureStep::Changed(vec![]))
            }
            (None, _) => {
                self.phase = ErasurePhase::Access;
                Ok(ErasureStep::Changed(vec![]))
            }
        }
    }

    /// Ends some of the user's access to documents of others. After that, nothing of theirs is stored any more, since
    /// every commit reads the level of its author.
    async fn end_access(&mut self) -> Result<ErasureStep, StoreError> {
        let id = self.user.uuid();
        self.store.leave_groups(self.user).await?;
        let granted = Condition::all().add(document_access::Column::UserId.eq(id));
        if let Some(changes) = self.store.delete_some_grants(&granted).await? {
            return Ok(ErasureStep::Changed(changes));
        }
        let entitled = Condition::all().add(entitlement::Column::UserId.eq(id));
        if let Some(changes) = self.store.delete_some_entitlements(&entitled).await? {
            return Ok(ErasureStep::Changed(changes));
        }
        self.phase = ErasurePhase::Authorship { after: None };
        Ok(ErasureStep::Changed(vec![]))
    }
}

impl Store {
    /// Begins to delete an account: blocks it and ends all its sign-ins, which the caller announces. With `receiver`,
    /// the documents of the account are handed over to that user; otherwise they are deleted.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`] if one of the two has no account, [`StoreError::HandOver`] if the documents cannot be
    /// handed over, or the account is being deleted already; [`StoreError::Busy`]. Nothing has changed then.
    pub async fn begin_erasure(
        &self,
        user: UserId,
        receiver: Option<UserId>,
        by: ErasedBy,
    ) -> Result<(EndedSignIns, Erasure), StoreError> {
        use user::Column::{BlockedAt, EndedAt, ErasingAt, Generation, HeirId, Id, RulesVersion};
        let at = rows::now();
        let ended = self.write(Party::User(user), async {
            let txn = self.begin().await?;
            check_accounts(&txn, user, receiver).await?;
            if by == ErasedBy::Themselves {
                check_not_guest(&txn, user, LinkRefused::NotForGuests).await?;
            }
            if let (Some(receiver), ErasedBy::Themselves) = (receiver, by) {
                self.check_hand_over(&txn, user, receiver).await?;
            }
            user::Entity::update_many()
                .col_expr(Generation, Expr::col(Generation).add(1))
                // Answers of an application that are on their way are not stored.
                .col_expr(RulesVersion, Expr::col(RulesVersion).add(1))
                .col_expr(EndedAt, Expr::value(at))
                .col_expr(BlockedAt, Expr::value(at))
                .col_expr(ErasingAt, Expr::value(at))
                .col_expr(HeirId, Expr::value(receiver.map(UserId::uuid)))
                .filter(Id.eq(user.uuid()))
                .exec(&txn)
                .await?;
            let generation: Option<i64> = user::Entity::find_by_id(user.uuid())
                .select_only()
                .column(Generation)
                .into_tuple()
                .one(&txn)
                .await?;
            let generation = generation.ok_or(StoreError::NoSuchUser)?;
            txn.commit().await?;
            Ok(EndedSignIns::All { generation, at })
        });
        let ended = ended.await?;
        let erasure = Erasure::new(self.clone(), (user.uuid(), receiver.map(UserId::uuid)));
        Ok((ended, erasure))
    }

    /// Checks that the receiver of a user's documents has accepted access to each, and has room for them.
    async fn check_hand_over(
        &self,
        txn: &DatabaseTransaction,
        user: UserId,
        receiver: UserId,
    ) -> Result<(), StoreError> {
        let granted = document_access::Entity::find()
            .select_only()
            .column(document_access::Column::DocumentId)
            .filter(document_access::Column::UserId.eq(receiver.uuid()))
            .filter(document_access::Column::AcceptedAt.is_not_null())
            .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()))
            .into_query();
        let documents = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .filter(document::Column::OwnerId.eq(user.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .filter(document::Column::Id.not_in_subquery(granted))
            .count(txn)
            .await?;
        if documents > 0 {
            return Err(HandOverRefused::GrantsMissing { documents }.into());
        }
        let owned: Option<(i64, i64)> = select_usage(user).into_tuple().one(txn).await?;
        let (documents, bytes) = owned.unwrap_or_default();
        let more = (documents.unsigned_abs(), bytes.unsigned_abs());
        check_receiver(txn, receiver, more, &self.quotas).await
    }

    /// Returns the deletion of an account that has begun and not ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_erasure(&self, user: UserId) -> Result<Option<Erasure>, StoreError> {
        let erasure = select_erasures().filter(user::Column::Id.eq(user.uuid()));
        let found: Option<(Uuid, Option<Uuid>)> = erasure.into_tuple().one(&self.readers).await?;
        Ok(found.map(|found| Erasure::new(self.clone(), found)))
    }

    /// Takes over a deletion on which no node has worked for a while. `None` if there is none, or another node was
    /// first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn take_stalled_erasure(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Option<Erasure>, StoreError> {
        use user::Column::{ErasedAt, ErasingAt, Id};
        let before = now - STALLED_AFTER;
        let stalled = select_erasures().filter(ErasingAt.lt(before));
        let found: Option<(Uuid, Option<Uuid>)> = stalled.into_tuple().one(&self.readers).await?;
        let Some(found) = found else { return Ok(None) };
        let update = user::Entity::update_many()
            .col_expr(ErasingAt, Expr::value(rows::now()))
            .filter(Id.eq(found.0))
            .filter(ErasingAt.lt(before))
            .filter(ErasedAt.is_null());
        let updated = self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        let is_taken = updated.rows_affected > 0;
        Ok(is_taken.then(|| Erasure::new(self.clone(), found)))
    }

    /// Leaves a deletion to the servers, which take it over at once.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn leave_erasure(&self, erasure: Erasure) -> Result<(), StoreError> {
        self.note_erasure(erasure.user, DateTime::UNIX_EPOCH).await
    }

    /// Notes when a node has worked on a deletion.
    async fn note_erasure(&self, user: UserId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let update = user::Entity::update_many()
            .col_expr(user::Column::ErasingAt, Expr::value(at))
            .filter(user::Column::Id.eq(user.uuid()));
        self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        Ok(())
    }

    /// Puts a document into the bin in the name of its owner, as `deleteDocument` does. Rooms find it in the database. Nothing
    /// happens if it does not exist, or has another owner by now.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn delete_document(
        &self,
        owner: UserId,
        document: DocumentId,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(head) = self.find_head(document).await? else { return Ok(()) };
            let deletion = NewChange {
                kind: ChangeKind::Deleted,
                author: owner,
                session: None,
                edit: None,
                title: "".into(),
                metadata: None,
                delta: None,
                update: None,
                takes_back: None,
                size: 0,
            };
            let batch = Batch {
                document,
                base: head.version,
                base_at: Some(head.at),
                changes: vec![deletion],
                receipts: vec![],
                other_authors: vec![],
            };
            match self.commit(batch).await {
                Ok(_) | Err(CommitError::Denied(_)) => return Ok(()),
                Err(CommitError::Overtaken) => {}
                Err(CommitError::OverQuota(exceeded)) => return Err(exceeded.into()),
                Err(CommitError::Unknown(error) | CommitError::Store(error)) => return Err(error),
                Err(error @ CommitError::Repeated) => return Err(StoreError::internal(error)),
            }
        }
        Err(StoreError::unavailable("others kept changing the document"))
    }

    async fn find_owned_document(&self, owner: UserId) -> Result<Option<DocumentId>, StoreError> {
        let found: Option<Uuid> = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .filter(document::Column::OwnerId.eq(owner.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(found.map(DocumentId::from))
    }
}

/// Selects the accounts that are being deleted, with the receivers of their documents.
fn select_erasures() -> Select<user::Entity> {
    user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::HeirId])
        .filter(user::Column::ErasingAt.is_not_null())
        .filter(user::Column::ErasedAt.is_null())
}

/// Locks the account that is to be deleted and that of the receiver, and checks that both exist and are not being
/// deleted.
async fn check_accounts(
    txn: &DatabaseTransaction,
    user: UserId,
    receiver: Option<UserId>,
) -> Result<(), StoreError> {
    use user::Column::{ErasingAt, HeirId, Id};
    let ids = iter::once(user).chain(receiver).map(UserId::uuid);
    // In the order of their ids, so that two transactions cannot deadlock.
    let locked: Vec<(Uuid, Option<DateTime<Utc>>)> = user::Entity::find()
        .select_only()
        .columns([Id, ErasingAt])
        .filter(Id.is_in(ids))
        .order_by_asc(Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    let find = |id: UserId| locked.iter().find(|(found, _)| *found == id.uuid());
    match find(user) {
        None => return Err(StoreError::NoSuchUser),
        Some((_, Some(_))) => return Err(HandOverRefused::BeingDeleted.into()),
        Some((_, None)) => {}
    }
    if let Some(receiver) = receiver
        && find(receiver).is_none_or(|(_, erasing_at)| erasing_at.is_some())
    {
        return Err(StoreError::NoSuchUser);
    }
    let receives = select_erasures().filter(HeirId.eq(user.uuid()));
    match receives.count(txn).await? {
        0 => Ok(()),
        _ => Err(HandOverRefused::IsReceiver.into()),
    }
}

#[cfg(test)]
#[path = "erasure_tests.rs"]
mod tests;
