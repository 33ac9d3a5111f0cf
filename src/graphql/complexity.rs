//! The weights of fields in the complexity of an operation, in plain fields of weight 1.
//!
//! `limits.operation_complexity` (2,000 by default) bounds the sum. The weights follow the work that a field causes, so
//! that one operation cannot cause much more of it than another. docs/PROTOCOL.md, section "Limits", lists them.

/// A query of the database. It limits how many of them fit into one operation, however little each one selects.
pub(super) const DATABASE_READ: usize = 20;

/// A change that is stored, which is far more work than reading.
pub(super) const DATABASE_WRITE: usize = 50;

/// The text of a document at an old version, which may have to be rebuilt from many changes.
pub(super) const TEXT_REBUILD: usize = 50;

/// A document's whole text, which may have megabytes and is written out once per alias.
///
/// A page of 20 texts fits into one operation (the store ends a page of long texts early), a thousand copies of one
/// text do not.
pub(super) const CONTENT: usize = 50;

/// Hashing a password or signing a token. More than half of the default limit, so that an operation does it only once.
pub(super) const CREDENTIALS: usize = 1_100;
