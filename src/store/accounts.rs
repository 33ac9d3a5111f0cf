//! Accounts: creating, enrolling and finding users.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use entity::user;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, Insert, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, SqlErr,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    address_grants::take_over_grants,
    identities::{retry_unique, take_address},
    rows,
};
use crate::domain::{Account, DisplayName, Email, Party, User, UserId};

/// The domain of the placeholder addresses of enrolled users. RFC 2606, section 2, reserves `.invalid`, so no real
/// address can have it.
const PLACEHOLDER_DOMAIN: &str = "@enrolled.invalid";

/// How many users one query may name. SQLite accepts 32,766 values per statement.
const MAX_USERS_PER_QUERY: usize = 1_000;

/// The values of a new account.
pub struct NewAccount {
    /// The name that other users see.
    pub name: DisplayName,
    /// The address to sign in with.
    pub email: Email,
    /// The hash of the password as a PHC string.
    pub password_hash: String,
}

/// An account, as operators see it.
pub struct AccountListing {
    /// The account.
    pub account: Account,
    /// Whether its address is known to be the user's.
    pub is_confirmed: bool,
}

/// Which addresses name an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedAddress {
    /// Those that are known to be the user's.
    Confirmed,
    /// Those, and the addresses with which users have registered. Anybody can register with the address of another.
    Any,
}

/// An account and its password hash, for checking a password.
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The hash of the password as a PHC string. `None` for an account that signs in through an identity provider.
    pub password_hash: Option<String>,
    /// Whether an operator has blocked the account.
    pub is_blocked: bool,
}

