//! The opposite of a range of changes, made beside the room: only merging it needs the present document.
//!
//! Both versions are in memory at the same time. One party at a time has two large ones, as for a restoration.

use super::{
    EditError, LoadError, MergeBounds, Reversal,
    edit_costs::merge_limits,
    loader::{DocumentLoader, LoadedReplica, MAX_INLINE_BYTES},
    turn_context::TurnContext,
};
use crate::domain::{Budget, DocumentId, Party, UserId, Version, VersionRange};

/// Cost model: a byte of the later version is read, written and compared.
const LATER_BYTE_COST: usize = 4;

/// Returns the opposite of changes of a document for a user who takes them back. `None` if they have changed no content.
///
/// # Errors
/// [`EditError::Load`] if one of the versions is not kept or cannot be loaded, [`EditError::Busy`], and what refuses a
/// restoration.
pub(crate) async fn load_reversal(
    context: &TurnContext,
    author: UserId,
    VersionRange { from, to }: VersionRange,
) -> Result<Option<Reversal>, EditError> {
    let (loader, party) = (&context.loader, Party::User(author));
    let previous = (from > Version::FIRST).then(|| from.previous());
    let small = small_versions(loader, context.document, [previous, Some(to)], party).await?;
    let (before, after, turn) = match small {
        Some([before, Some(after)]) => (before, after, None),
        _ => {
            let turn = loader.turn_to_earlier(party).await?;
            let before = match previous {
                Some(previous) => Some(loader.replica(context.document, previous, party).await?),
                None => None,
            };
            (before, loader.replica(context.document, to, party).await?, Some(turn))
        }
    };
    let LoadedReplica { replica: after, memory, .. } = after;
    // Always on another thread: a small text may take long to be compared.
    let weight = MAX_INLINE_BYTES
        + 1
        + before.as_ref().map_or(0, |before| before.replica.weight())
        + LATER_BYTE_COST.saturating_mul(after.weight());
    let bounds = merge_limits(context);
    let work = move |budget: &Budget| {
        let bounds: MergeBounds = bounds(budget);
        let earlier = before.as_ref().map(|before| &before.replica);
        let reversal = Reversal::between(earlier, after, &bounds);
        // What they take is counted for as long as they exist.
        drop((before, memory, turn));
        reversal
    };
    let reversal = context.permits.run(author, weight, context.apply_within, work).await?;
    Ok(reversal?)
}

/// Loads versions that are all small. `None` if one of them is not.
async fn small_versions<const COUNT: usize>(
    loader: &DocumentLoader,
    document: DocumentId,
    versions: [Option<Version>; COUNT],
    party: Party,
) -> Result<Option<[Option<LoadedReplica>; COUNT]>, LoadError> {
    let mut loaded = [const { None }; COUNT];
    for (version, loaded) in versions.into_iter().zip(&mut loaded) {
        let Some(version) = version else { continue };
        match loader.replica_if_small(document, version, party).await? {
            Some(small) => *loaded = Some(small),
            None => return Ok(None),
        }
    }
    Ok(Some(loaded))
}
