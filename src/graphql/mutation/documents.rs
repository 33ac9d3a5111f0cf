//! Creating, editing and deleting documents.
//!
//! An edit of an existing document goes through its room, which stores edits one after the other and publishes them.

use std::sync::Arc;

use async_graphql::{Context, ID, MaybeUndefined, Object};

use super::{
    bodies::mismatch,
    edit::{edit_request, take_edit},
};
use crate::{
    domain::{
        AccessLevel, Content, Delta, Document, DocumentKey, InvalidInput, Metadata, Text, Title,
        Version,
    },
    editing::{
        DocumentBody, EditError, EditKind, MergeError, Replica, StoredEdit, loader::off_thread,
    },
    graphql::{
        ApiError,
        access::{Admitted, document_id, require_to_edit},
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        loaders::loaders,
        types::{
            Base64, BodyKindType, DeltaOpInput, DocumentType, EditPayload, JsonObject, JsonValue,
        },
    },
    room::{DocumentDraft, DraftContent},
    store::StoreError,
};

/// The most steps of a delta. Every subscriber receives each of them.
const MAX_STEPS: usize = 10_000;

/// Mutations of documents.
#[derive(Default)]
pub(super) struct DocumentMutations;

#[Object]
impl DocumentMutations {
    /// Creates a document that the caller owns. `metadata` is a JSON object of at most 16 KiB, 64 members and 8 levels.
    /// `key` is a name that the application chooses, for use wherever the id of a document can be sent: 1 to 200 ASCII letters,
    /// digits, `-`, `_`, `.`, `:` and `/`. Fails with `CONFLICT` if another document has the key.
    ///
    /// The document begins with a text (`content`), with the content of a root type of Yjs (`body`, as for `replaceBody`; `root` is
    /// `content` unless it is given), or with a Yjs v1 update (`update`, as for `applyUpdate`). Send one of them, or none. `root` names
    /// the root type that is the body for good, whatever else is written into the document: `content`, `body` and `replaceBody` are about
    /// it.
    #[allow(clippy::too_many_arguments, reason = "the schema names each of them")]
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn create_document(
        &self,
        ctx: &Context<'_>,
        title: String,
        #[graphql(default_with = "Some(String::new())")] content: Option<String>,
        metadata: Option<JsonObject>,
        key: Option<String>,
        body: Option<JsonValue>,
        root: Option<String>,
        kind: Option<BodyKindType>,
        update: Option<Base64>,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        let owner = caller(ctx).user()?;
        take_edit(ctx, None).await?;
        let title = Title::new(&title)?;
        let content = Text::new(content.unwrap_or_default(), api.limits.document)?;
        let has_text = !content.as_str().is_empty();
        if usize::from(has_text) + usize::from(body.is_some()) + usize::from(update.is_some()) > 1 {
            let message = "A document begins with one content. Provide `content`, `body` or `update`, not several of them.";
            return Err(InvalidInput::new(message).into());
        }
        let named = root.as_deref();
        check_body_name(named, has_text)?;
        let known = Content::from(content.as_str());
        let (content, known) = match (body, update) {
            (Some(JsonValue(json)), _) => {
                let name = named.unwrap_or(Replica::TEXT_ROOT);
                let (name, kind) = (name.to_owned(), kind.map(Into::into));
                let read = move || DocumentBody::new(&name, kind, json);
                let body = off_thread(usize::MAX, read).await?.map_err(mismatch)?;
                (DraftContent::Body(body), None)
            }
            (None, Some(Base64(update))) => (DraftContent::Update(update), None),
            (None, None) => (DraftContent::Text(content), Some(known.into())),
        };
        let metadata = checked_metadata(metadata)?.unwrap_or_default();
        let key = key.as_deref().map(DocumentKey::new).transpose()?;
        let draft = DocumentDraft { title, content, body: root, metadata, key };
        let document = api.rooms.create(owner.id, draft).await.map_err(creation_error)?;
        Ok(DocumentType {
            owner: Some(owner.clone()),
            content: known,
            ..DocumentType::new(document, AccessLevel::Owner)
        })
    }