// Written by hand so that no hash reaches a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates an account, when it is the turn of the party that asks for it.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`] if another account has the address, or if it is in the domain of placeholder
    /// addresses, [`StoreError::Busy`].
    pub async fn create_account(
        &self,
        new: NewAccount,
        party: Party,
    ) -> Result<Account, StoreError> {
        if is_placeholder(&new.email) || self.has_other_spelling(&new.email, party).await? {
            return Err(StoreError::EmailTaken);
        }
        let email = new.email.as_str().to_owned();
        let row = new_row(UserId::new(), &new.name, email, Some(new.password_hash));
        let insert = insertion(row.clone());
        let inserted =
            self.turns.write(party, insert.exec_without_returning(&self.statements)).await?;
        inserted.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::EmailTaken,
            _ => error.into(),
        })?;
        Ok(rows::account(row))
    }

    /// Returns the account of a user whom an external identity provider has authenticated, and creates it if necessary.
    ///
    /// An existing account stays unchanged. A new account without an address, or with one that another account has,
    /// gets a placeholder address. Concurrent calls create one account.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn enrol(
        &self,
        id: UserId,
        name: DisplayName,
        email: Option<Email>,
    ) -> Result<Account, StoreError> {
        let party = Party::User(id);
        if let Some(account) = self.read_for(party, self.find_account(id)).await?? {
            return Ok(account);
        }
        let mut own_address = email.filter(|email| !is_placeholder(email));
        if let Some(email) = &own_address
            && self.has_other_spelling(email, party).await?
        {
            own_address = None;
        }
        let placeholder = placeholder_address(id);
        let addresses =
            own_address.map(|email| email.as_str().to_owned()).into_iter().chain([placeholder]);
        for email in addresses {
            let row = new_row(id, &name, email, None);
            // If the id or the address is taken, nothing is inserted. The query below finds out which one it was.
            let insert =
                insertion(row.clone()).on_conflict(OnConflict::new().do_nothing().to_owned());
            let inserting = insert.exec_without_returning(&self.statements);
            if self.turns.write(party, inserting).await?? > 0 {
                return Ok(rows::account(row));
            }
            if let Some(account) = self.read_for(party, self.find_account(id)).await?? {
                return Ok(account);
            }
        }
        Err(StoreError::internal("another account has the placeholder address of an enrolled user"))
    }

    /// Returns the account with this id, unless it was deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid())
            .filter(user::Column::ErasedAt.is_null())
            .one(&self.readers)
            .await?;
        Ok(row.map(rows::account))
    }

    /// Confirms that the address with which an account signs in is its user's, and returns the address. It is then no longer
    /// confirmed for any other account. `None` if the account has only a placeholder, or does not exist.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn confirm_address(&self, id: UserId) -> Result<Option<String>, StoreError> {
        retry_unique(|| self.try_confirm(id)).await
    }

    async fn try_confirm(&self, id: UserId) -> Result<Option<String>, StoreError> {
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            let row = user::Entity::find_by_id(id.uuid()).one(&txn).await?;
            let own = row.and_then(|row| Email::new(&row.email).ok());
            let Some(email) = own.filter(|email| !is_placeholder(email)) else { return Ok(None) };
            take_address(&txn, &email, id).await?;
            user::Entity::update_many()
                .col_expr(user::Column::ConfirmedEmail, Expr::value(email.as_str()))
                .filter(user::Column::Id.eq(id.uuid()))
                .exec(&txn)
                .await?;
            take_over_grants(&txn, &email, id).await?;
            txn.commit().await?;
            Ok(Some(email.as_str().to_owned()))
        })
        .await
    }

    /// Returns accounts that were not deleted in the order of their ids, at most `limit`, beginning behind the one with the id
    /// `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_accounts(
        &self,
        after: Option<UserId>,
        limit: u64,
    ) -> Result<Vec<AccountListing>, StoreError> {
        let mut query = user::Entity::find()
            .filter(user::Column::ErasedAt.is_null())
            .order_by_asc(user::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(user::Column::Id.gt(after.uuid()));
        }
        let rows = query.all(&self.readers).await?;
        let listed = rows.into_iter().map(|row| AccountListing {
            is_confirmed: row.confirmed_email.is_some(),
            account: rows::account(row),
        });
        Ok(listed.collect())
    }

    /// Returns the account with this address: the one for which it is confirmed or, if there is none and `accepted` allows
    /// it, the one that signs in with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_account_by_email(
        &self,
        email: &Email,
        accepted: AcceptedAddress,
    ) -> Result<Option<Account>, StoreError> {
        let confirmed = self.find_spelled(user::Column::ConfirmedEmail, email).await?;
        let found = match (confirmed, accepted) {
            (None, AcceptedAddress::Any) => self.find_by_email(email).await?,
            (found, AcceptedAddress::Any | AcceptedAddress::Confirmed) => found,
        };
        Ok(found.map(rows::account))
    }

    /// Returns the account with this address and its password hash. `None` also if it is being deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let found = self.find_by_email(email).await?.filter(|row| row.erasing_at.is_none());
        Ok(found.map(|mut row| Credentials {
            password_hash: row.password_hash.take(),
            is_blocked: row.blocked_at.is_some(),
            account: rows::account(row),
        }))
    }

    /// Returns the public profiles of these users. Ids without an account are left out.
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
        for ids in wanted.chunks(MAX_USERS_PER_QUERY) {
            let found: Vec<(Uuid, String)> = user::Entity::find()
                .select_only()
                .columns([user::Column::Id, user::Column::Name])
                .filter(user::Column::Id.is_in(ids.iter().copied()))
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

    /// Returns the address with which a user signs in, and the hash of their password if they have one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_password(
        &self,
        id: UserId,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid())
            .select_only()
            .columns([user::Column::Email, user::Column::PasswordHash])
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row)
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<user::Model>, StoreError> {
        self.find_spelled(user::Column::Email, email).await
    }

    /// Returns the row with this address in `column`: the one that is spelled as the user wrote it, if there is one.
    async fn find_spelled(
        &self,
        column: user::Column,
        email: &Email,
    ) -> Result<Option<user::Model>, StoreError> {
        for spelling in email.spellings() {
            let spelled = user::Entity::find().filter(column.eq(spelling));
            if let Some(found) = spelled.one(&self.readers).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns whether an account signs in with the same address in another spelling, from before domains had one form. The
    /// database refuses the same spelling.
    async fn has_other_spelling(&self, email: &Email, party: Party) -> Result<bool, StoreError> {
        if !email.has_spellings() {
            return Ok(false);
        }
        Ok(self.read_for(party, self.find_by_email(email)).await??.is_some())
    }
}

/// Returns the address of an account that has none.
pub(super) fn placeholder_address(id: UserId) -> String {
    format!("{id}{PLACEHOLDER_DOMAIN}")
}

fn is_placeholder(email: &Email) -> bool {
    email.as_str().ends_with(PLACEHOLDER_DOMAIN)
}

/// Returns the row of a new account.
pub(super) fn new_row(
    id: UserId,
    name: &DisplayName,
    email: String,
    password_hash: Option<String>,
) -> user::Model {
    user::Model {
        id: id.uuid(),
        name: name.as_str().to_owned(),
        email,
        password_hash,
        created_at: rows::now(),
        confirmed_email: None,
        generation: 0,
        ended_at: None,
        blocked_at: None,
        rules_version: 0,
        guest_of: None,
        erasing_at: None,
        heir_id: None,
        erased_at: None,
    }
}

/// Returns the insertion of a new account.
pub(super) fn insertion(row: user::Model) -> Insert<user::ActiveModel> {
    user::Entity::insert(row.into_active_model().reset_all())
}
