//! Writes the current state of unwritten entries to Redis.
//!
//! The keeper calls one function after another, so two commands for one entry never run concurrently.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};

use super::{
    entry_key::EntryKey,
    nodes::NodeMember,
    shared::{MAX_CONCURRENT, RosterShared},
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
    let writes =
        keys.iter().map(|key| async move { (*key, write_entry(shared, *key, evictor).await) });
    let written: Vec<_> = stream::iter(writes).buffer_unordered(MAX_CONCURRENT).collect().await;
    let mut failure = None;
    for (key, written) in written {
        match written {
            Ok(()) => {}
            // A retry would not help. The entry is written again when it next changes.
            Err(CommandError::Rejected(error)) => {
                tracing::error!(%error, "Redis rejected an entry of the shared roster");
            }
            Err(error) => {
                shared.unwritten.lock().mark_changed(key);
                failure = Some(error);
            }
        }
    }
    failure.map_or(Ok(true), Err)
}

/// Writes one entry: its current state if it exists on this node, otherwise its removal.
async fn write_entry(
    shared: &RosterShared,
    key: EntryKey,
    evictor: &dyn SessionEvictor,
) -> Result<(), CommandError> {
    let incarnation = shared.member.read().incarnation;
    match key {
        EntryKey::Presence(document, session) => {
            if let Some(presence) = shared.local.find_entry(document, session) {
                return shared.commands.enter(&PresenceEntry { incarnation, presence }).await;
            }
        }
        EntryKey::Slot(user, session) => {
            if shared.local.find_owner(session).is_some() {
                let limit = shared.slot_limit.load(Ordering::Relaxed);
                if !shared.commands.take_slot(user, session, incarnation, limit).await? {
                    shared.metrics.session_over_limit();
                    evictor.evict(session);
                }
                return Ok(());
            }
        }
    }
    for incarnation in shared.incarnations() {
        remove_entry(shared, key, incarnation).await?;
    }
    Ok(())
}

/// Removes an entry if this incarnation wrote it. Returns whether it did.
pub(super) async fn remove_entry(
    shared: &RosterShared,
    key: EntryKey,
    incarnation: Incarnation,
) -> Result<bool, CommandError> {
    match key {
        EntryKey::Presence(document, session) => {
            shared.commands.exit(document, session, incarnation).await
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