    /// Changes the title, the metadata, the text, or several of them. `metadata` replaces the whole object. The server merges
    /// `content` as its difference from the text at `baseVersion`, so that what others have changed since then is kept.
    /// `baseVersion` defaults to the current version. Choose a unique `mutationId` to make retries safe: an edit with the same
    /// `mutationId` is stored once and answered as the first time. Requires `EDIT`.
    ///
    /// `key` gives the document another key, and null removes it. It is changed alone, without the other arguments, makes no
    /// version, and requires `OWNER`. Fails with `CONFLICT` if another document has the key.
    #[allow(clippy::too_many_arguments, reason = "the schema names each of them")]
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn update_document(
        &self,
        ctx: &Context<'_>,
        id: ID,
        title: Option<String>,
        content: Option<String>,
        metadata: Option<JsonObject>,
        key: MaybeUndefined<String>,
        base_version: Option<i64>,
        mutation_id: Option<ID>,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx, Some(&id)).await?;
        if !key.is_undefined() {
            let others = title.is_some() || content.is_some() || metadata.is_some();
            if others || base_version.is_some() || mutation_id.is_some() {
                let message = "The key is changed alone. Send it in a mutation of its own.";
                return Err(InvalidInput::new(message).into());
            }
            return change_key(ctx, &id, key.value().map(String::as_str)).await;
        }
        let (before, admitted) = load_to_update(ctx, &id).await?;
        if title.is_none() && content.is_none() && metadata.is_none() {
            let message = "There is nothing to change. Provide `title`, `content`, `metadata`, or several of them.";
            return Err(InvalidInput::new(message).into());
        }
        let kind = EditKind::Replace {
            title: title.as_deref().map(Title::new).transpose()?,
            metadata: checked_metadata(metadata)?,
            content: content.map(|text| Text::new(text, api.limits.document)).transpose()?,
            base: base_version.map(base).transpose()?,
        };
        let request = edit_request(ctx, &admitted, mutation_id, kind)?;
        // Nothing after this may fail: the edit has been stored, and an error would claim the opposite.
        let StoredEdit { version, title, at, content, .. } = api.rooms.edit(request).await?;
        loaders(ctx)?.forget_metadata();
        let document = Document { version, title, updated_at: at, ..before };
        Ok(DocumentType {
            content: content.map(Into::into),
            ..DocumentType::new(document, admitted.level)
        })
    }

    /// Applies `delta`, which is based on the text at `baseVersion`, and merges it with all changes that were accepted
    /// since. A successful answer means that the edit is stored. Choose a unique `mutationId` to make retries safe: an
    /// edit with the same `mutationId` is stored once and answered as the first time. A delta has at most 10,000 steps,
    /// and at most 1 MiB of JSON in its attributes and embedded objects. Requires `EDIT`.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn edit_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        base_version: i64,
        delta: Vec<DeltaOpInput>,
        mutation_id: Option<ID>,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require_to_edit(ctx, &document_id, AccessLevel::Edit).await?;
        let delta = Arc::new(checked(delta)?);
        let kind = EditKind::Edit { base: base(base_version)?, delta };
        let request = edit_request(ctx, &admitted, mutation_id, kind)?;
        let stored = api(ctx)?.rooms.edit(request).await?;
        Ok(EditPayload::at(stored.version))
    }

    /// Deletes a document for all users, and ends all subscriptions to it. It is in the bin of its owner then, who can bring it back
    /// with `undelete`. It is deleted for good with `purge`, or after `store.bin_kept` (30 days by default). Requires `OWNER`.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn delete_document(&self, ctx: &Context<'_>, id: ID) -> Result<bool, ApiError> {
        take_edit(ctx, Some(&id)).await?;
        let admitted = match require_to_edit(ctx, &id, AccessLevel::Owner).await {
            Err(ApiError::Store(StoreError::Denied)) => {
                return Err(deletion_denied(ctx, &id).await?);
            }
            admitted => admitted?,
        };
        let request = edit_request(ctx, &admitted, None, EditKind::Delete)?;
        api(ctx)?.rooms.edit(request).await?;
        Ok(true)
    }
}

/// Returns why the caller may not delete a document.
async fn deletion_denied(ctx: &Context<'_>, id: &ID) -> Result<ApiError, ApiError> {
    let owner = caller(ctx).user()?.id;
    let document = document_id(ctx, id).await?;
    match api(ctx)?.store.is_in_bin(owner, document).await? {
        true => Ok(ApiError::InBin),
        false => Ok(StoreError::Denied.into()),
    }
}

