//! The file of an account: its identities, what it may open, its groups, and the names of its documents.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    json_entries::{key_of, level_name, user_json},
    page_sizes::PAGE,
};
use crate::{
    domain::{Account, Document},
    operator::json_file::JsonFile,
    store::{EntitlementKind, KnownIdentity, ReceivedEntitlement, ReceivedGrant, Store},
};

/// As many groups as a user can be in.
const ALL_GROUPS: u64 = i64::MAX as u64;

/// Writes the file of an account.
pub(super) async fn write_account(
    store: &Store,
    account: &Account,
    folder: &Path,
) -> anyhow::Result<()> {
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
