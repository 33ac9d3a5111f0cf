//! Persistent storage: accounts, documents, access levels, the change log and snapshots.
//!
//! Each method of [`Store`] is one query or one transaction. It takes and returns values of `domain`; rows and entities
//! stay in this folder. A transaction reads the access levels that it depends on, so a level cannot change in between.
//!
//! Two databases are supported. SQLite is a file that one node uses; a single connection writes, and callers queue for
//! it in order. PostgreSQL can be shared by several nodes; `store.writers` connections write, and a transaction locks
//! the rows of its documents. With both, reads go through a pool of their own, so that reads and writes do not wait for
//! each other's connections. A read that starts after a write has returned sees that write.
//!
//! Invariant: when a method returns `Ok`, its changes survive a crash and a loss of power. With PostgreSQL, this
//! requires its settings `fsync` and `synchronous_commit` to be on, as they are by default.

mod access;
mod access_changes;
mod access_state;
mod account_data;
mod accounts;
mod address_grants;
mod answers;
mod application_keys;
mod authorship;
mod batch_rows;
mod bin;
mod blocks;
mod checkpoints;
mod commit;
mod commit_authorization;
mod compaction;
mod deadline;
mod derived_ids;
mod document_heads;
mod document_keys;
mod document_lock;
mod document_tokens;
mod documents;
mod entitlements;
mod erased_account;
mod erasure;
mod error;
mod file_lock;
mod gather_pace;
mod group_commit;
mod group_grants;
mod group_settlement;
mod groups;
mod guests;
mod history;
mod history_entries;
mod identities;
mod labelled_documents;
mod link_bars;
mod link_uses;
mod link_visitors;
mod links;
mod log;
mod log_reader;
mod metadata;
mod named_versions;
mod options;
mod ownership;
mod page;
mod pools;
mod postgres;
mod purge;
mod quotas;
mod renewable_pool;
mod retention;
mod retirement;
mod rows;
mod schema;
mod sign_ins;
mod snapshots;
mod sqlite;
mod statement_sizes;
mod stored_bytes;
mod tickets;
mod turns;
mod usage;
mod waiting_batches;

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
mod quotas_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod snapshots_tests;
#[cfg(test)]
mod sqlite_tests;
#[cfg(test)]
pub(crate) mod test_store;

pub use access::{Grant, GrantOutcome, RevocationOutcome};
pub use access_changes::UserAccess;
pub use account_data::{
    ContributionPage, EntitlementKind, KnownIdentity, ReceivedEntitlement, ReceivedGrant,
};
pub use accounts::{AcceptedAddress, AccountListing, Credentials, NewAccount};
pub use address_grants::{AddressGrantOutcome, NamedCollaborator};
pub use answers::RulesVersion;
pub use application_keys::{ApplicationKey, RegisterOutcome};
pub use document_heads::HeadVersions;
pub use document_lock::DocumentLock;
pub use document_tokens::{DocumentTokenUse, EndedToken, NewDocumentToken};
pub use documents::NewDocument;
pub use entitlements::EntitlementSource;
pub use erasure::{ErasedBy, Erasure, ErasureStep};
pub use error::StoreError;
pub use file_lock::{FileLock, FileLockError};
pub use group_grants::GroupGrant;
pub use group_settlement::UnsettledMember;
pub use groups::{Group, GroupLimit, GroupsOutcome, MemberChanges};
pub use history::{HistoryEntry, HistoryPage};
pub use history_entries::HistoryEntries;
pub use identities::{OutsideProfile, OutsideUser};
pub use link_uses::{LinkKey, LinkUse};
pub use link_visitors::{LinkVisitor, VisitorCursor, VisitorPage};
pub use links::{Link, LinkKind, LinkRefused, LinkSecretHash, NewLink};
pub use log::{Batch, CommitError, Committed, Head, NewChange, NewReceipt, Receipt};
pub use log_reader::LogPage;
pub use named_versions::{NamedVersion, NewNamedVersion};
pub use options::{Retention, StoreOptions};
pub use ownership::HandOverRefused;
pub use page::{
    DocumentFilter, DocumentOrder, DocumentPage, DocumentQuery, PageCursor, invalid_cursor,
};
pub use pools::{Store, Writability};
pub use quotas::{Quotas, StorageUse};
pub use schema::MigrationState;
pub use sign_ins::{SignInEnd, Standing};
pub use snapshots::{FoundSnapshot, NewSnapshot, Snapshot, SnapshotPatience, SnapshotState};
