//! Migrations of the database schema, one file each. Every migration can be reverted.
//!
//! A migration must work with the code that is running while it is applied: add, fill, switch, and remove only in a
//! later release. It uses only column types that both SQLite and PostgreSQL have. A released migration is never
//! edited; a later one corrects it.

mod m0001_users;
mod m0002_documents;
mod m0003_access;
mod m0004_changes;
mod m0005_receipts_by_time;
mod m0006_purges;
mod m0008_quotas;
mod m0009_identities;
mod m0010_sign_ins;
mod m0011_entitlements;
mod m0012_applications;
mod m0013_links;
mod m0014_erasure;
mod m0015_tickets;
mod m0016_groups;
mod m0017_addressed_grants;
mod m0018_documents_by_creation;
mod m0019_metadata;
mod m0020_document_keys;
mod m0021_bins;
mod m0022_named_versions;
mod m0023_body_texts;

use sea_orm_migration::prelude::*;

/// Applies and reverts the migrations, in this order.
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
            Box::new(m0006_purges::Migration),
            Box::new(m0008_quotas::Migration),
            Box::new(m0009_identities::Migration),
            Box::new(m0010_sign_ins::Migration),
            Box::new(m0011_entitlements::Migration),
            Box::new(m0012_applications::Migration),
            Box::new(m0013_links::Migration),
            Box::new(m0014_erasure::Migration),
            Box::new(m0015_tickets::Migration),
            Box::new(m0016_groups::Migration),
            Box::new(m0017_addressed_grants::Migration),
            Box::new(m0018_documents_by_creation::Migration),
            Box::new(m0019_metadata::Migration),
            Box::new(m0020_document_keys::Migration),
            Box::new(m0021_bins::Migration),
            Box::new(m0022_named_versions::Migration),
            Box::new(m0023_body_texts::Migration),
        ]
    }
}
