//! Where many documents stand at once: what a node compares what it knows with.

use std::collections::HashMap;

use entity::{document, document_access};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Store, StoreError, rows};
use crate::domain::{AccessLevel, DocumentId, UserId, Version};

/// So many documents, or users, are asked for in one question.
const MAX_DOCUMENTS: usize = 500;

/// What a document is at. Both numbers only grow, a deletion makes both grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadVersions {
    /// The version of its last change.
    pub version: Version,
    /// How often somebody's access to it was changed.
    pub access_version: i64,
}

impl Store {
    /// What these documents are at, those that were deleted too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_marks(
        &self,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, HeadVersions>, StoreError> {
        let mut marks = HashMap::with_capacity(documents.len());
        for some in documents.chunks(MAX_DOCUMENTS) {
            let rows: Vec<(Uuid, i64, i64)> = document::Entity::find()
                .select_only()
                .columns([
                    document::Column::Id,
                    document::Column::Version,
                    document::Column::AccessVersion,
                ])
                .filter(document::Column::Id.is_in(some.iter().map(|document| document.uuid())))
                .into_tuple()
                .all(&self.readers)
                .await?;
            marks.extend(rows.into_iter().map(|(id, version, access_version)| {
                (id.into(), HeadVersions { version: Version::new(version), access_version })
            }));
        }
        Ok(marks)
    }

    /// What these users may do with a document; those who may nothing are left out. None when it is gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_levels(
        &self,
        document: DocumentId,
        users: &[UserId],
    ) -> Result<Option<HashMap<UserId, AccessLevel>>, StoreError> {
        let owner: Option<Uuid> = document::Entity::find()
            .select_only()
            .column(document::Column::OwnerId)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        let Some(owner) = owner else { return Ok(None) };
        let mut levels = HashMap::with_capacity(users.len());
        for some in users.chunks(MAX_DOCUMENTS) {
            let rows: Vec<(Uuid, entity::Level)> = document_access::Entity::find()
                .select_only()
                .columns([document_access::Column::UserId, document_access::Column::Level])
                .filter(document_access::Column::DocumentId.eq(document.uuid()))
                .filter(document_access::Column::UserId.is_in(some.iter().map(|user| user.uuid())))
                .into_tuple()
                .all(&self.readers)
                .await?;
            levels
                .extend(rows.into_iter().map(|(id, level)| (id.into(), rows::access_level(level))));
        }
        if users.contains(&owner.into()) {
            levels.insert(owner.into(), AccessLevel::Owner);
        }
        Ok(Some(levels))
    }
}
