//! Document tokens: what they entitle their users to, and their end.
//!
//! A token is stored when it is used first, so that its end finds the account of its user.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{application_key, document_token, ended_sign_in, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait as _,
    sea_query::{Expr, LockType, OnConflict},
};
use uuid::Uuid;

use super::{EntitlementSource, Store, StoreError, UserAccess, entitlements::set_levels, rows};
use crate::domain::{AccessLevel, DocumentId, EndedSignIns, Party, SignIn, SignInId, UserId};

/// The most rows that are read or deleted at a time.
const ROWS_AT_ONCE: u64 = 500;

/// A document token that is used for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocumentToken {
    /// Its sign-in, with its expiry.
    pub sign_in: SignIn,
    /// The application that issued it.
    pub application: String,
    /// The key that it was signed with.
    pub key_id: String,
    /// The account of its user.
    pub user: UserId,
    /// The documents that it names, and the levels on them.
    pub levels: BTreeMap<DocumentId, AccessLevel>,
    /// Until when its end has to be remembered.
    pub kept_until: DateTime<Utc>,
}

/// What became of a document token that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentTokenUse {
    /// It may be used. The access of its user that has changed.
    Accepted(Vec<UserAccess>),
    /// It has ended, or its id is that of a token of another user or with another key.
    Refused,
}

/// A document token that was ended, and that its user has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedToken {
    /// Its sign-in.
    pub sign_in: SignInId,
    /// The account of its user.
    pub user: UserId,
    /// Until when its end has to be remembered.
    pub kept_until: DateTime<Utc>,
}

