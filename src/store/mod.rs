//! What is kept: accounts, documents, who may do what with them, and their versions.
//!
//! One method per question; answers are values of `domain`, and no row or entity leaves this
//! folder. What must hold together runs in one transaction, and a method that returned `Ok` has
//! stored what it says: it survives a crash and a loss of power. Rights are read in the transaction
//! that uses them.
//!
//! SQLite knows one writer at a time, so all writing goes through one connection, where callers
//! queue in order, and all reading through others, which never wait for it. A read that starts
//! after a write has returned sees that write.

mod access;
mod accounts;
mod commit;
mod documents;
mod error;
mod group_commit;
mod history;
mod log;
mod options;
mod page;
mod pools;
mod retention;
mod rows;
mod schema;
mod snapshots;
mod standing;

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod documents_tests;
#[cfg(test)]
mod group_commit_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod pools_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod testing;

pub use access::Granted;
pub use accounts::{Credentials, NewAccount};
pub use error::StoreError;
pub use log::{Batch, CommitError, Committed, Head, NewChange, NewReceipt, Receipt};
pub use options::{Retention, StoreOptions};
pub use page::{DocumentPage, PageCursor};
pub use pools::Store;
pub use schema::MigrationState;
pub use snapshots::{Snapshot, State};
