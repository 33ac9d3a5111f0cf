//! The users of outside issuers: which account each has, and what their issuer says of them ([ADR 47](../../docs/adr/0047-outside-identities.md)).

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{identity, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::{
    Store, StoreError,
    accounts::{insertion, new_row, placeholder_address},
    address_grants::take_over_grants,
    ownership::lock_account,
    rows,
};
use crate::domain::{DisplayName, Email, OutsideSubject, Party, UserId};

/// What an issuer says of one of its users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutsideProfile {
    /// The name, if it is known.
    pub name: Option<DisplayName>,
    /// The e-mail address, if it is known and the issuer has verified it.
    pub email: Option<Email>,
}

/// The account of a user of an outside issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideUser {
    /// The account.
    pub user: UserId,
    /// What the issuer has said last, part by part.
    pub profile: OutsideProfile,
    /// When it issued the token that said it.
    pub said_at: DateTime<Utc>,
}

impl Store {
    /// Returns the account of a user of an outside issuer, if they have one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_outside_user(
        &self,
        subject: &OutsideSubject,
    ) -> Result<Option<OutsideUser>, StoreError> {
        let row = by_subject(subject).one(&self.readers).await?;
        Ok(row.map(outside_user))
    }

    /// Returns how an outside issuer or an application names a user, if one does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_outside_subject(
        &self,
        user: UserId,
    ) -> Result<Option<OutsideSubject>, StoreError> {
        let found = identity::Entity::find()
            .filter(identity::Column::UserId.eq(user.uuid()))
            .one(&self.readers)
            .await?;
        Ok(found
            .map(|row| OutsideSubject { issuer: row.issuer.into(), subject: row.subject.into() }))
    }

    /// Returns the name of the application whose own account this is, if it is one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_application_of(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let found = self.find_outside_subject(user).await?;
        let found = found.filter(|found| {
            found.issuer.strip_prefix(OutsideSubject::APPLICATION) == Some(&*found.subject)
        });
        Ok(found.map(|found| (*found.subject).to_owned()))
    }

    /// Creates an account for a user of an outside issuer, unless they have one. Concurrent calls create one account.
    ///
    /// A verified address is the new account's, and no longer that of another account. The account has no address to sign in
    /// with.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn enrol_outside_user(
        &self,
        subject: &OutsideSubject,
        profile: &OutsideProfile,
        said_at: DateTime<Utc>,
    ) -> Result<OutsideUser, StoreError> {
        retry_unique(|| self.try_enrol(subject, profile, said_at, None)).await
    }

    /// Creates a new account for a user of an outside issuer whose account `deleted` was deleted, or is being deleted. Concurrent
    /// calls create one account.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn enrol_outside_user_again(
        &self,
        subject: &OutsideSubject,
        profile: &OutsideProfile,
        said_at: DateTime<Utc>,
        deleted: UserId,
    ) -> Result<OutsideUser, StoreError> {
        retry_unique(|| self.try_enrol(subject, profile, said_at, Some(deleted))).await
    }

    async fn try_enrol(
        &self,
        subject: &OutsideSubject,
        profile: &OutsideProfile,
        said_at: DateTime<Utc>,
        instead_of: Option<UserId>,
    ) -> Result<OutsideUser, StoreError> {
        let id = UserId::new();
        let said_at = said_at.trunc_subsecs(6);
        let email = profile.email.as_ref().map(|email| email.as_str().to_owned());
        let finding = self.read_for(Party::User(id), self.find_outside_user(subject));
        let known = finding.await??;
        if let Some(known) = known.filter(|known| Some(known.user) != instead_of) {
            return Ok(known);
        }
        let created = self.write(Party::User(id), async {
            let txn = self.begin().await?;
            if let Some(email) = &profile.email {
                take_address(&txn, email, id).await?;
            }
            let name = profile.name.clone().unwrap_or_else(|| DisplayName::from(id));
            let account = user::Model {
                confirmed_email: email.clone(),
                ..new_row(id, &name, placeholder_address(id), None)
            };
            insertion(account).exec_without_returning(&txn).await?;
            if let Some(deleted) = instead_of {
                identity::Entity::delete_many()
                    .filter(identity::Column::Issuer.eq(&*subject.issuer))
                    .filter(identity::Column::Subject.eq(&*subject.subject))
                    .filter(identity::Column::UserId.eq(deleted.uuid()))
                    .exec(&txn)
                    .await?;
            }
            let row = identity::ActiveModel {
                issuer: Set((*subject.issuer).to_owned()),
                subject: Set((*subject.subject).to_owned()),
                user_id: Set(id.uuid()),
                name: Set(profile.name.as_ref().map(|name| name.as_str().to_owned())),
                email: Set(email.clone()),
                said_at: Set(said_at),
                created_at: Set(rows::now()),
                groups_at: Set(None),
            };
            let inserted = identity::Entity::insert(row)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&txn)
                .await?;
            if inserted > 0 {
                if let Some(email) = &profile.email {
                    take_over_grants(&txn, email, id).await?;
                }
                txn.commit().await?;
            }
            Ok::<_, StoreError>(inserted > 0)
        });
        if created.await? {
            return Ok(OutsideUser { user: id, profile: profile.clone(), said_at });
        }
        let found = self.read_for(Party::User(id), self.find_outside_user(subject)).await??;
        found.ok_or_else(|| StoreError::internal("an identity was deleted while it was enrolled"))
    }

    /// Stores what an issuer says of a user who has an account: another name, another verified address. Parts that it does
    /// not say stay as they are. Nothing is stored for an account that is being deleted.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn update_outside_user(
        &self,
        subject: &OutsideSubject,
        known: &OutsideUser,
        said: &OutsideProfile,
        said_at: DateTime<Utc>,
    ) -> Result<OutsideUser, StoreError> {
        retry_unique(|| self.try_update(subject, known, said, said_at)).await
    }

    async fn try_update(
        &self,
        subject: &OutsideSubject,
        known: &OutsideUser,
        said: &OutsideProfile,
        said_at: DateTime<Utc>,
    ) -> Result<OutsideUser, StoreError> {
        let id = known.user;
        let said_at = said_at.trunc_subsecs(6);
        let profile = OutsideProfile {
            name: said.name.clone().or_else(|| known.profile.name.clone()),
            email: said.email.clone().or_else(|| known.profile.email.clone()),
        };
        if said == &OutsideProfile::default() {
            return Ok(known.clone());
        }
        let mut account = user::Entity::update_many();
        let mut row = identity::Entity::update_many()
            .col_expr(identity::Column::SaidAt, Expr::value(said_at));
        if let Some(name) = &said.name {
            account = account.col_expr(user::Column::Name, Expr::value(name.as_str()));
            row = row.col_expr(identity::Column::Name, Expr::value(name.as_str()));
        }
        if let Some(email) = &said.email {
            account = account.col_expr(user::Column::ConfirmedEmail, Expr::value(email.as_str()));
            row = row.col_expr(identity::Column::Email, Expr::value(email.as_str()));
        }
        self.write(Party::User(id), async {
            let txn = self.begin().await?;
            match lock_account(&txn, id).await {
                Err(StoreError::NoSuchUser) => return Ok(()),
                locked => locked?,
            }
            if let Some(email) = &said.email {
                take_address(&txn, email, id).await?;
            }
            account.filter(user::Column::Id.eq(id.uuid())).exec(&txn).await?;
            row.filter(identity::Column::Issuer.eq(&*subject.issuer))
                .filter(identity::Column::Subject.eq(&*subject.subject))
                .exec(&txn)
                .await?;
            if let Some(email) = &said.email {
                take_over_grants(&txn, email, id).await?;
            }
            txn.commit().await?;
            Ok::<_, StoreError>(())
        })
        .await?;
        Ok(OutsideUser { user: id, profile, said_at })
    }
}

