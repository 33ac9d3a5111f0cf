//! Entries that several files of an export have, as JSON.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    domain::{AccessLevel, Change, ChangeKind, DocumentId, DocumentKey, User},
    store::NamedVersion,
};

/// Returns the key of a document, if it has one.
pub(super) fn key_of(
    keys: &HashMap<DocumentId, DocumentKey>,
    document: DocumentId,
) -> Option<&str> {
    keys.get(&document).map(DocumentKey::as_str)
}

pub(super) fn named_json(named: &NamedVersion) -> Value {
    let NamedVersion { version, name, named_by, named_at } = named;
    json!({ "version": version, "name": name, "namedById": named_by, "namedAt": named_at })
}

pub(super) fn change_json(change: &Change) -> serde_json::Result<Value> {
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

pub(super) fn user_json(user: &User) -> Value {
    json!({ "id": user.id, "name": user.name })
}

/// Returns the name that the schema has for a level.
pub(super) fn level_name(level: AccessLevel) -> &'static str {
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
