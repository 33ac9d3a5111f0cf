//! Removes the entries of incarnations that are gone.
//!
//! Normally the index of an incarnation leads to all of its entries. In a Redis Cluster the index and the
//! entries are on different primaries, so a failover may bring back an entry that the index no longer has,
//! or lose the index of an entry that still exists. No node removes such an entry: it is an *orphan*. The
//! node that meets it, because it reads a presence or finds no free slot, removes it.

use futures_util::{StreamExt as _, stream};

use super::{
    commands::{SlotReply, WriteKind},
    shared::{MAX_CONCURRENT, RosterShared},
    writer,
};
use crate::{
    domain::{SessionId, UserId},
    redis::CommandError,
    wire::envelope::Incarnation,
};

/// Takes a slot for a session of this node. If all are taken, first releases those that no session holds.
/// Returns whether one was free.
pub(super) async fn take_slot(
    shared: &RosterShared,
    user: UserId,
    session: SessionId,
    incarnation: Incarnation,
    limit: usize,
) -> Result<bool, CommandError> {
    let commands = &shared.commands;
    let SlotReply::Full(holders) = commands.take_slot(user, session, incarnation, limit).await?
    else {
        return Ok(true);
    };
    let mut is_any_free = false;
    for (holder, incarnation) in holders {
        let is_gone = shared.is_gone(incarnation);
        if is_gone || has_ended_here(shared, holder, incarnation) {
            let is_free = commands.release_slot(user, holder, incarnation).await?;
            is_any_free |= is_free;
            shared.metrics.swept(u64::from(is_gone && is_free));
        }
    }
    if !is_any_free {
        return Ok(false);
    }
    let reply = commands.take_slot(user, session, incarnation, limit).await?;
    Ok(reply == SlotReply::Taken)
}

/// Returns whether a session of this node that took a slot has ended. Its release is still to be written, or was lost.
fn has_ended_here(shared: &RosterShared, holder: SessionId, incarnation: Incarnation) -> bool {
    shared.incarnations().contains(&incarnation) && shared.local.find_owner(holder).is_none()
}

/// Removes the orphans that this node has met. The scripts publish the departures.
///
/// # Errors
/// [`CommandError`]. The node that next meets a remaining orphan removes it.
pub(super) async fn remove_orphans(shared: &RosterShared) -> Result<(), CommandError> {
    let orphans = shared.unwritten.lock().take_orphaned();
    let removals = orphans.into_iter().map(|(key, incarnation)| {
        writer::remove_entry(shared, key, incarnation, WriteKind::Change)
    });
    let removed: Vec<_> = stream::iter(removals).buffer_unordered(MAX_CONCURRENT).collect().await;
    for was_removed in removed {
        shared.metrics.swept(u64::from(was_removed?));
    }
    Ok(())
}
