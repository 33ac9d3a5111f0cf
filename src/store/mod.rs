//! What is kept: accounts, documents, who may do what with them, and their versions.
//!
//! One method per question; answers are values of `domain`, and no row or entity leaves this
//! folder. What must hold together runs in one transaction, and a method that returned `Ok` has
//! stored what it says: it survives a crash and a loss of power. Rights are read in the transaction
//! that uses them.
//!
//! Writing and reading go through pools of their own, so that neither waits for the other. SQLite
//! knows one writer at a time, so there is one connection that writes, where callers queue in order.
//! A read that starts after a write has returned sees that write.

mod access;
mod accounts;
mod commit;
mod commit_authorization;
mod deadline;
mod document_heads;
mod documents;
mod error;
mod group_commit;
mod history;
mod log;
mod log_reader;
mod options;
mod page;
mod pools;
mod postgres;
mod retention;
mod rows;
mod schema;
mod snapshots;
mod sqlite;

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod documents_tests;
#[cfg(test)]
mod group_commit_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod sqlite_tests;
#[cfg(test)]
mod test_store;

pub use access::Granted;
pub use accounts::{Credentials, NewAccount};
pub use document_heads::HeadVersions;
pub use error::StoreError;
pub use history::{HistoryEntry, HistoryPage};
pub use log::{Batch, CommitError, Committed, Head, NewChange, NewReceipt, Receipt};
pub use options::{Retention, StoreOptions};
pub use page::{DocumentPage, PageCursor};
pub use pools::Store;
pub use schema::MigrationState;
pub use snapshots::{Snapshot, SnapshotState};
