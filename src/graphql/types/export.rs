//! A whole document, for those who take their data elsewhere.

use async_graphql::{Context, ID, Object};

use super::{Base64, id::id};
use crate::{
    domain::Document,
    graphql::{
        ApiError,
        answer::Encoded,
        complexity::{CONTENT, TEXT_REBUILD},
        loaders::loaders,
    },
};

/// A whole document at one version.
pub(in crate::graphql) struct DocumentExport(pub(in crate::graphql) Document);

/// A whole document at one version.
#[Object]
impl DocumentExport {
    /// The id of the document.
    async fn document_id(&self) -> ID {
        id(self.0.id.uuid())
    }

    /// The title at `version`.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The version.
    async fn version(&self) -> i64 {
        self.0.version.number()
    }

    /// The plain text of the body at `version`, whatever its type, as `content` of a document.
    #[graphql(complexity = "CONTENT")]
    async fn text(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        loaders(ctx)?.text(self.0.id, self.0.version).await
    }

    /// The content at `version` as a JSON object in a string. `ops` is the text in the Quill Delta format, with its formats and
    /// embedded objects. `roots` has the other root types of the Yjs document by their names, if they have content: a map is an
    /// object, a list is a list, another text is a list of steps like `ops`, and XML has the shape of ProseMirror's JSON: nodes with
    /// `type`, `attrs` and `content`, and texts with `text` and `marks`.
    #[graphql(complexity = "TEXT_REBUILD")]
    async fn json(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        loaders(ctx)?.json(self.0.id, self.0.version).await
    }

    /// The whole Yjs document at `version` as one Yjs v1 update.
    #[graphql(complexity = "TEXT_REBUILD")]
    async fn update(&self, ctx: &Context<'_>) -> Result<Encoded<Base64>, ApiError> {
        loaders(ctx)?.update(self.0.id, self.0.version).await
    }
}
