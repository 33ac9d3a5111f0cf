//! The file of what a user has contributed: changes in the documents of others, and names of versions.

use std::path::Path;

use serde_json::json;

use super::{
    json_entries::{change_json, named_json},
    page_sizes::{PAGE, PAGE_BYTES},
};
use crate::{
    domain::{Account, Change, DocumentId, Version},
    operator::json_file::JsonFile,
    store::Store,
};

/// Writes the changes that a user has made in the documents of others, and the versions that they have named in any.
pub(super) async fn write_contributions(
    store: &Store,
    account: &Account,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut file = JsonFile::create(&folder.join("contributions.json"))?;
    file.begin_list("changes")?;
    let mut looked_at = None;
    while let Some(part) = store.find_contributions(account.id, looked_at).await? {
        looked_at = Some(part.last);
        for document in part.documents {
            write_changes_of(store, account, document, &mut file).await?;
        }
    }
    file.end_list()?;
    file.begin_list("namedVersions")?;
    let mut after = None;
    loop {
        let named = store.list_versions_named_by(account.id, after, PAGE.into()).await?;
        let Some((last, _)) = named.last() else { break };
        after = Some(*last);
        for (document, version) in &named {
            let mut entry = named_json(version);
            entry["documentId"] = json!(document);
            file.entry(&entry)?;
        }
    }
    file.end_list()?;
    file.finish()
}

async fn write_changes_of(
    store: &Store,
    account: &Account,
    document: DocumentId,
    file: &mut JsonFile,
) -> anyhow::Result<()> {
    let mut after = Version::default();
    loop {
        let changes =
            store.list_changes(document, after, Version::new(i64::MAX), PAGE_BYTES).await?;
        let Some(last) = changes.last() else { return Ok(()) };
        after = last.version;
        let is_own =
            |change: &&Change| change.author.as_ref().is_some_and(|author| author.id == account.id);
        for change in changes.iter().filter(is_own) {
            let mut entry = change_json(change)?;
            entry["documentId"] = json!(document);
            file.entry(&entry)?;
        }
    }
}
