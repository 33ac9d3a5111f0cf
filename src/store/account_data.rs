//! What is stored of a user besides their documents, for an export of their data.

use chrono::{DateTime, Utc};
use entity::{Level, document, document_access, identity};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    Store, StoreError,
    rows::{self, DocumentRow},
};
use crate::domain::{AccessLevel, Document, DocumentId, UserId};

/// A user as an outside issuer or an application names them, and what it has said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// The issuer.
    pub issuer: String,
    /// Its name for the user.
    pub subject: String,
    /// The name that others see, if it has said one.
    pub name: Option<String>,
    /// The verified e-mail address, if it has said one.
    pub email: Option<String>,
    /// When the first token of the user was seen.
    pub created_at: DateTime<Utc>,
}

/// A grant to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedGrant {
    /// The document.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// The level.
    pub level: AccessLevel,
    /// When it was granted.
    pub granted_at: DateTime<Utc>,
    /// When the grant ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct ReceivedGrantRow {
    document_id: Uuid,
    title: String,
    level: Level,
    granted_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Returns how outside issuers and applications name a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<KnownIdentity>, StoreError> {
        let rows = identity::Entity::find()
            .filter(identity::Column::UserId.eq(user.uuid()))
            .order_by_asc(identity::Column::CreatedAt)
            .all(&self.readers)
            .await?;
        let identities = rows.into_iter().map(|row| KnownIdentity {
            issuer: row.issuer,
            subject: row.subject,
            name: row.name,
            email: row.email,
            created_at: row.created_at,
        });
        Ok(identities.collect())
    }

    /// Returns documents that a user owns, in the order of their ids, at most `limit`, beginning behind the document `after`. Unlike
    /// the pages of [`Store::list_documents`], these miss no document that is changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_owned_documents(
        &self,
        owner: UserId,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<Document>, StoreError> {
        let mut documents = DocumentRow::select(owner)
            .filter(document::Column::OwnerId.eq(owner.uuid()))
            .order_by_asc(document::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            documents = documents.filter(document::Column::Id.gt(after.uuid()));
        }
        let rows = documents.into_model::<DocumentRow>().all(&self.readers).await?;
        Ok(rows.into_iter().map(DocumentRow::into_document).collect())
    }

    /// Returns grants to a user that have not ended, in the order of the ids of their documents, at most `limit`, beginning behind the
    /// document `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_received_grants(
        &self,
        user: UserId,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<ReceivedGrant>, StoreError> {
        use document_access::Column;
        let mut grants = document_access::Entity::find()
            .select_only()
            .columns([Column::DocumentId, Column::Level, Column::GrantedAt, Column::EndsAt])
            .column(document::Column::Title)
            .inner_join(document::Entity)
            .filter(Column::UserId.eq(user.uuid()))
            .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
            .order_by_asc(Column::DocumentId)
            .limit(limit);
        if let Some(after) = after {
            grants = grants.filter(Column::DocumentId.gt(after.uuid()));
        }
        let rows: Vec<ReceivedGrantRow> = grants.into_model().all(&self.readers).await?;
        let grants = rows.into_iter().map(|row| ReceivedGrant {
            document: row.document_id.into(),
            title: row.title,
            level: rows::access_level(row.level),
            granted_at: row.granted_at,
            ends_at: row.ends_at,
        });
        Ok(grants.collect())
    }
}
