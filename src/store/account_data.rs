//! What is stored of a user besides their documents, for an export of their data.

use chrono::{DateTime, Utc};
use entity::{Level, document, document_access, document_change, entitlement, identity};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait as _, Select,
};
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

/// A level that a user has from elsewhere than a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEntitlement {
    /// The document.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// What the level comes from.
    pub kind: EntitlementKind,
    /// The level.
    pub level: AccessLevel,
    /// When it ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

/// What a level comes from that was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntitlementKind {
    /// A document token.
    Token,
    /// The answer of an application.
    Answer,
    /// A link.
    Link,
}

/// A part of all documents, looked through for the changes of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContributionPage {
    /// The documents that the user does not own and has changed, without those in bins.
    pub documents: Vec<DocumentId>,
    /// The last document of the part.
    pub last: DocumentId,
}

#[derive(FromQueryResult)]
struct ReceivedEntitlementRow {
    document_id: Uuid,
    title: String,
    kind: entitlement::Kind,
    level: Level,
    ends_at: Option<DateTime<Utc>>,
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
        let owned = DocumentRow::select(owner).filter(document::Column::OwnerId.eq(owner.uuid()));
        self.list_by_id(owned, after, limit).await
    }

    /// Returns documents in the bin of a user, in the order of their ids, at most `limit`, beginning behind the document `after`.
    /// They were last changed by their deletion.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_binned_documents(
        &self,
        owner: UserId,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<Document>, StoreError> {
        self.list_by_id(DocumentRow::select_binned(owner), after, limit).await
    }

    async fn list_by_id(
        &self,
        documents: Select<document::Entity>,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<Document>, StoreError> {
        let mut documents = documents.order_by_asc(document::Column::Id).limit(limit);
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
            // One in a bin is shown to its owner only.
            .filter(document::Column::DeletedAt.is_null())
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

    /// Returns the levels that a user has from elsewhere than a grant and that have not ended: those on some documents, at most
    /// `limit`, in the order of their ids, beginning behind the document `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_received_entitlements(
        &self,
        user: UserId,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<ReceivedEntitlement>, StoreError> {
        use entitlement::Column;
        let of_user = entitlement::Entity::find()
            .select_only()
            .filter(Column::UserId.eq(user.uuid()))
            .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
            .order_by_asc(Column::DocumentId);
        let mut documents = of_user
            .clone()
            .column(Column::DocumentId)
            .inner_join(document::Entity)
            .filter(document::Column::DeletedAt.is_null())
            .distinct()
            .limit(limit);
        if let Some(after) = after {
            documents = documents.filter(Column::DocumentId.gt(after.uuid()));
        }
        let documents: Vec<Uuid> = documents.into_tuple().all(&self.readers).await?;
        let rows: Vec<ReceivedEntitlementRow> = of_user
            .columns([Column::DocumentId, Column::Kind, Column::Level, Column::EndsAt])
            .column(document::Column::Title)
            .inner_join(document::Entity)
            // One in a bin is shown to its owner only.
            .filter(document::Column::DeletedAt.is_null())
            .filter(Column::DocumentId.is_in(documents))
            .order_by_asc(Column::Kind)
            .order_by_asc(Column::SourceId)
            .into_model()
            .all(&self.readers)
            .await?;
        let entitlements = rows.into_iter().map(|row| ReceivedEntitlement {
            document: row.document_id.into(),
            title: row.title,
            kind: match row.kind {
                entitlement::Kind::Token => EntitlementKind::Token,
                entitlement::Kind::Answer => EntitlementKind::Answer,
                entitlement::Kind::Link => EntitlementKind::Link,
            },
            level: rows::access_level(row.level),
            ends_at: row.ends_at,
        });
        Ok(entitlements.collect())
    }

    /// Looks for the changes of a user in the next documents behind `after`, in the order of their ids. Returns `None` if there are
    /// no further documents. No index leads from a user to their changes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_contributions(
        &self,
        author: UserId,
        after: Option<DocumentId>,
    ) -> Result<Option<ContributionPage>, StoreError> {
        use document_change::Column::{AuthorId, DocumentId as Changed};
        let looked_at = self.list_document_ids(after.map(DocumentId::uuid)).await?;
        let Some(last) = looked_at.last().copied() else { return Ok(None) };
        // One in a bin is shown to its owner only.
        let of_others = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .filter(document::Column::Id.is_in(looked_at))
            .filter(document::Column::OwnerId.ne(author.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_query();
        let documents: Vec<Uuid> = document_change::Entity::find()
            .select_only()
            .column(Changed)
            .distinct()
            .filter(Changed.in_subquery(of_others))
            .filter(AuthorId.eq(author.uuid()))
            .order_by_asc(Changed)
            .into_tuple()
            .all(&self.readers)
            .await?;
        let documents = documents.into_iter().map(DocumentId::from).collect();
        Ok(Some(ContributionPage { documents, last: last.into() }))
    }
}
