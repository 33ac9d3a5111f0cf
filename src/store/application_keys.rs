//! The public keys of applications, which sign document tokens.

use chrono::{DateTime, Utc};
use entity::application_key::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait as _, EntityTrait, FromQueryResult as _, PaginatorTrait as _,
    QueryFilter, Statement,
    sea_query::{Expr, OnConflict},
};

use super::{Store, StoreError, rows};
use crate::domain::Party;

/// The registered keys. Every node asks for them each second.
const LIST_KEYS: &str =
    "SELECT * FROM application_key WHERE removed_at IS NULL ORDER BY created_at, id";

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationKey {
    /// Its id, which the header of a token names.
    pub id: String,
    /// The application: the `iss` claim of its tokens.
    pub application: String,
    /// The public key as a JWK (RFC 7517).
    pub key: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// The result of registering a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// It is registered.
    Registered,
    /// Its id is that of another key, or of one that was removed.
    IdTaken,
    /// There are too many keys.
    TooMany,
}

impl Store {
    /// The most keys that can be registered at the same time.
    pub const MAX_APPLICATION_KEYS: u64 = 1_000;

    /// Registers a key.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn register_application_key(
        &self,
        key: ApplicationKey,
    ) -> Result<RegisterOutcome, StoreError> {
        let count = Entity::find().filter(Column::RemovedAt.is_null()).count(&self.readers).await?;
        if count >= Self::MAX_APPLICATION_KEYS {
            return Ok(RegisterOutcome::TooMany);
        }
        let row = ActiveModel {
            id: Set(key.id),
            application: Set(key.application),
            key: Set(key.key),
            created_at: Set(rows::now()),
            removed_at: Set(None),
        };
        let insert = Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        let insert = insert.exec_without_returning(&self.statements);
        let inserted = self.turns.write(Party::Node, insert).await??;
        Ok(if inserted == 0 { RegisterOutcome::IdTaken } else { RegisterOutcome::Registered })
    }

    /// Returns the registered keys, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_application_keys(&self) -> Result<Vec<ApplicationKey>, StoreError> {
        let backend = self.readers.get_database_backend();
        let query = Statement::from_string(backend, LIST_KEYS);
        let found = Model::find_by_statement(query).all(&self.readers).await?;
        Ok(found.into_iter().map(application_key).collect())
    }

    /// Removes a key. Returns false if there is none with this id. Running servers end the tokens that it has signed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn remove_application_key(&self, id: &str) -> Result<bool, StoreError> {
        let remove = Entity::update_many()
            .col_expr(Column::RemovedAt, Expr::value(rows::now()))
            .filter(Column::Id.eq(id))
            .filter(Column::RemovedAt.is_null());
        let removed = self.turns.write(Party::Node, remove.exec(&self.statements)).await??;
        Ok(removed.rows_affected > 0)
    }
}

fn application_key(row: Model) -> ApplicationKey {
    let Model { id, application, key, created_at, .. } = row;
    ApplicationKey { id, application, key, created_at }
}
