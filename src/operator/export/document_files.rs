//! The files of one document: its content, its named versions and its history.

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    folder::create_folder,
    json_entries::{change_json, key_of, level_name, named_json, user_json},
    page_sizes::{PAGE, PAGE_BYTES},
};
use crate::{
    domain::{Collaborator, Document, DocumentId, Version, VersionRange},
    editing::full_document::{FullDocument, load_full},
    operator::json_file::{JsonFile, unwritable},
    store::{FoundSnapshot, HistoryEntry, NamedVersion, Snapshot, SnapshotState, Store},
    wire::yjs::for_clients,
};

/// Writes the files of one document into a folder of its own.
pub(super) async fn write_document(
    store: &Store,
    document: &Document,
    folder: &Path,
) -> anyhow::Result<()> {
    // One that was deleted meanwhile has no files.
    let Some(whole) = load_full(store, document.id).await? else { return Ok(()) };
    let folder = folder.join(document.id.to_string());
    create_folder(&folder)?;
    let FullDocument { head, text, json, state } = whole;
    let collaborators = store.list_collaborators([document.id]).await?;
    let collaborators = collaborators.into_values().flatten();
    let metadata = store.load_metadata(document.id).await?;
    let metadata: Value = serde_json::from_str(metadata.as_json())?;
    let keys = store.list_keys([document.id]).await?;
    let mut file = JsonFile::create(&folder.join("document.json"))?;
    file.member("id", &document.id)?;
    file.member("title", &head.title)?;
    file.member("key", &key_of(&keys, document.id))?;
    file.member("metadata", &metadata)?;
    file.member("createdAt", &document.created_at)?;
    file.member("updatedAt", &head.at)?;
    file.member("version", &head.version)?;
    file.begin_list("collaborators")?;
    for collaborator in collaborators {
        file.entry(&collaborator_json(&collaborator))?;
    }
    file.end_list()?;
    let named = store.list_named_versions([document.id]).await?.remove(&document.id);
    let named = named.unwrap_or_default();
    file.begin_list("namedVersions")?;
    for version in &named {
        file.entry(&named_json(version))?;
    }
    file.end_list()?;
    file.member("content", &json)?;
    file.finish()?;
    drop(json);
    let path = folder.join("text.txt");
    let written = fs::File::create_new(&path).and_then(|file| {
        let mut file = BufWriter::new(file);
        write!(file, "{text}")?;
        file.flush()
    });
    written.with_context(|| unwritable(&path))?;
    drop(text);
    let path = folder.join("state.yjs");
    fs::write(&path, &state).with_context(|| unwritable(&path))?;
    drop(state);
    for NamedVersion { version, .. } in named {
        write_named(store, document.id, version, &folder).await?;
    }
    write_history(store, document.id, head.version, &folder).await
}

/// Writes the content of a named version, which the history may no longer have.
async fn write_named(
    store: &Store,
    document: DocumentId,
    version: Version,
    folder: &Path,
) -> anyhow::Result<()> {
    let found = store.find_named_content(document, version, usize::MAX).await?;
    let Some(FoundSnapshot::Whole(Snapshot { state: SnapshotState::Yjs(state), .. })) = found
    else {
        // It has lost its name meanwhile.
        return Ok(());
    };
    let path = folder.join(format!("version-{version}.yjs"));
    fs::write(&path, for_clients(&state)).with_context(|| unwritable(&path))
}

async fn write_history(
    store: &Store,
    document: DocumentId,
    head: Version,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut file = JsonFile::create(&folder.join("history.json"))?;
    file.begin_list("entries")?;
    let mut before = Some(head.next());
    loop {
        let page = store.list_history(document, before, PAGE).await?;
        for entry in &page.entries {
            before = Some(entry.from);
            file.entry(&entry_json(entry))?;
        }
        if !page.has_next || page.entries.is_empty() {
            break;
        }
    }
    file.end_list()?;
    file.begin_list("changes")?;
    let mut after = Version::default();
    loop {
        let changes = store.list_changes(document, after, head, PAGE_BYTES).await?;
        let Some(last) = changes.last() else { break };
        after = last.version;
        for change in &changes {
            file.entry(&change_json(change)?)?;
        }
    }
    file.end_list()?;
    file.finish()
}

fn collaborator_json(collaborator: &Collaborator) -> Value {
    let Collaborator { user, address: _, level, granted_at, ends_at } = collaborator;
    json!({
        "user": user_json(user),
        "level": level_name(*level),
        "grantedAt": granted_at,
        "endsAt": ends_at,
    })
}

fn entry_json(entry: &HistoryEntry) -> Value {
    let HistoryEntry { from, to, author, started_at, ended_at, name, takes_back } = entry;
    let range = |taken: VersionRange| json!({ "fromVersion": taken.from, "toVersion": taken.to });
    json!({
        "fromVersion": from,
        "toVersion": to,
        "author": author.as_ref().map(user_json),
        "startedAt": started_at,
        "endedAt": ended_at,
        "name": name,
        "takesBack": takes_back.map(range),
    })
}
