//! The texts at the versions of consecutive changes.

use super::{
    CorruptDocument, LoadError,
    loader::{DocumentLoader, weight},
    worker_thread::off_thread,
};
use crate::domain::{Change, Content, DocumentId, Party};

impl DocumentLoader {
    /// Adds the text at its version to each of these consecutive changes. `before` is the text before the first of them, if it
    /// is in memory; otherwise it is loaded for `party`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn fill(
        &self,
        document: DocumentId,
        before: Option<Content>,
        mut changes: Vec<Change>,
        party: Party,
    ) -> Result<Vec<Change>, LoadError> {
        let Some(first) = changes.first() else { return Ok(changes) };
        let mut content = match before {
            Some(content) => content,
            None => self.content(document, first.version.previous(), party).await?,
        };
        off_thread(weight(&changes), move || {
            for change in &mut changes {
                if let Some(delta) = &change.delta {
                    content =
                        content.apply(delta).map_err(|misfit| CorruptDocument::log(&misfit))?;
                }
                change.content = Some(content.clone());
            }
            Ok(changes)
        })
        .await?
    }
}
