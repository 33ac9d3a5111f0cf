//! Accounts: who there is, and how they sign in.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use entity::user;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, SqlErr,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{Store, StoreError, rows};
use crate::domain::{Account, DisplayName, Email, User, UserId};

/// The domain of addresses that we make up for enrolled users.
///
/// Nobody can own it (RFC 2606, section 2).
const PLACEHOLDER_DOMAIN: &str = "@enrolled.invalid";

/// How many users one query names; SQLite takes 32,766 values at most.
const USERS_PER_QUERY: usize = 1_000;

/// What an account is made of.
pub struct NewAccount {
    /// The name that others will see.
    pub name: DisplayName,
    /// The address to sign in with.
    pub email: Email,
    /// The password's hash as a PHC string.
    pub password_hash: String,
}

/// What is needed to check a password.
pub struct Credentials {
    /// Whose it is.
    pub account: Account,
    /// The password's hash as a PHC string; none for an account that signs in elsewhere.
    pub password_hash: Option<String>,
}

// By hand, so that no hash gets into a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`], also for an address in the domain of our own made-up ones.
    pub async fn create_account(&self, new: NewAccount) -> Result<Account, StoreError> {
        if is_placeholder(&new.email) {
            return Err(StoreError::EmailTaken);
        }
        let row = user::Model {
            id: UserId::new().uuid(),
            name: new.name.as_str().to_owned(),
            email: new.email.as_str().to_owned(),
            password_hash: Some(new.password_hash),
            created_at: rows::now(),
        };
        user::Entity::insert(active(row.clone()))
            .exec_without_returning(&self.writer)
            .await
            .map_err(|error| match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::EmailTaken,
                _ => error.into(),
            })?;
        Ok(rows::account(row))
    }

    /// The account of a user whom an outside identity provider vouches for; made if there is none.
    ///
    /// An account that exists is left as it is. Without an address, or with one that another
    /// account has, a placeholder stands in that no mail can reach. Two calls at once make one
    /// account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn enrol(
        &self,
        id: UserId,
        name: DisplayName,
        email: Option<Email>,
    ) -> Result<Account, StoreError> {
        if let Some(account) = self.find_account(id).await? {
            return Ok(account);
        }
        let own = email.filter(|email| !is_placeholder(email));
        let placeholder = format!("{id}{PLACEHOLDER_DOMAIN}");
        let addresses = own.map(|email| email.as_str().to_owned()).into_iter().chain([placeholder]);
        for email in addresses {
            let row = user::Model {
                id: id.uuid(),
                name: name.as_str().to_owned(),
                email,
                password_hash: None,
                created_at: rows::now(),
            };
            // Whichever of id and address is taken, nothing happens; which one it was shows next.
            let inserted = user::Entity::insert(active(row.clone()))
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&self.writer)
                .await?;
            if inserted > 0 {
                return Ok(rows::account(row));
            }
            if let Some(account) = self.find_account(id).await? {
                return Ok(account);
            }
        }
        Err(StoreError::Internal("an enrolled user's placeholder address is taken".into()))
    }

    /// The account of a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid()).one(&self.readers).await?;
        Ok(row.map(rows::account))
    }

    /// The account with this address.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_account_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<Account>, StoreError> {
        Ok(self.find_by_email(email).await?.map(rows::account))
    }

    /// What is needed to check the password of the account with this address.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        Ok(self.find_by_email(email).await?.map(|mut row| Credentials {
            password_hash: row.password_hash.take(),
            account: rows::account(row),
        }))
    }

    /// What others see of these users; those without an account are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn load_users(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, User>, StoreError> {
        let wanted: HashSet<Uuid> = ids.into_iter().map(UserId::uuid).collect();
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let mut users = HashMap::with_capacity(wanted.len());
        for some in wanted.chunks(USERS_PER_QUERY) {
            let found: Vec<(Uuid, String)> = user::Entity::find()
                .select_only()
                .columns([user::Column::Id, user::Column::Name])
                .filter(user::Column::Id.is_in(some.iter().copied()))
                .into_tuple()
                .all(&self.readers)
                .await?;
            users.extend(found.into_iter().map(|(id, name)| {
                let id = UserId::from(id);
                (id, User { id, name: name.into() })
            }));
        }
        Ok(users)
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<user::Model>, StoreError> {
        let by_email = user::Entity::find().filter(user::Column::Email.eq(email.as_str()));
        Ok(by_email.one(&self.readers).await?)
    }
}

fn is_placeholder(email: &Email) -> bool {
    email.as_str().ends_with(PLACEHOLDER_DOMAIN)
}

fn active(row: user::Model) -> user::ActiveModel {
    user::ActiveModel {
        id: Set(row.id),
        name: Set(row.name),
        email: Set(row.email),
        password_hash: Set(row.password_hash),
        created_at: Set(row.created_at),
    }
}