impl Store {
    /// Notes a token, and entitles its user to the levels that it names, until it expires. Whether it has ended is read
    /// in the same transaction, so that nothing is granted after its end.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn note_document_token(
        &self,
        token: &NewDocumentToken,
    ) -> Result<DocumentTokenUse, StoreError> {
        let row = document_token::ActiveModel {
            sign_in_id: Set(token.sign_in.id.uuid()),
            application: Set(token.application.clone()),
            key_id: Set(Some(token.key_id.clone())),
            user_id: Set(Some(token.user.uuid())),
            ended_at: Set(None),
            kept_until: Set(token.kept_until.trunc_subsecs(6)),
        };
        self.write(Party::User(token.user), async {
            let txn = self.begin().await?;
            if !is_in_force(&txn, token).await? {
                return Ok(DocumentTokenUse::Refused);
            }
            document_token::Entity::insert(row)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&txn)
                .await?;
            let stored = document_token::Entity::find_by_id(token.sign_in.id.uuid())
                .lock(LockType::NoKeyUpdate)
                .one(&txn)
                .await?;
            let is_same = stored.is_some_and(|stored| {
                stored.ended_at.is_none()
                    && stored.user_id == Some(token.user.uuid())
                    && stored.key_id.as_ref() == Some(&token.key_id)
            });
            if !is_same {
                return Ok(DocumentTokenUse::Refused);
            }
            // It may have been signed again with a later end.
            let later = token.kept_until.trunc_subsecs(6);
            document_token::Entity::update_many()
                .col_expr(document_token::Column::KeptUntil, Expr::value(later))
                .filter(document_token::Column::SignInId.eq(token.sign_in.id.uuid()))
                .filter(document_token::Column::KeptUntil.lt(later))
                .exec(&txn)
                .await?;
            let levels = token.levels.iter().map(|(id, level)| (*id, Some(*level))).collect();
            let source = EntitlementSource::Token(token.sign_in.id);
            let ends_at = token.sign_in.expires_at;
            let access = set_levels(&txn, token.user, source, &levels, ends_at).await?;
            txn.commit().await?;
            Ok(DocumentTokenUse::Accepted(access))
        })
        .await
    }

    /// Ends a token of an application, which need not have been used. It is remembered until `kept_until`. Returns the
    /// token if it was used.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_document_token(
        &self,
        application: &str,
        sign_in: SignInId,
        kept_until: DateTime<Utc>,
    ) -> Result<Option<EndedToken>, StoreError> {
        use document_token::Column;
        let row = document_token::ActiveModel {
            sign_in_id: Set(sign_in.uuid()),
            application: Set(application.to_owned()),
            key_id: Set(None),
            user_id: Set(None),
            ended_at: Set(Some(rows::now())),
            kept_until: Set(kept_until.trunc_subsecs(6)),
        };
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            document_token::Entity::insert(row)
                .on_conflict(
                    OnConflict::column(Column::SignInId)
                        .update_columns([Column::EndedAt, Column::KeptUntil])
                        .to_owned(),
                )
                .exec_without_returning(&txn)
                .await?;
            let stored = document_token::Entity::find_by_id(sign_in.uuid()).one(&txn).await?;
            txn.commit().await?;
            Ok::<_, StoreError>(stored.and_then(ended_token))
        })
        .await
    }

    /// Returns some of the tokens that are not marked as ended although their keys were removed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_tokens_of_removed_keys(&self) -> Result<Vec<EndedToken>, StoreError> {
        use document_token::Column;
        let removed = application_key::Entity::find()
            .select_only()
            .column(application_key::Column::Id)
            .filter(application_key::Column::RemovedAt.is_not_null())
            .into_query();
        let tokens = document_token::Entity::find()
            .filter(Column::KeyId.in_subquery(removed))
            .filter(Column::EndedAt.is_null())
            .limit(ROWS_AT_ONCE)
            .all(&self.readers)
            .await?;
        Ok(tokens.into_iter().filter_map(ended_token).collect())
    }

    /// Marks a token as ended, which its user has used.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn mark_document_token(&self, sign_in: SignInId) -> Result<(), StoreError> {
        let mark = document_token::Entity::update_many()
            .col_expr(document_token::Column::EndedAt, Expr::value(rows::now()))
            .filter(document_token::Column::SignInId.eq(sign_in.uuid()));
        self.turns.write(Party::Node, mark.exec(&self.statements)).await??;
        Ok(())
    }

    /// Forgets some of the tokens that have expired. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_document_tokens(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        use document_token::Column;
        let old: Vec<Uuid> = document_token::Entity::find()
            .select_only()
            .column(Column::SignInId)
            .filter(Column::KeptUntil.lt(now))
            .limit(ROWS_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let delete = document_token::Entity::delete_many().filter(Column::SignInId.is_in(old));
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }
}

/// Returns whether the account is not blocked, and neither the sign-in nor the key has ended. Locks the row of the
/// user, so that this holds for the account until the commit.
async fn is_in_force(
    txn: &DatabaseTransaction,
    token: &NewDocumentToken,
) -> Result<bool, StoreError> {
    let user = user::Entity::find_by_id(token.user.uuid()).lock(LockType::NoKeyUpdate);
    let Some(user) = user.one(txn).await? else { return Ok(false) };
    let all = user.ended_at.map(|at| EndedSignIns::All { generation: user.generation, at });
    if user.blocked_at.is_some() || all.is_some_and(|all| token.sign_in.is_among(&all)) {
        return Ok(false);
    }
    let id = (token.user.uuid(), token.sign_in.id.uuid());
    if ended_sign_in::Entity::find_by_id(id).one(txn).await?.is_some() {
        return Ok(false);
    }
    // Not locked, since many tokens name one key. Tokens that are used while it is removed are looked for again.
    let key = application_key::Entity::find_by_id(&token.key_id);
    Ok(key.one(txn).await?.is_some_and(|key| key.removed_at.is_none()))
}

fn ended_token(row: document_token::Model) -> Option<EndedToken> {
    let (sign_in, kept_until) = (row.sign_in_id.into(), row.kept_until);
    row.user_id.map(|user| EndedToken { sign_in, user: user.into(), kept_until })
}

#[cfg(test)]
#[path = "document_tokens_tests.rs"]
mod tests;
