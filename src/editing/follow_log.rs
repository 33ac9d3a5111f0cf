//! Brings the document of a turn up to date with what other nodes stored.
//!
//! Changes that other nodes published are applied as they are; the rest is read from the change log. If the log no longer
//! holds what follows the head, the turn notes a gap and continues at the present head.

use std::sync::Arc;

use super::{
    LoadError,
    loader::{MAX_INLINE_BYTES, MAX_PAGE_BYTES, are_consecutive},
    turn_document::TurnDocument,
};
use crate::{
    domain::{Change, Content, Version},
    store::Head,
};

/// Appends published changes, which follow the head, then reads what is missing up to a version.
///
/// # Errors
/// The log could not be read.
pub(super) async fn follow_published(
    document: &mut TurnDocument,
    published: Vec<Change>,
    up_to: Version,
) -> Result<(), LoadError> {
    if let Some(head) = document.head().map(|head| head.version)
        && let Err(error) = append_page(document, head, published).await
    {
        // The published changes may be wrong, or their text could not be loaded. The log has the same changes.
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "published changes could not be applied; reading the log");
        document.drop_replica();
    }
    if document.head().is_some_and(|head| head.version < up_to) {
        follow_log(document).await?;
    }
    Ok(())
}

/// Reads everything that the log has after the head. A replica that holds something not stored must be dropped first.
///
/// # Errors
/// The log could not be read.
pub(super) async fn follow_log(document: &mut TurnDocument) -> Result<(), LoadError> {
    let context = document.context();
    let stored = context.store.find_head(context.document).await?;
    follow_to(document, stored).await
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
    let up_to = stored.as_ref().map_or(Version::new(i64::MAX), |stored| stored.version);
    while let Some(head) = document.head().map(|head| head.version).filter(|head| *head < up_to) {
        let mut page = store.list_changes(id, head, up_to, MAX_PAGE_BYTES).await?;
        if stored.is_none() {
            // Of a deleted document the log keeps only the deletion.
            if page.is_empty() {
                break;
            }
            for change in &mut page {
                change.content = Some(Content::default());
            }
            append_all(document, page)?;
        } else if page.is_empty() || !are_consecutive(&page, head) {
            document.note_gap();
            break;
        } else {
            append_page(document, head, page).await?;
        }
    }
    document.set_head(stored);
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
    let context = document.context();
    let page = context.loader.fill(context.document, before, page).await?;
    append_all(document, page)
}

fn append_all(document: &mut TurnDocument, page: Vec<Change>) -> Result<(), LoadError> {
    for change in page {
        document.advance_replica(&change)?;
        document.append(Arc::new(change));
    }
    Ok(())
}
