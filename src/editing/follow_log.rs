//! Brings the document of a turn up to date with what other nodes stored.
//!
//! Changes that other nodes published are applied as they are; the rest is read from the change log. If the log no longer
//! holds what follows the head, the turn notes a gap and continues at the present head.
//!
//! A database that was restored or failed over may have lost the head, and may have another change under its number. A
//! version is therefore compared by its number and by the time at which it was stored. If the head is lost, the turn
//! restarts at the stored one (docs/adr/0023-lost-changes.md).

use std::sync::Arc;

use super::{
    LoadError,
    loader::{MAX_INLINE_BYTES, MAX_PAGE_BYTES},
    log_tail::are_consecutive,
    turn_document::{RestartCause, TurnDocument},
    turn_exchange::MissedChanges,
};
use crate::{
    domain::{Change, ChangeKind, Content, Party, Version},
    store::{DocumentLock, Head},
};

/// Appends published changes, which follow the head, then reads what is missing. `lock` is the document's lock if the turn
/// has it.
///
/// # Errors
/// The log could not be read.
pub(super) async fn follow_missed(
    document: &mut TurnDocument,
    MissedChanges { published, up_to, must_verify }: MissedChanges,
    lock: &mut Option<DocumentLock>,
) -> Result<(), LoadError> {
    // After a deletion, only the database shows whether the document was brought back meanwhile.
    let is_deleted = published.iter().any(|change| change.kind == ChangeKind::Deleted);
    if must_verify || is_deleted || !follow_head(&published, document.head()) {
        return follow_log(document, lock).await;
    }
    document.note_relayed(&published);
    if let Some(head) = document.head().map(|head| head.version)
        && let Err(error) = append_page(document, head, published).await
    {
        // The published changes may be wrong, or their text could not be loaded. The log has the same changes.
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "published changes could not be applied; reading the log");
        document.drop_replica();
    }
    if document.head().is_some_and(|head| head.version < up_to) {
        follow_log(document, lock).await?;
    }
    Ok(())
}

/// Whether these changes follow the head and each other in the same history, as far as they say.
fn follow_head(changes: &[Change], head: Option<&Head>) -> bool {
    let mut last = head.map(|head| head.at);
    changes.iter().all(|change| {
        let before = last.replace(change.at);
        before.zip(change.previous_at).is_none_or(|(before, previous)| before == previous)
    })
}

/// Reads everything that the log has after the head. A replica that holds something not stored must be dropped first.
/// `lock` is the document's lock if the turn has it. It is given up if the head is lost.
///
/// # Errors
/// The log could not be read.
pub(super) async fn follow_log(
    document: &mut TurnDocument,
    lock: &mut Option<DocumentLock>,
) -> Result<(), LoadError> {
    let (store, id) = (document.context().store.clone(), document.context().document);
    let stored = store.find_head(id).await?;
    if !is_head_lost(document, stored.as_ref()).await? {
        return follow_to(document, stored).await;
    }
    // During a failover, a connection for reading may return an old head. The head read under the lock is the present one.
    let (held, is_own) = match lock.take() {
        Some(held) => (held, true),
        None => (store.lock_document(id).await?, false),
    };
    if is_head_lost(document, held.head()).await? {
        return restart(document, held).await;
    }
    let stored = held.head().cloned();
    *lock = Some(held).filter(|_| is_own);
    follow_to(document, stored).await
}

/// Begins again at the head that the lock shows, because the database has lost the head here. Gives the lock up.
///
/// # Errors
/// The snapshots of lost versions could not be deleted.
pub(super) async fn restart(
    document: &mut TurnDocument,
    lock: DocumentLock,
) -> Result<(), LoadError> {
    let stored = lock.head().cloned();
    let cause = restart_cause(document, stored.as_ref()).await?;
    lock.delete_lost_snapshots().await?;
    document.restart_at(stored, cause);
    Ok(())
}

