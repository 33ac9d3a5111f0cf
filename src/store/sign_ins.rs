//! The end of sign-ins, and whether an account may be used ([ADR 48](../../docs/adr/0048-ended-sign-ins.md)).

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use entity::{ended_sign_in, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait as _, DbBackend, EntityTrait, FromQueryResult, QueryFilter,
    QuerySelect, Statement,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use uuid::Uuid;

use super::{Store, StoreError, rows};
use crate::domain::{Account, EndedSignIns, Party, SignIn, SignInId, UserId};

/// The most rows that are deleted at a time.
const DELETED_AT_ONCE: u64 = 1_000;

/// An account, and whether one of its sign-ins may use it.
#[derive(Debug)]
pub struct Standing {
    /// The account.
    pub account: Account,
    /// Whether an operator has blocked it.
    pub is_blocked: bool,
    /// Whether the sign-in has ended.
    pub is_signed_out: bool,
    /// Whether the account was deleted, or is being deleted.
    pub is_deleted: bool,
}

/// Returns the query of a standing. Every request with a token asks it, so its text is not built each time.
const fn find_standing(backend: DbBackend) -> &'static str {
    macro_rules! query {
        ($sign_in:literal, $id:literal) => {
            concat!(
                r#"SELECT id, name, email, confirmed_email, created_at, generation, ended_at, blocked_at,
                erasing_at, EXISTS(SELECT 1 FROM ended_sign_in WHERE user_id = "user".id AND sign_in_id = "#,
                $sign_in,
                r#") AS has_ended_alone FROM "user" WHERE id = "#,
                $id
            )
        };
    }
    match backend {
        DbBackend::Postgres => query!("$1", "$2"),
        _ => query!("?", "?"),
    }
}

#[derive(FromQueryResult)]
struct StandingRow {
    id: Uuid,
    name: String,
    email: String,
    confirmed_email: Option<String>,
    created_at: DateTime<Utc>,
    generation: i64,
    ended_at: Option<DateTime<Utc>>,
    blocked_at: Option<DateTime<Utc>>,
    erasing_at: Option<DateTime<Utc>>,
    has_ended_alone: bool,
}

/// The end of sign-ins of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInEnd {
    /// The user.
    pub user: UserId,
    /// Which of them.
    pub ended: EndedSignIns,
}

