//! Answers of an application to the question which level a user has on a document
//! ([ADR 50](../../docs/adr/0050-questions.md)). They are entitlements.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{document, entitlement, user};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait as _, LockType},
};
use uuid::Uuid;

use super::{
    EntitlementSource, Store, StoreError, UserAccess, document_lock::lock_documents,
    entitlements::set_levels, rows,
};
use crate::domain::{AccessLevel, DocumentId, Party, UserId};

/// By which rules a question is answered: how often the application has said that they have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesVersion {
    of_document: i64,
    of_user: i64,
}

impl Store {
    /// Stores an answer of the application: the level of a user on a document until `ends_at`, or none. Returns their
    /// access afterwards if that changed something but the time. `None` in the outer option: the rules have changed
    /// since `asked_by`, and nothing was stored.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn store_answer(
        &self,
        user: UserId,
        document: DocumentId,
        (level, ends_at): (Option<AccessLevel>, DateTime<Utc>),
        asked_by: RulesVersion,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            // The user comes first, as with document tokens.
            let of_user = user::Entity::find_by_id(user.uuid())
                .select_only()
                .column(user::Column::RulesVersion)
                .lock(LockType::NoKeyUpdate)
                .into_tuple::<i64>()
                .one(&txn)
                .await?;
            lock_documents(&txn, [document]).await?;
            let of_document = document::Entity::find_by_id(document.uuid())
                .select_only()
                .column(document::Column::RulesVersion)
                .into_tuple::<i64>()
                .one(&txn)
                .await?;
            if (of_document, of_user) != (Some(asked_by.of_document), Some(asked_by.of_user)) {
                return Ok(None);
            }
            let levels = BTreeMap::from([(document, level)]);
            let source = EntitlementSource::Answer;
            let access = set_levels(&txn, user, source, &levels, ends_at).await?;
            txn.commit().await?;
            Ok(Some(access))
        })
        .await
    }

    /// Returns by which rules a question about a user and a document is answered now. `None` if there is no such
    /// document or account, or the account is being deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_rules_version(
        &self,
        user: UserId,
        document: DocumentId,
    ) -> Result<Option<RulesVersion>, StoreError> {
        let of_document: Option<i64> = document::Entity::find()
            .select_only()
            .column(document::Column::RulesVersion)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        let of_user: Option<i64> = user::Entity::find_by_id(user.uuid())
            .select_only()
            .column(user::Column::RulesVersion)
            .filter(user::Column::ErasingAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        let versions = of_document.zip(of_user);
        Ok(versions.map(|(of_document, of_user)| RulesVersion { of_document, of_user }))
    }

    /// Notes that the rules for a document have changed. Answers to questions from before are not stored any more.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn change_rules_of_document(&self, document: DocumentId) -> Result<(), StoreError> {
        let version = document::Column::RulesVersion;
        let update = document::Entity::update_many()
            .col_expr(version, Expr::col(version).add(1))
            .filter(document::Column::Id.eq(document.uuid()));
        self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        Ok(())
    }

    /// Notes that the rules for a user have changed, as [`change_rules_of_document`](Self::change_rules_of_document)
    /// does.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn change_rules_of_user(&self, user: UserId) -> Result<(), StoreError> {
        let version = user::Column::RulesVersion;
        let update = user::Entity::update_many()
            .col_expr(version, Expr::col(version).add(1))
            .filter(user::Column::Id.eq(user.uuid()));
        self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        Ok(())
    }

    /// The largest complete list of [`Store::list_answers`]. One more answer shows that the list is cut off.
    pub const MAX_LISTED_ANSWERS: usize = 500;

    /// Returns the users and documents with an answer of the application that has not ended: those of a document, of a
    /// user, or of both. At most one more than [`Store::MAX_LISTED_ANSWERS`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_answers(
        &self,
        document: Option<DocumentId>,
        user: Option<UserId>,
    ) -> Result<Vec<(UserId, DocumentId)>, StoreError> {
        use entitlement::Column;
        let mut answers = entitlement::Entity::find()
            .select_only()
            .columns([Column::UserId, Column::DocumentId])
            .filter(Column::Kind.eq(entitlement::Kind::Answer))
            .filter(Column::EndsAt.gt(rows::now()))
            .limit(Self::MAX_LISTED_ANSWERS as u64 + 1);
        if let Some(document) = document {
            answers = answers.filter(Column::DocumentId.eq(document.uuid()));
        }
        if let Some(user) = user {
            answers = answers.filter(Column::UserId.eq(user.uuid()));
        }
        let found: Vec<(Uuid, Uuid)> = answers.into_tuple().all(&self.readers).await?;
        Ok(found.into_iter().map(|(user, document)| (user.into(), document.into())).collect())
    }
}
