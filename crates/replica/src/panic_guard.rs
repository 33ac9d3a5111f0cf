//! A boundary around calls into yrs that may panic on a malformed update.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

use yrs::{Doc, Transact as _, TransactionMut};

/// Runs `work` in a transaction and commits it.
///
/// After a panic the document must not be used again, not even dropped: a dropped transaction commits. Its memory is
/// leaked.
///
/// # Errors
/// The error of `work`, or a message for the client after a panic.
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
            tracing::error!("applying an update panicked; the document's memory is leaked");
            Err("it cannot be applied".to_owned())
        }
    }
}