impl Store {
    /// Returns the account with this id, and whether this sign-in may use it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_standing(
        &self,
        id: UserId,
        sign_in: &SignIn,
    ) -> Result<Option<Standing>, StoreError> {
        let backend = self.readers.get_database_backend();
        let values = [sign_in.id.uuid().into(), id.uuid().into()];
        let statement = Statement::from_sql_and_values(backend, find_standing(backend), values);
        let row = StandingRow::find_by_statement(statement).one(&self.readers).await?;
        Ok(row.map(|row| {
            let all = row.ended_at.map(|at| EndedSignIns::All { generation: row.generation, at });
            let is_among_all = all.is_some_and(|all| sign_in.is_among(&all));
            Standing {
                is_blocked: row.blocked_at.is_some(),
                is_signed_out: row.has_ended_alone || is_among_all,
                is_deleted: row.erasing_at.is_some(),
                account: Account {
                    id: row.id.into(),
                    name: row.name.into(),
                    email: row.confirmed_email.unwrap_or(row.email),
                    created_at: row.created_at,
                    generation: row.generation,
                },
            }
        }))
    }

    /// Ends one sign-in of a user, whose tokens have expired at `kept_until`. Ending it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_sign_in(
        &self,
        user: UserId,
        sign_in: SignInId,
        kept_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let row = ended_sign_in::ActiveModel {
            user_id: Set(user.uuid()),
            sign_in_id: Set(sign_in.uuid()),
            ended_at: Set(rows::now()),
            kept_until: Set(kept_until.trunc_subsecs(6)),
        };
        let insert = ended_sign_in::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        let inserting = insert.exec_without_returning(&self.statements);
        self.turns.write(Party::User(user), inserting).await??;
        Ok(())
    }

    /// Ends all sign-ins of a user.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_all_sign_ins(&self, user: UserId) -> Result<EndedSignIns, StoreError> {
        self.end_all(user, |update| update).await
    }

    /// Replaces the password of a user, whose present hash is `old_hash`, and ends all their sign-ins. `None` if the hash is
    /// another one by now.
    ///
    /// # Errors
    /// As [`Store::end_all_sign_ins`].
    pub async fn change_password(
        &self,
        user: UserId,
        old_hash: &str,
        new_hash: String,
    ) -> Result<Option<EndedSignIns>, StoreError> {
        let set = |update: sea_orm::UpdateMany<user::Entity>| {
            update
                .col_expr(user::Column::PasswordHash, Expr::value(new_hash))
                .filter(user::Column::PasswordHash.eq(old_hash))
        };
        self.try_end_all(user, set).await
    }

    /// Blocks an account and ends all its sign-ins.
    ///
    /// # Errors
    /// As [`Store::end_all_sign_ins`].
    pub async fn block(&self, user: UserId) -> Result<EndedSignIns, StoreError> {
        let set = |update: sea_orm::UpdateMany<user::Entity>| {
            update.col_expr(user::Column::BlockedAt, Expr::value(rows::now()))
        };
        self.end_all(user, set).await
    }

    /// Lets a blocked account be used again. Its user has to sign in.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], also if the account is being deleted; [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn unblock(&self, user: UserId) -> Result<(), StoreError> {
        let none = Expr::value(Option::<DateTime<Utc>>::None);
        let update = user::Entity::update_many()
            .col_expr(user::Column::BlockedAt, none)
            .filter(user::Column::Id.eq(user.uuid()))
            .filter(user::Column::ErasingAt.is_null());
        let updated = self.turns.write(Party::Node, update.exec(&self.statements)).await??;
        if updated.rows_affected == 0 { Err(StoreError::NoSuchUser) } else { Ok(()) }
    }

    async fn end_all(
        &self,
        user: UserId,
        set: impl FnOnce(sea_orm::UpdateMany<user::Entity>) -> sea_orm::UpdateMany<user::Entity>,
    ) -> Result<EndedSignIns, StoreError> {
        self.try_end_all(user, set).await?.ok_or(StoreError::NoSuchUser)
    }

    /// Ends all sign-ins of a user with an update that `set` extends. `None` if it changes no row.
    async fn try_end_all(
        &self,
        user: UserId,
        set: impl FnOnce(sea_orm::UpdateMany<user::Entity>) -> sea_orm::UpdateMany<user::Entity>,
    ) -> Result<Option<EndedSignIns>, StoreError> {
        let at = rows::now();
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            let next = Expr::col(user::Column::Generation).add(1);
            let update = user::Entity::update_many()
                .col_expr(user::Column::Generation, next)
                .col_expr(user::Column::EndedAt, Expr::value(at))
                .filter(user::Column::Id.eq(user.uuid()));
            if set(update).exec(&txn).await?.rows_affected == 0 {
                return Ok(None);
            }
            let generation: Option<i64> = user::Entity::find_by_id(user.uuid())
                .select_only()
                .column(user::Column::Generation)
                .into_tuple()
                .one(&txn)
                .await?;
            let generation = generation.ok_or(StoreError::NoSuchUser)?;
            txn.commit().await?;
            Ok(Some(EndedSignIns::All { generation, at }))
        })
        .await
    }

    /// Returns the sign-ins that have ended `within` before now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_ended_sign_ins(
        &self,
        within: Duration,
    ) -> Result<Vec<SignInEnd>, StoreError> {
        let since = rows::now() - TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX);
        let all: Vec<(Uuid, i64, DateTime<Utc>)> = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, user::Column::Generation, user::Column::EndedAt])
            .filter(user::Column::EndedAt.gt(since))
            .into_tuple()
            .all(&self.readers)
            .await?;
        let alone: Vec<(Uuid, Uuid)> = ended_sign_in::Entity::find()
            .select_only()
            .columns([ended_sign_in::Column::UserId, ended_sign_in::Column::SignInId])
            .filter(ended_sign_in::Column::EndedAt.gt(since))
            .into_tuple()
            .all(&self.readers)
            .await?;
        let all = all.into_iter().map(|(user, generation, at)| SignInEnd {
            user: user.into(),
            ended: EndedSignIns::All { generation, at },
        });
        let alone = alone.into_iter().map(|(user, sign_in)| SignInEnd {
            user: user.into(),
            ended: EndedSignIns::One(sign_in.into()),
        });
        Ok(all.chain(alone).collect())
    }

    /// Forgets sign-ins that have ended alone and whose tokens have expired. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_ended_sign_ins(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let old: Vec<(Uuid, Uuid)> = ended_sign_in::Entity::find()
            .select_only()
            .columns([ended_sign_in::Column::UserId, ended_sign_in::Column::SignInId])
            .filter(ended_sign_in::Column::KeptUntil.lt(now))
            .limit(DELETED_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let ids = old.into_iter().map(|(_, sign_in)| sign_in);
        let delete = ended_sign_in::Entity::delete_many()
            .filter(ended_sign_in::Column::SignInId.is_in(ids))
            .filter(ended_sign_in::Column::KeptUntil.lt(now));
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }
}

#[cfg(test)]
#[path = "sign_ins_tests.rs"]
mod tests;
