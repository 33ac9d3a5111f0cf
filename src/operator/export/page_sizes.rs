//! How much an export reads at a time.

/// How many documents, grants and history entries are read at a time.
pub(super) const PAGE: u32 = 100;

/// How many bytes of changes are read at a time, if not one change has more.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;
