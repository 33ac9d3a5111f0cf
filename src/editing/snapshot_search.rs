//! The snapshot that a document is loaded from: the newest one up to the version, or the content that was kept with the name of
//! the version.

use super::{
    LoadError,
    document_load::{ContentSource, DocumentLoad, LoadClass, Target},
    loader::DocumentLoader,
    worker_thread::MAX_INLINE_BYTES,
};
use crate::{
    domain::{DocumentId, Version},
    store::{FoundSnapshot, Snapshot},
};

impl DocumentLoader {
    /// Reads the newest snapshot at or before the version to load: a large one only with a place and memory. Returns its cost,
    /// too.
    pub(super) async fn snapshot(
        &self,
        loading: &mut DocumentLoad<'_>,
    ) -> Result<(Snapshot, usize), LoadError> {
        let (target, source) = (loading.target, loading.source());
        if loading.class() == LoadClass::Small {
            match self.find_content(target, source, MAX_INLINE_BYTES).await? {
                FoundSnapshot::Whole(snapshot) => {
                    if let Some(admitted) = loading.admit_snapshot(snapshot).await? {
                        return Ok(admitted);
                    }
                }
                FoundSnapshot::TooLarge { bytes } => loading.expect_snapshot(bytes).await?,
            }
        }
        loop {
            let found = self.find_content(target, source, usize::MAX).await?;
            let FoundSnapshot::Whole(snapshot) = found else { return Err(LoadError::NotKept) };
            if let Some(admitted) = loading.admit_snapshot(snapshot).await? {
                return Ok(admitted);
            }
        }
    }

    /// Finds what a document is loaded from, and reads it if it has at most `max_bytes` bytes.
    async fn find_content(
        &self,
        Target { document, version, party }: Target,
        source: ContentSource,
        max_bytes: usize,
    ) -> Result<FoundSnapshot, LoadError> {
        let finding = async {
            match source {
                ContentSource::Log => {
                    self.store().find_small_snapshot(document, version, max_bytes).await
                }
                ContentSource::NamedVersion => {
                    self.store().find_named_content(document, version, max_bytes).await
                }
            }
        };
        self.store().read_for(party, finding).await??.ok_or(LoadError::NotKept)
    }

    /// Whether the version to load has a name, and was not read by it already.
    pub(super) async fn has_named(
        &self,
        Target { document, version, party }: Target,
        source: ContentSource,
    ) -> Result<bool, LoadError> {
        if source == ContentSource::NamedVersion {
            return Ok(false);
        }
        Ok(self.store().read_for(party, self.store().is_named(document, version)).await??)
    }

    pub(super) async fn exists(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<bool, LoadError> {
        let head = self.store().find_head(document).await?;
        Ok(head.is_some_and(|head| head.version >= version))
    }
}
