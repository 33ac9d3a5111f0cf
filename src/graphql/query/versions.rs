//! Queries of what versions of a document differ in, and of who wrote what.

use async_graphql::{Context, ID, Object};

use super::history::{existing_version, head_of};
use crate::{
    domain::{AccessLevel, InvalidInput, Version},
    editing::{document_passages::PassageQuery, version_difference::VersionPair},
    graphql::{
        ApiError,
        access::{Admitted, require},
        answer::answer_budget,
        caller::{api, caller},
        complexity::TEXT_REBUILD,
        loaders::loaders,
        types::{DifferenceType, PassageListType},
    },
    store::invalid_cursor,
};

/// The most passages in an answer.
const MAX_PASSAGES: usize = 500;

/// Queries that compare versions and look for authors.
#[derive(Default)]
pub(super) struct VersionQueries;

#[Object]
impl VersionQueries {
    /// What differs between two versions of a document: its text with formats and embedded objects, XML, maps and arrays. `from` may
    /// be the later one, and 0 is the document before it was created, without content. A version that does not exist or is no longer
    /// kept is `BAD_USER_INPUT`. Requires `VIEW`.
    #[graphql(complexity = "2 * TEXT_REBUILD + child_complexity")]
    async fn compare(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        from: i64,
        to: i64,
    ) -> Result<DifferenceType, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let document = admitted.document;
        let from = version_or_none(ctx, &admitted, from).await?;
        let to = version_or_none(ctx, &admitted, to).await?;
        let (rooms, party) = (&api(ctx)?.rooms, caller(ctx).party());
        let difference = rooms.compare_versions(VersionPair { document, from, to }, party).await?;
        let json = loaders(ctx)?.write(difference.json).await?;
        answer_budget(ctx)?.spend_bytes(json.bytes())?;
        Ok(DifferenceType::new(document, [from, to], json, difference.counts))
    }

    /// Who wrote what: the passages of a document, at its newest version or at `version`, in the order of its content, of one root
    /// type or of all. An answer has at most 500 passages; pass its `endCursor` as `after` to get the next ones, of the same version.
    /// Requires `VIEW`.
    #[graphql(complexity = "2 * TEXT_REBUILD + 20 * child_complexity")]
    async fn passages(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        root: Option<String>,
        version: Option<i64>,
        after: Option<String>,
    ) -> Result<PassageListType, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let document = admitted.document;
        let after = after.as_deref().map(PassageCursor::parse).transpose()?;
        let wanted = match (after, version) {
            (Some(after), Some(version)) if after.version != version => {
                return Err(invalid_cursor().into());
            }
            (Some(after), _) => Some(after.version),
            (None, version) => version,
        };
        let version = match wanted {
            Some(version) => existing_version(ctx, &admitted, version).await?,
            None => head_of(ctx, &admitted).await?,
        };
        let (skip, max) = (after.map_or(0, |after| after.skip), MAX_PASSAGES);
        let (rooms, party) = (&api(ctx)?.rooms, caller(ctx).party());
        let query = PassageQuery { document, version, root, skip, max };
        let found = rooms.find_passages(query, party).await?;
        let end = found.has_next.then(|| PassageCursor::after(version, skip + max));
        Ok(PassageListType::new(document, version, found, end))
    }
}

/// A place in the passages of a document at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PassageCursor {
    version: i64,
    /// The number of passages before it.
    skip: usize,
}

impl PassageCursor {
    fn parse(text: &str) -> Result<Self, InvalidInput> {
        let parts = text.split_once('.');
        let cursor = parts.and_then(|(version, skip)| {
            Some(Self { version: version.parse().ok()?, skip: skip.parse().ok()? })
        });
        cursor.ok_or_else(invalid_cursor)
    }

    fn after(version: Version, skip: usize) -> String {
        format!("{version}.{skip}")
    }
}

/// Returns a version that the document has or had, or version 0, which stands for no content.
///
/// # Errors
/// As [`existing_version`].
async fn version_or_none(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: i64,
) -> Result<Version, ApiError> {
    match version {
        0 => Ok(Version::FIRST.previous()),
        version => existing_version(ctx, admitted, version).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let written = PassageCursor::after(Version::new(12), 500);
        let expected = PassageCursor { version: 12, skip: 500 };
        assert_eq!(PassageCursor::parse(&written).unwrap(), expected);
        for invalid in ["", "12", "12.", ".5", "12.-1", "x.5", "1.2.3"] {
            assert!(PassageCursor::parse(invalid).is_err(), "{invalid}");
        }
    }
}
