//! A boundary around calls of the library, which may panic on a malformed update.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

use yrs::{Doc, Transact as _, TransactionMut};

/// Runs `work` in a transaction and commits it.
///
/// After a panic the document must not be used again. It is leaked rather than dropped, because dropping a transaction
/// commits it.
///
/// # Errors
/// The error of `work`, or after a panic a message for the client.
pub(crate) fn guarded<T>(
    doc: &Doc,
    work: impl FnOnce(&mut TransactionMut<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let mut txn = ManuallyDrop::new(doc.transact_mut());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let result = work(&mut txn);
        txn.commit();
        result
    }));
    match outcome {
        Ok(result) => {
            // Already committed, so dropping it does nothing more.
            drop(ManuallyDrop::into_inner(txn));
            result
        }
        Err(_panic) => {
            tracing::error!("applying an update panicked; leaking the document's memory");
            Err("applying it failed".to_owned())
        }
    }
}
