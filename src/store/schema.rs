//! Bringing the tables up to date, and back.
//!
//! All steps of one call are one transaction, so the tables are never left between two versions,
//! and of two processes that start at once the second finds the work done.

use migration::Migrator;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};

use super::{Store, StoreError};

/// One change of the tables, and whether this database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// The change's name; names sort in the order of application.
    pub name: String,
    /// Whether this database has it.
    pub applied: bool,
}

impl Store {
    /// Applies every change that is missing, and names them in order; none if all are there.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if one fails or the database has one that this program does not
    /// know: then nothing was changed. [`StoreError::Unavailable`].
    pub async fn migrate_up(&self) -> Result<Vec<String>, StoreError> {
        let txn = self.begin_alone().await?;
        let applied = up(&txn).await.map_err(StoreError::migration)?;
        txn.commit().await?;
        Ok(applied)
    }

    /// Takes back the newest `steps` changes, and what they held, and names them, newest first.
    ///
    /// # Errors
    /// As for [`Store::migrate_up`].
    pub async fn migrate_down(&self, steps: u32) -> Result<Vec<String>, StoreError> {
        let txn = self.begin_alone().await?;
        let reverted = down(&txn, steps).await.map_err(StoreError::migration)?;
        txn.commit().await?;
        Ok(reverted)
    }

    /// Every change that this program knows, in order. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if the database has one that this program does not know, which
    /// means that a newer program has been here. [`StoreError::Unavailable`].
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>, StoreError> {
        let known = Migrator::get_migration_with_status_read_only(&self.readers)
            .await
            .map_err(StoreError::migration)?;
        Ok(known
            .iter()
            .map(|migration| MigrationState {
                name: migration.name().to_owned(),
                applied: migration.status() == MigrationStatus::Applied,
            })
            .collect())
    }

    /// Begins a transaction in which nobody else changes the tables.
    async fn begin_alone(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.begin().await?;
        let backend = txn.get_database_backend();
        if backend == DbBackend::Postgres {
            // Any number will do that nobody else uses in this database: these are the letters "coscribe".
            let lock = "SELECT pg_advisory_xact_lock(7165072403128214117)";
            // Waiting for another node's migrations takes as long as they do.
            for statement in ["SET LOCAL lock_timeout = 0", "SET LOCAL statement_timeout = 0", lock]
            {
                txn.execute_raw(Statement::from_string(backend, statement)).await?;
            }
        }
        Ok(txn)
    }
}

async fn up(txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let pending = names(&Migrator::get_pending_migrations(txn).await?);
    Migrator::up(txn, None).await?;
    Ok(pending)
}

async fn down(txn: &DatabaseTransaction, steps: u32) -> Result<Vec<String>, DbErr> {
    let mut applied = names(&Migrator::get_applied_migrations(txn).await?);
    Migrator::down(txn, Some(steps)).await?;
    applied.reverse();
    applied.truncate(usize::try_from(steps).unwrap_or(usize::MAX));
    Ok(applied)
}

fn names(migrations: &[Migration]) -> Vec<String> {
    migrations.iter().map(|migration| migration.name().to_owned()).collect()
}
