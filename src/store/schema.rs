//! Applying and reverting migrations of the database schema.
//!
//! One call runs all its migrations in one transaction, so a failure leaves the schema unchanged. When two processes
//! start at the same time, the second waits and finds the migrations applied.

use migration::Migrator;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};

use super::{Store, StoreError};

/// A migration, and whether it has been applied to this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// The migration's name; names sort in the order of application.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}

impl Store {
    /// Applies all pending migrations and returns their names, in order.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if a migration fails, or if the database has one that this program does not know;
    /// nothing is changed then. [`StoreError::Unavailable`].
    pub async fn migrate_up(&self) -> Result<Vec<String>, StoreError> {
        let txn = self.begin_exclusive().await?;
        let applied = up(&txn).await.map_err(StoreError::migration)?;
        txn.commit().await?;
        Ok(applied)
    }

    /// Reverts the newest `steps` migrations and returns their names, newest first. The data in tables and columns that
    /// they added is lost.
    ///
    /// # Errors
    /// As for [`Store::migrate_up`].
    pub async fn migrate_down(&self, steps: u32) -> Result<Vec<String>, StoreError> {
        let txn = self.begin_exclusive().await?;
        let reverted = down(&txn, steps).await.map_err(StoreError::migration)?;
        txn.commit().await?;
        Ok(reverted)
    }

    /// Returns every migration that this program knows, in order, without changing anything.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if the database has a migration that this program does not know: a newer version has
    /// used the database. [`StoreError::Unavailable`].
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

    /// Begins a transaction during which no other process can migrate the schema.
    async fn begin_exclusive(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.begin().await?;
        let backend = txn.get_database_backend();
        if backend == DbBackend::Postgres {
            // The lock needs a number that nothing else in this database uses: here the bytes of "coscribe".
            let lock = "SELECT pg_advisory_xact_lock(7165072403128214117)";
            // Another node's migrations may take longer than the configured timeouts.
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