/// Returns why the database does not have the head.
async fn restart_cause(
    document: &TurnDocument,
    stored: Option<&Head>,
) -> Result<RestartCause, LoadError> {
    let (Some(stored), Some((version, at))) = (stored, document.confirmed()) else {
        return Ok(RestartCause::Lost);
    };
    let is_kept = if stored.version > version {
        let context = document.context();
        let found = context.store.find_change_time(context.document, version).await?;
        // The log may no longer have it.
        found.is_none_or(|found| found == at)
    } else {
        (stored.version, stored.at) == (version, at)
    };
    Ok(if is_kept { RestartCause::Contradicted } else { RestartCause::Lost })
}

/// Whether the database has lost the head, so that the stored head does not follow it.
///
/// # Errors
/// The log could not be read.
pub(super) async fn is_head_lost(
    document: &TurnDocument,
    stored: Option<&Head>,
) -> Result<bool, LoadError> {
    let Some(head) = document.head() else { return Ok(false) };
    let context = document.context();
    match stored {
        Some(stored) if stored.version > head.version => {
            let at = context.store.find_change_time(context.document, head.version).await?;
            // The log may no longer have it, and has no version 1.
            Ok(at.is_some_and(|at| at != head.at))
        }
        Some(stored) => Ok(!stored.is_same_version(head)),
        // Of a deleted document the log keeps the deletion.
        None => Ok(context.store.find_deletion(context.document).await?.is_none()),
    }
}

/// Reads what the log has after the head, up to the head as it is stored.
///
/// # Errors
/// The log could not be read.
pub(super) async fn follow_to(
    document: &mut TurnDocument,
    stored: Option<Head>,
) -> Result<(), LoadError> {
    let (store, id) = (document.context().store.clone(), document.context().document);
    let Some(stored) = stored else {
        // What was stored before the deletion concerns nobody any more.
        if document.head().is_some() {
            let Some(deletion) = store.find_deletion(id).await? else {
                // It has been brought back since the head was read.
                let stored = store.find_head(id).await?;
                if stored.is_some() {
                    return Box::pin(follow_to(document, stored)).await;
                }
                document.set_head(None);
                return Ok(());
            };
            append_all(document, vec![Change { content: Some(Content::default()), ..deletion }])?;
        }
        document.set_head(None);
        return Ok(());
    };
    let up_to = stored.version;
    while let Some(head) = document.head().map(|head| head.version).filter(|head| *head < up_to) {
        let page = store.list_changes(id, head, up_to, MAX_PAGE_BYTES).await?;
        if page.is_empty() || !are_consecutive(&page, head) {
            document.note_gap();
            break;
        }
        match append_page(document, head, page).await {
            // The text before the page has been forgotten or lost since the page was read, or is too heavy to be loaded.
            Err(LoadError::NotKept | LoadError::TooHeavy(_)) => {
                document.drop_replica();
                document.note_gap();
                break;
            }
            appended => appended?,
        }
    }
    document.set_head(Some(stored));
    Ok(())
}

/// Appends the next changes after the head, each with the text at its version.
async fn append_page(
    document: &mut TurnDocument,
    head: Version,
    page: Vec<Change>,
) -> Result<(), LoadError> {
    let before = document.head_content_in_memory(head);
    // Applying this much would block the thread. The replica is loaded again elsewhere when it is needed.
    if page.iter().map(Change::weight).sum::<usize>() > MAX_INLINE_BYTES {
        document.drop_replica();
    }
    // For the author of what is followed, so that others do not wait for their turns.
    let author = page.iter().find_map(|change| change.author.as_ref());
    let party = author.map_or(document.payer(), |author| Party::User(author.id));
    let context = document.context();
    let page = context.loader.fill(context.document, before, page, party).await?;
    append_all(document, page)?;
    document.note_followed(party);
    Ok(())
}

fn append_all(document: &mut TurnDocument, page: Vec<Change>) -> Result<(), LoadError> {
    for change in page {
        document.advance_replica(&change)?;
        document.append(Arc::new(change));
    }
    Ok(())
}
