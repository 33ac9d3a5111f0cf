//! Queries of a document's history: who changed it and when, and its text at a version.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{AccessLevel, EditId, InvalidInput, UserId, Version, VersionName, VersionRange},
    editing::{EarlierContent, EditError, EditKind, LoadError},
    graphql::{
        ApiError,
        access::{Admitted, require},
        caller::{api, caller},
        complexity::{DATABASE_READ, TEXT_REBUILD},
        loaders::loaders,
        page_length,
        read_turns::read,
        types::{DocumentText, HistoryConnection},
    },
    store::{NamedVersion, StoreError, invalid_cursor},
};

/// Queries of the history.
#[derive(Default)]
pub(super) struct HistoryQueries;

#[Object]
impl HistoryQueries {
    /// The history of a document, newest first, as far back as the server keeps it. `first` is 1 to 100; pass the
    /// `endCursor` of a page as `after` to get the next one.
    #[graphql(complexity = "DATABASE_READ + page_length::weight(first) * child_complexity")]
    async fn document_history(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<HistoryConnection, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let first = page_length::length(first)?;
        let before = after.as_deref().map(page_cursor).transpose()?;
        let list = api(ctx)?.store.list_history(admitted.document, before, first);
        let page = read(ctx, list).await?;
        Ok(HistoryConnection::new(admitted.document, page, before.is_some()))
    }

    /// A document at a version: its text, and its whole content. A version that does not exist or is no longer kept is `BAD_USER_INPUT`.
    #[graphql(complexity = "TEXT_REBUILD + child_complexity")]
    async fn document_at(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<DocumentText, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let version = existing_version(ctx, &admitted, version).await?;
        match loaders(ctx)?.text(admitted.document, version).await {
            Ok(content) => Ok(DocumentText::new(admitted.document, version, content)),
            Err(ApiError::Load(LoadError::NotKept)) => Err(not_kept(version).into()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the change that restores a document to a version.
///
/// # Errors
/// The version does not exist or is no longer kept, the document has been deleted, or the store failed.
pub(in crate::graphql) async fn restoration(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: i64,
) -> Result<EditKind, ApiError> {
    let (version, content) = earlier_content(ctx, admitted, version).await?;
    Ok(EditKind::Restore { version, content: content.into() })
}

/// Returns the content of a document at a version, for a change of it.
///
/// # Errors
/// As [`restoration`].
pub(in crate::graphql) async fn earlier_content(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: i64,
) -> Result<(Version, EarlierContent), ApiError> {
    let version = existing_version(ctx, admitted, version).await?;
    let (rooms, party) = (&api(ctx)?.rooms, caller(ctx).party());
    match rooms.load_earlier(admitted.document, version, party).await {
        Ok(content) => Ok((version, content)),
        Err(LoadError::NotKept) => Err(not_kept(version).into()),
        Err(error) => Err(error.into()),
    }
}

/// The versions whose changes a client takes back.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct GivenVersions {
    /// The first one. `None` for the first of the history entry.
    pub(in crate::graphql) from: Option<Version>,
    /// The last one.
    pub(in crate::graphql) to: i64,
}

/// Returns the change that takes back what a history entry has changed, up to a version of it. A repetition of one that is stored
/// has no content, since the log answers it.
///
/// # Errors
/// The version does not exist or is no longer kept, its changes are not by `author` or have changed no content, the document has been
/// deleted, or the store failed.
pub(in crate::graphql) async fn reversal(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    GivenVersions { from, to: version }: GivenVersions,
    author: Option<&ID>,
    mutation_id: Option<&ID>,
) -> Result<EditKind, ApiError> {
    let author: Option<UserId> = author.map(|id| id.parse()).transpose()?;
    let version = existing_version(ctx, admitted, version).await?;
    let (rooms, store) = (&api(ctx)?.rooms, &api(ctx)?.store);
    if let Some(id) = mutation_id {
        let edit = [(admitted.user.id, EditId::new(id)?)];
        if !read(ctx, store.find_edits(admitted.document, &edit)).await?.is_empty() {
            let taken = VersionRange { from: from.unwrap_or(version), to: version };
            return Ok(EditKind::TakeBack { taken, names_first: from.is_some(), reversal: None });
        }
    }
    let found = read(ctx, store.find_entry_up_to(admitted.document, version)).await?;
    let entry = found.ok_or_else(|| not_kept(version))?;
    if author.is_some() && author != entry.author.map(|author| author.id) {
        return Err(InvalidInput::new(format!(
            "The changes up to version {version} are not by this author. Query `documentHistory` for the author of each entry."
        ))
        .into());
    }
    if let Some(from) = from
        && !(entry.from..=entry.to).contains(&from)
    {
        return Err(InvalidInput::new(format!(
            "`fromVersion` is not in the history entry of version {version}, which begins at version {}. Take back the changes of one \
             entry at a time.",
            entry.from
        ))
        .into());
    }
    let taken = VersionRange { from: from.unwrap_or(entry.from), to: entry.to };
    match rooms.load_reversal(admitted.user.id, admitted.document, taken).await {
        Ok(Some(reversal)) => {
            let (names_first, reversal) = (from.is_some(), Some(Arc::new(reversal)));
            Ok(EditKind::TakeBack { taken, names_first, reversal })
        }
        Ok(None) => Err(InvalidInput::new(format!(
            "There is nothing to take back: the changes up to version {version} have not changed the content. Choose another \
             entry of `documentHistory`."
        ))
        .into()),
        Err(EditError::Load(LoadError::NotKept)) => Err(InvalidInput::new(format!(
            "The changes up to version {version} can no longer be taken back, because what was before them is no longer kept. \
             Query `documentHistory` for the versions that are."
        ))
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a version of a document a name for the caller.
///
/// # Errors
/// The name is not valid, the version does not exist or is no longer kept, too many versions have names, a quota is used up, or the
/// store failed.
pub(in crate::graphql) async fn named(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: i64,
    name: &str,
) -> Result<NamedVersion, ApiError> {
    let name = VersionName::new(name)?;
    let version = existing_version(ctx, admitted, version).await?;
    let rooms = &api(ctx)?.rooms;
    match rooms.name_version(admitted.user.id, admitted.document, version, name).await {
        Ok(named) => Ok(named),
        Err(LoadError::NotKept) => Err(not_kept(version).into()),
        Err(error) => Err(error.into()),
    }
}

/// Returns a version that the document has or had.
///
/// # Errors
/// It has no such version, it has been deleted, or the store failed.
pub(super) async fn existing_version(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: i64,
) -> Result<Version, ApiError> {
    let (version, head) = (Version::new(version), head_of(ctx, admitted).await?);
    if version < Version::FIRST || version > head {
        return Err(InvalidInput::new(format!(
            "The document has no version {version}. Use a version from 1 to {head}."
        ))
        .into());
    }
    Ok(version)
}

/// Returns the newest version of the document.
///
/// # Errors
/// It has been deleted, or the store failed.
pub(super) async fn head_of(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
) -> Result<Version, ApiError> {
    let head = read(ctx, api(ctx)?.store.find_head(admitted.document)).await?;
    Ok(head.ok_or(StoreError::Denied)?.version)
}

fn not_kept(version: Version) -> InvalidInput {
    InvalidInput::new(format!(
        "Version {version} is no longer kept. Query `documentHistory` for the versions that are."
    ))
}

fn page_cursor(text: &str) -> Result<Version, InvalidInput> {
    text.parse().map(Version::new).map_err(|_no_number| invalid_cursor())
}
