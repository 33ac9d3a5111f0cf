//! The export of an account, and of one document after the other.

use std::path::Path;

use super::{
    account_file::write_account,
    contributions::write_contributions,
    document_files::write_document,
    folder::{create_folder, prepare},
    page_sizes::PAGE,
};
use crate::{
    domain::{Account, DocumentId},
    store::Store,
};

/// What an export has written.
#[derive(Debug, Default)]
pub(in crate::operator) struct ExportOutcome {
    /// The documents that were written.
    pub(in crate::operator) documents: usize,
    /// Those that could not be, with the reasons.
    pub(in crate::operator) failed: Vec<(DocumentId, anyhow::Error)>,
}

/// Writes what is stored of a user into a new or empty folder. Goes on after a document that cannot be loaded.
pub(in crate::operator) async fn export(
    store: &Store,
    account: &Account,
    folder: &Path,
) -> anyhow::Result<ExportOutcome> {
    prepare(folder)?;
    write_account(store, account, folder).await?;
    write_contributions(store, account, folder).await?;
    let documents = folder.join("documents");
    create_folder(&documents)?;
    let (mut outcome, mut after) = (ExportOutcome::default(), None);
    loop {
        let page = store.list_owned_documents(account.id, after, PAGE.into()).await?;
        let Some(last) = page.last() else { return Ok(outcome) };
        after = Some(last.id);
        for document in &page {
            match write_document(store, document, &documents).await {
                Ok(()) => outcome.documents += 1,
                Err(error) => outcome.failed.push((document.id, error)),
            }
        }
    }
}