/// Returns the current document and the caller, who may edit it. The check of access counts in the metrics.
///
/// # Errors
/// The caller is not signed in, `id` is neither an id nor a key, the caller may not edit the document, or the store failed.
async fn load_to_update<'a>(
    ctx: &Context<'a>,
    id: &ID,
) -> Result<(Document, Admitted<'a>), ApiError> {
    let user = caller(ctx).user()?;
    let rooms = &api(ctx)?.rooms;
    let (document, level) =
        rooms.read_document(user.id, document_id(ctx, id).await?, AccessLevel::Edit).await?;
    let admitted = Admitted { user, document: document.id, level };
    Ok((document, admitted))
}

/// Gives a document another key, or none.
///
/// # Errors
/// The caller does not have owner access, the key is not valid or another document has it, or the store failed.
async fn change_key(
    ctx: &Context<'_>,
    id: &ID,
    key: Option<&str>,
) -> Result<DocumentType, ApiError> {
    let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
    let document = document_id(ctx, id).await?;
    let (document, access) = api.rooms.read_document(user, document, AccessLevel::Owner).await?;
    let key = key.map(DocumentKey::new).transpose()?;
    api.store.set_key(user, document.id, key.as_ref()).await?;
    loaders(ctx)?.forget_keys();
    Ok(DocumentType::new(document, access))
}

/// Returns the error of a document that was not created.
fn creation_error(error: EditError) -> ApiError {
    match error {
        EditError::Merge(MergeError::Unrelated) => InvalidInput::new(
            "`update` has changes with client ids above 4294967295, which only servers use. Give its Yjs clients smaller ids, or create the \
             document with its `body`.",
        )
        .into(),
        error => error.into(),
    }
}

/// Checks the name of the body of a new document.
///
/// # Errors
/// No root type can have it, or the document begins with a text, which is in the root type `content`.
fn check_body_name(name: Option<&str>, has_text: bool) -> Result<(), InvalidInput> {
    let Some(name) = name else { return Ok(()) };
    if !DocumentBody::is_root_name(name) {
        let most = DocumentBody::MAX_ROOT_NAME;
        return Err(InvalidInput::new(format!(
            "`root` is {name:?}. Use a name of 1 to {most} bytes other than \"coscribe\"."
        )));
    }
    if has_text && name != Replica::TEXT_ROOT {
        return Err(InvalidInput::new(
            "A text (`content`) is in the root type \"content\". Leave `root` out, or provide `body`.",
        ));
    }
    Ok(())
}

/// Returns the metadata that a client has sent, if any.
///
/// # Errors
/// It is not valid.
fn checked_metadata(metadata: Option<JsonObject>) -> Result<Option<Metadata>, InvalidInput> {
    metadata.map(|object| object.metadata()).transpose()
}

/// Returns the delta with these steps.
///
/// # Errors
/// There are too many steps, a step is not valid, the delta inserts U+0000, or its formats and embedded objects are too large.
fn checked(steps: Vec<DeltaOpInput>) -> Result<Delta, ApiError> {
    if steps.len() > MAX_STEPS {
        return Err(InvalidInput::new(format!(
            "The delta has {} steps; at most {MAX_STEPS} are allowed. Split it into several edits, or send the whole \
             text with `updateDocument`.",
            steps.len()
        ))
        .into());
    }
    let steps = steps.into_iter().enumerate().map(|(index, step)| step.step(index));
    let delta = Delta::from_steps(steps.collect::<Result<Vec<_>, _>>()?)?;
    if delta.inserts(|text| text.contains('\0')) {
        return Err(InvalidInput::new("The delta inserts a NUL character. Remove it.").into());
    }
    if delta.rich_bytes() > Delta::MAX_RICH_BYTES {
        return Err(InvalidInput::new(format!(
            "The attributes and embedded objects of the delta have {} bytes of JSON; at most {} are allowed. Split it into several \
             edits, or embed addresses of what is kept elsewhere.",
            delta.rich_bytes(),
            Delta::MAX_RICH_BYTES
        ))
        .into());
    }
    Ok(delta)
}

/// Returns the version that an edit is based on. 0 is the empty text before the first version.
fn base(version: i64) -> Result<Version, InvalidInput> {
    if version < 0 {
        return Err(InvalidInput::new(format!(
            "`baseVersion` is {version}. Use the version that the edit is based on."
        )));
    }
    Ok(Version::new(version))
}