/// Runs work again if another transaction has stored the same address meanwhile, which only PostgreSQL lets happen.
pub(super) async fn retry_unique<T, F>(mut work: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    const ATTEMPTS: usize = 4;
    for _ in 1..ATTEMPTS {
        match work().await {
            Err(error) if error.is_unique_violation() => {}
            done => return done,
        }
    }
    work().await
}

/// Takes a confirmed address from another account: it was verified for `owner` later.
pub(super) async fn take_address(
    txn: &DatabaseTransaction,
    email: &Email,
    owner: UserId,
) -> Result<(), StoreError> {
    user::Entity::update_many()
        .col_expr(user::Column::ConfirmedEmail, Expr::value(Option::<String>::None))
        .filter(user::Column::ConfirmedEmail.is_in(email.spellings()))
        .filter(user::Column::Id.ne(owner.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

fn by_subject(subject: &OutsideSubject) -> sea_orm::Select<identity::Entity> {
    let id = ((*subject.issuer).to_owned(), (*subject.subject).to_owned());
    identity::Entity::find_by_id(id)
}

fn outside_user(row: identity::Model) -> OutsideUser {
    // They were valid when they were stored.
    let name = row.name.as_deref().and_then(|name| DisplayName::new(name).ok());
    let email = row.email.as_deref().and_then(|email| Email::new(email).ok());
    let profile = OutsideProfile { name, email };
    OutsideUser { user: row.user_id.into(), profile, said_at: row.said_at }
}

#[cfg(test)]
#[path = "identities_tests.rs"]
mod tests;
