//! The schema's history: one file per change, each with its way back.
//!
//! A migration must work with the code that is still running while it is applied: add, fill,
//! switch, and only later remove. Column types are those that SQLite and PostgreSQL both know. A
//! migration that has been released is never edited; what it got wrong is put right by the next
//! one.

mod m0001_users;
mod m0002_documents;
mod m0003_access;
mod m0004_changes;
mod m0005_receipts_by_time;

use sea_orm_migration::prelude::*;

/// All schema changes, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_users::Migration),
            Box::new(m0002_documents::Migration),
            Box::new(m0003_access::Migration),
            Box::new(m0004_changes::Migration),
            Box::new(m0005_receipts_by_time::Migration),
        ]
    }
}
