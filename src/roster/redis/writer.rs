//! Writes the current state of unwritten entries to Redis.
//!
//! Each entry is written twice: when it has changed, and once more after the length of a lease. In a Redis
//! Cluster, the primary that has the entry may fail before its replica has received the write. The
//! keeper's other commands go to other primaries, so it might not notice.
//!
//! The keeper calls one function after another, so two commands for one entry never run concurrently.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    commands::WriteKind,
    entry_key::EntryKey,
    nodes::NodeMember,
    orphans,
    shared::{MAX_CONCURRENT, RosterShared},
    unwritten::WrittenEntry,
};
use crate::{
    redis::CommandError,
    roster::SessionEvictor,
    wire::envelope::{Incarnation, PresenceEntry},
};

/// The most entries that are written before the keeper checks its lease again.
pub(super) const MAX_ROUND: usize = 256;

/// Marks all entries for writing that this node has in Redis or should have there.
pub(super) async fn mark_all_changed(
    shared: &RosterShared,
    member: NodeMember,
) -> Result<(), CommandError> {
    let stored = shared.commands.list_entries(member.incarnation).await?;
    let mut unwritten = shared.unwritten.lock();
    for key in stored {
        unwritten.mark_changed(key);
    }
    for (user, session) in shared.local.list_slots() {
        unwritten.mark_changed(EntryKey::Slot(user, session));
    }
    for (document, session) in shared.local.list_present() {
        unwritten.mark_changed(EntryKey::Presence(document, session));
    }
    Ok(())
}

/// Writes the next round of changed entries. Returns whether there were any. Sessions that exceed their
/// user's limit are evicted.
///
/// # Errors
/// [`CommandError::BackingOff`] or [`CommandError::Failed`]. The entries that failed stay unwritten.
pub(super) async fn write_changed(
    shared: &RosterShared,
    evictor: &dyn SessionEvictor,
) -> Result<bool, CommandError> {
    let keys = shared.unwritten.lock().take_changed(MAX_ROUND);
    if keys.is_empty() {
        return Ok(false);
    }
    let writes = keys.into_iter().map(|key| async move {
        let is_present = is_local(shared, key);
        let written = write_entry(shared, key, WriteKind::Change, evictor).await;
        (key, written.map(|()| shared.mark_written(key, is_present)))
    });
    let written: Vec<_> = stream::iter(writes).buffer_unordered(MAX_CONCURRENT).collect().await;
    let mut failure = None;
    for (key, written) in written {
        // A retry of a rejected write would not help. The entry is written again when it next changes.
        if let Err(error) = unless_rejected(written) {
            shared.unwritten.lock().mark_changed(key);
            failure = Some(error);
        }
    }
    failure.map_or(Ok(true), Err)
}

/// Writes the next round of entries once more that were written the length of a lease ago. Returns whether
/// there were any.
///
/// # Errors
/// [`CommandError::BackingOff`] or [`CommandError::Failed`]. The entries that failed stay unconfirmed.
pub(super) async fn confirm_written(
    shared: &RosterShared,
    evictor: &dyn SessionEvictor,
) -> Result<bool, CommandError> {
    let due = shared.unwritten.lock().take_unconfirmed(MAX_ROUND, Instant::now());
    if due.is_empty() {
        return Ok(false);
    }
    let writes = due
        .into_iter()
        .map(|written| async move { (written, confirm_entry(shared, written, evictor).await) });
    let confirmed: Vec<_> = stream::iter(writes).buffer_unordered(MAX_CONCURRENT).collect().await;
    let mut failure = None;
    for (written, confirmed) in confirmed {
        if let Err(error) = unless_rejected(confirmed) {
            shared.unwritten.lock().put_back_unconfirmed(written);
            failure = Some(error);
        }
    }
    failure.map_or(Ok(true), Err)
}

async fn confirm_entry(
    shared: &RosterShared,
    written: WrittenEntry,
    evictor: &dyn SessionEvictor,
) -> Result<(), CommandError> {
    // An entry that has changed since is about to be written, and Redis may rightly have another state.
    if is_local(shared, written.key) != written.is_present {
        return Ok(());
    }
    write_entry(shared, written.key, WriteKind::Confirmation, evictor).await
}

/// Logs a command that Redis rejected. Returns every other error.
fn unless_rejected(written: Result<(), CommandError>) -> Result<(), CommandError> {
    if let Err(CommandError::Rejected(error)) = &written {
        tracing::error!(%error, "Redis rejected an entry of the shared roster");
        return Ok(());
    }
    written
}

/// Returns whether this node has the entry.
fn is_local(shared: &RosterShared, key: EntryKey) -> bool {
    match key {
        EntryKey::Presence(document, session) => {
            shared.local.find_entry(document, session).is_some()
        }
        EntryKey::Slot(_, session) => shared.local.find_owner(session).is_some(),
    }
}

/// Writes one entry: its current state if it exists on this node, otherwise its removal.
async fn write_entry(
    shared: &RosterShared,
    key: EntryKey,
    kind: WriteKind,
    evictor: &dyn SessionEvictor,
) -> Result<(), CommandError> {
    let incarnation = shared.member.read().incarnation;
    match key {
        EntryKey::Presence(document, session) => {
            if let Some(presence) = shared.local.find_entry(document, session) {
                return shared.commands.enter(&PresenceEntry { incarnation, presence }, kind).await;
            }
        }
        EntryKey::Slot(user, session) => {
            if shared.local.find_owner(session).is_some() {
                let limit = shared.slot_limit.load(Ordering::Relaxed);
                if !orphans::take_slot(shared, user, session, incarnation, limit).await? {
                    shared.metrics.session_over_limit();
                    evictor.evict(session);
                }
                return Ok(());
            }
        }
    }
    for incarnation in shared.incarnations() {
        remove_entry(shared, key, incarnation, kind).await?;
        if kind == WriteKind::Confirmation {
            shared.commands.unindex(incarnation, key).await?;
        }
    }
    Ok(())
}

/// Removes an entry if this incarnation wrote it. Returns whether it did.
pub(super) async fn remove_entry(
    shared: &RosterShared,
    key: EntryKey,
    incarnation: Incarnation,
    kind: WriteKind,
) -> Result<bool, CommandError> {
    match key {
        EntryKey::Presence(document, session) => {
            shared.commands.exit(document, session, incarnation, kind).await
        }
        EntryKey::Slot(user, session) => {
            shared.commands.release_slot(user, session, incarnation).await
        }
    }
}

/// Writes the entries whose cursor moved.
pub(super) async fn write_cursors(shared: &RosterShared) -> Result<(), CommandError> {
    let moved = shared.unwritten.lock().take_moved();
    let incarnation = shared.member.read().incarnation;
    let entries: Vec<_> = moved
        .into_iter()
        .filter_map(|key| {
            let EntryKey::Presence(document, session) = key else { return None };
            let presence = shared.local.find_entry(document, session)?;
            Some(PresenceEntry { incarnation, presence })
        })
        .collect();
    // A failed cursor is not retried. The next move writes a newer one.
    for round in entries.chunks(MAX_ROUND) {
        shared.commands.touch(round).await?;
    }
    Ok(())
}
