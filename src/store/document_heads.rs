//! The versions and access levels of many documents or users in one query.
//!
//! Nodes use them to reconcile their open documents with the database: a version or access version that is larger than
//! the one a node knows shows that the node missed a change, and a smaller one that the database has lost changes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{document, document_access, entitlement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Store, StoreError, groups::list_group_levels, rows};
use crate::domain::{AccessLevel, DocumentId, UserId, Version};

/// How many documents or users one query may name.
const MAX_IDS_PER_QUERY: usize = 500;

/// The two version numbers of a document. Both only grow, unless the database loses changes. A deletion increments both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadVersions {
    /// The version of its last change.
    pub version: Version,
    /// When that change was stored.
    pub at: DateTime<Utc>,
    /// A number that every change of a user's access to the document increments.
    pub access_version: i64,
}

impl Store {
    /// Returns the version numbers of these documents, including deleted ones.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_head_versions(
        &self,
        documents: &[DocumentId],
    ) -> Result<HashMap<DocumentId, HeadVersions>, StoreError> {
        let mut versions = HashMap::with_capacity(documents.len());
        for ids in documents.chunks(MAX_IDS_PER_QUERY) {
            let rows: Vec<(Uuid, i64, DateTime<Utc>, i64)> = document::Entity::find()
                .select_only()
                .columns([
                    document::Column::Id,
                    document::Column::Version,
                    document::Column::UpdatedAt,
                    document::Column::AccessVersion,
                ])
                .filter(document::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
                .into_tuple()
                .all(&self.readers)
                .await?;
            versions.extend(rows.into_iter().map(|(id, version, at, access_version)| {
                (id.into(), HeadVersions { version: Version::new(version), at, access_version })
            }));
        }
        Ok(versions)
    }

    /// Returns the access version of a document and the levels of these users, at that version or later. Users without
    /// access are left out. `None` if the document does not exist or was deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_access_levels(
        &self,
        document: DocumentId,
        users: &[UserId],
    ) -> Result<Option<(i64, HashMap<UserId, AccessLevel>)>, StoreError> {
        let row: Option<(Uuid, i64)> = document::Entity::find()
            .select_only()
            .columns([document::Column::OwnerId, document::Column::AccessVersion])
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        let Some((owner, access_version)) = row else { return Ok(None) };
        let mut levels = HashMap::with_capacity(users.len());
        for ids in users.chunks(MAX_IDS_PER_QUERY) {
            let granted: Vec<(Uuid, entity::Level)> = document_access::Entity::find()
                .select_only()
                .columns([document_access::Column::UserId, document_access::Column::Level])
                .filter(document_access::Column::DocumentId.eq(document.uuid()))
                .filter(document_access::Column::UserId.is_in(ids.iter().map(|id| id.uuid())))
                .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()))
                .into_tuple()
                .all(&self.readers)
                .await?;
            let entitled: Vec<(Uuid, entity::Level)> = entitlement::Entity::find()
                .select_only()
                .columns([entitlement::Column::UserId, entitlement::Column::Level])
                .filter(entitlement::Column::DocumentId.eq(document.uuid()))
                .filter(entitlement::Column::UserId.is_in(ids.iter().map(|id| id.uuid())))
                .filter(rows::has_not_ended(entitlement::Column::EndsAt.into_expr()))
                .into_tuple()
                .all(&self.readers)
                .await?;
            let ids = ids.iter().map(|id| id.uuid());
            let by_groups = list_group_levels(&self.readers, [document.uuid()], ids).await?;
            let by_groups = by_groups.into_iter().map(|(_, user, level)| (user, level));
            for (id, level) in granted.into_iter().chain(entitled).chain(by_groups) {
                let (id, level) = (UserId::from(id), rows::access_level(level));
                levels
                    .entry(id)
                    .and_modify(|known: &mut AccessLevel| *known = level.max(*known))
                    .or_insert(level);
            }
        }
        if users.contains(&owner.into()) {
            levels.insert(owner.into(), AccessLevel::Owner);
        }
        Ok(Some((access_version, levels)))
    }
}
