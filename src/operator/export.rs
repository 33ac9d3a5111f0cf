//! `coscribe user export`: what is stored of a user, as files.
//!
//! Documents are written one after the other, and lists page by page, so an export needs no more memory than the largest document.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder},
    io::{BufWriter, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::json_file::{JsonFile, unwritable};
use crate::{
    domain::{
        AccessLevel, Account, Change, ChangeKind, Collaborator, Document, DocumentId, DocumentKey,
        User, Version, VersionRange,
    },
    editing::full_document::{FullDocument, load_full},
    store::{
        EntitlementKind, FoundSnapshot, HistoryEntry, KnownIdentity, NamedVersion,
        ReceivedEntitlement, ReceivedGrant, Snapshot, SnapshotState, Store,
    },
    wire::yjs::for_clients,
};

/// How many documents, grants and history entries are read at a time.
const PAGE: u32 = 100;

/// As many groups as a user can be in.
const ALL_GROUPS: u64 = i64::MAX as u64;

/// How many bytes of changes are read at a time, if not one change has more.
const PAGE_BYTES: usize = 1024 * 1024;

/// What an export has written.
#[derive(Debug, Default)]
pub(super) struct ExportOutcome {
    /// The documents that were written.
    pub(super) documents: usize,
    /// Those that could not be, with the reasons.
    pub(super) failed: Vec<(DocumentId, anyhow::Error)>,
}

/// Writes what is stored of a user into a new or empty folder. Goes on after a document that cannot be loaded.
pub(super) async fn export(
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

/// Creates the folder, which must be empty if it exists. Only its owner may read it.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        let mut entries =
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        anyhow::ensure!(
            entries.next().is_none(),
            "the folder {} is not empty; name a new one with --to",
            folder.display()
        );
        return Ok(());
    }
    create_folder(folder)
}

fn create_folder(folder: &Path) -> anyhow::Result<()> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.with_context(|| format!("cannot create the folder {}", folder.display()))
}

async fn write_account(store: &Store, account: &Account, folder: &Path) -> anyhow::Result<()> {
    let mut file = JsonFile::create(&folder.join("account.json"))?;
    file.member("id", &account.id)?;
    file.member("name", &account.name)?;
    file.member("email", &account.email)?;
    file.member("createdAt", &account.created_at)?;
    file.begin_list("identities")?;
    for identity in store.list_identities(account.id).await? {
        file.entry(&identity_json(&identity))?;
    }
    file.end_list()?;
    file.begin_list("grants")?;
    let mut after = None;
    loop {
        let grants = store.list_received_grants(account.id, after, PAGE.into()).await?;
        let Some(last) = grants.last() else { break };
        after = Some(last.document);
        for grant in &grants {
            file.entry(&grant_json(grant))?;
        }
    }
    file.end_list()?;
    file.begin_list("entitlements")?;
    let mut after = None;
    loop {
        let levels = store.list_received_entitlements(account.id, after, PAGE.into()).await?;
        let Some(last) = levels.last() else { break };
        after = Some(last.document);
        for level in &levels {
            file.entry(&entitlement_json(level))?;
        }
    }
    file.end_list()?;
    file.begin_list("groups")?;
    for group in store.list_groups(account.id, ALL_GROUPS).await? {
        let (name, source) = (group.name.name(), group.name.shown_source());
        file.entry(&json!({ "name": name, "source": source }))?;
    }
    file.end_list()?;
    file.begin_list("blockedUsers")?;
    for user in store.list_blocked(account.id).await? {
        file.entry(&user_json(&user))?;
    }
    file.end_list()?;
    file.begin_list("documents")?;
    let mut after = None;
    loop {
        let page = store.list_owned_documents(account.id, after, PAGE.into()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let keys = store.list_keys(page.iter().map(|document| document.id)).await?;
        for document in &page {
            let Document { id, title, .. } = document;
            file.entry(&json!({ "id": id, "title": title, "key": key_of(&keys, *id) }))?;
        }
    }
    file.end_list()?;
    file.begin_list("bin")?;
    let mut after = None;
    loop {
        let page = store.list_binned_documents(account.id, after, PAGE.into()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let keys = store.list_keys(page.iter().map(|document| document.id)).await?;
        for document in &page {
            let Document { id, title, updated_at, .. } = document;
            let key = key_of(&keys, *id);
            // Nothing changes a document in a bin after its deletion.
            let entry = json!({ "id": id, "title": title, "key": key, "deletedAt": updated_at });
            file.entry(&entry)?;
        }
    }
    file.end_list()?;
    file.finish()
}

/// Returns the key of a document, if it has one.
fn key_of(keys: &HashMap<DocumentId, DocumentKey>, document: DocumentId) -> Option<&str> {
    keys.get(&document).map(DocumentKey::as_str)
}

/// Writes the changes that a user has made in the documents of others, and the versions that they have named in any.
async fn write_contributions(
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

/// Writes the files of one document into a folder of its own.
async fn write_document(store: &Store, document: &Document, folder: &Path) -> anyhow::Result<()> {
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

fn identity_json(identity: &KnownIdentity) -> Value {
    let KnownIdentity { issuer, subject, name, email, created_at } = identity;
    json!({
        "issuer": issuer, "subject": subject, "name": name, "email": email, "createdAt": created_at,
    })
}

fn grant_json(grant: &ReceivedGrant) -> Value {
    let ReceivedGrant { document, title, level, granted_at, ends_at } = grant;
    json!({
        "documentId": document,
        "title": title,
        "level": level_name(*level),
        "grantedAt": granted_at,
        "endsAt": ends_at,
    })
}

fn entitlement_json(entitlement: &ReceivedEntitlement) -> Value {
    let ReceivedEntitlement { document, title, kind, level, ends_at } = entitlement;
    let source = match kind {
        EntitlementKind::Token => "TOKEN",
        EntitlementKind::Answer => "ANSWER",
        EntitlementKind::Link => "LINK",
    };
    json!({
        "documentId": document,
        "title": title,
        "source": source,
        "level": level_name(*level),
        "endsAt": ends_at,
    })
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

fn named_json(named: &NamedVersion) -> Value {
    let NamedVersion { version, name, named_by, named_at } = named;
    json!({ "version": version, "name": name, "namedById": named_by, "namedAt": named_at })
}

fn change_json(change: &Change) -> serde_json::Result<Value> {
    let delta = change.delta.as_deref().map(serde_json::to_value).transpose()?;
    Ok(json!({
        "version": change.version,
        "authorId": change.author.as_ref().map(|author| author.id),
        "at": change.at,
        "kind": kind_name(change.kind),
        "title": change.title,
        "delta": delta,
    }))
}

fn user_json(user: &User) -> Value {
    json!({ "id": user.id, "name": user.name })
}

/// Returns the name that the schema has for a level.
fn level_name(level: AccessLevel) -> &'static str {
    match level {
        AccessLevel::View => "VIEW",
        AccessLevel::Edit => "EDIT",
        AccessLevel::Owner => "OWNER",
    }
}

/// Returns the name that the schema has for a kind of change.
fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Edited => "EDITED",
        ChangeKind::Renamed => "RENAMED",
        ChangeKind::Deleted => "DELETED",
        ChangeKind::Compacted => "COMPACTED",
        ChangeKind::Resync => "RESYNC",
    }
}
