//! Documents: making, finding and listing them.
//!
//! Invariant: a document that the viewer may not see is treated like one that does not exist.

use entity::{document, document_access, document_snapshot};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    RelationTrait, Select, SqlErr,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, UnionType},
};

use uuid::Uuid;

use super::{
    DocumentPage, PageCursor, Store, StoreError,
    rows::{self, DocumentRow},
};
use crate::domain::{AccessLevel, Document, DocumentId, Title, UserId, Version};

impl Store {
    /// Makes a document, at its first version, with the text of which `state` is the Yjs state and that has `size`
    /// bytes.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`] if `owner` has no account.
    pub async fn create_document(
        &self,
        owner: UserId,
        title: Title,
        size: usize,
        state: Vec<u8>,
    ) -> Result<Document, StoreError> {
        let now = rows::now();
        let document = Document {
            id: DocumentId::new(),
            title: title.as_str().into(),
            size,
            version: Version::FIRST,
            owner,
            created_at: now,
            updated_at: now,
        };
        let row = document::ActiveModel {
            id: Set(document.id.uuid()),
            owner_id: Set(owner.uuid()),
            title: Set(document.title.to_string()),
            version: Set(document.version.number()),
            access_version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            deleted_at: Set(None),
            size: Set(i64::try_from(size).unwrap_or(i64::MAX)),
            content: Set(String::new()),
        };
        let snapshot = document_snapshot::ActiveModel {
            document_id: Set(document.id.uuid()),
            version: Set(document.version.number()),
            state: Set(state),
        };
        let txn = self.begin().await?;
        document::Entity::insert(row).exec_without_returning(&txn).await.map_err(|error| {
            match error.sql_err() {
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::NoSuchUser,
                _ => error.into(),
            }
        })?;
        document_snapshot::Entity::insert(snapshot).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(document)
    }

    /// A document and what `viewer` may do with it. None if there is none, it was deleted, or the
    /// viewer has no access to it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_document(
        &self,
        viewer: UserId,
        document: DocumentId,
    ) -> Result<Option<(Document, AccessLevel)>, StoreError> {
        let row = DocumentRow::select(rows::seen_by(viewer))
            .filter(document::Column::Id.eq(document.uuid()))
            .into_model::<DocumentRow>()
            .one(&self.readers)
            .await?;
        Ok(row.and_then(|row| with_level(row, viewer)))
    }

    /// The next `first` documents that `viewer` owns or may open, newest change first (of those
    /// that changed in the same microsecond, the newer one first). The caller bounds `first`.
    ///
    /// A page ends early, with `has_next`, where its texts would pass 16 MiB together; it holds one document at least.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_documents(
        &self,
        viewer: UserId,
        first: u32,
        after: Option<PageCursor>,
    ) -> Result<DocumentPage, StoreError> {
        let one_more = u64::from(first) + 1;
        let sizes: Vec<(Uuid, i64)> = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .column(document::Column::Size)
            .filter(document::Column::Id.in_subquery(candidates(viewer, one_more, after)))
            .order_by_desc(document::Column::UpdatedAt)
            .order_by_desc(document::Column::Id)
            .limit(one_more)
            .into_tuple()
            .all(&self.readers)
            .await?;
        let page = fitting(&sizes, usize::try_from(first).unwrap_or(usize::MAX));
        let rows = DocumentRow::select(rows::seen_by(viewer))
            .filter(document::Column::Id.is_in(page.iter().map(|(id, _)| *id)))
            .order_by_desc(document::Column::UpdatedAt)
            .order_by_desc(document::Column::Id)
            .into_model::<DocumentRow>()
            .all(&self.readers)
            .await?;
        Ok(DocumentPage {
            has_next: page.len() < sizes.len(),
            documents: rows.into_iter().filter_map(|row| with_level(row, viewer)).collect(),
        })
    }
}

/// The texts of one page have at most so many bytes together, unless the first one alone has more.
pub(super) const MAX_PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The documents of a page: at most `first`, and no more than fit.
fn fitting(sizes: &[(Uuid, i64)], first: usize) -> &[(Uuid, i64)] {
    let mut bytes = 0_u64;
    let fit = sizes.iter().take(first).take_while(|(_, size)| {
        bytes = bytes.saturating_add(size.unsigned_abs());
        bytes <= MAX_PAGE_BYTES
    });
    let count = fit.count().max(1).min(sizes.len()).min(first);
    &sizes[..count]
}

fn with_level(row: DocumentRow, viewer: UserId) -> Option<(Document, AccessLevel)> {
    let level = row.level(viewer)?;
    Some((row.into_document(), level))
}

/// The ids among which the page is: the first `limit` of those owned and of those granted.
///
/// Each half is cut before they are joined. Owned documents come in the order of their index; what
/// was granted is sorted, by time and id alone.
fn candidates(viewer: UserId, limit: u64, after: Option<PageCursor>) -> SelectStatement {
    let owned = document::Entity::find().filter(document::Column::OwnerId.eq(viewer.uuid()));
    let granted = document::Entity::find()
        .join(JoinType::InnerJoin, document::Relation::DocumentAccess.def())
        .filter(document_access::Column::UserId.eq(viewer.uuid()));
    let (id, half) = (document::Column::Id, Alias::new("half"));
    // A part of a union has no ORDER BY of its own in SQLite, hence one more level.
    Query::select()
        .column(id)
        .from_subquery(newest(owned, limit, after), half.clone())
        .union(
            UnionType::Distinct,
            Query::select().column(id).from_subquery(newest(granted, limit, after), half).take(),
        )
        .take()
}

fn newest(
    documents: Select<document::Entity>,
    limit: u64,
    after: Option<PageCursor>,
) -> SelectStatement {
    let place = |column: document::Column| Expr::col((document::Entity, column));
    let mut newest = documents
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::DeletedAt.is_null())
        .order_by_desc(document::Column::UpdatedAt)
        .order_by_desc(document::Column::Id)
        .limit(limit);
    if let Some(PageCursor { updated_at, id }) = after {
        let here = Expr::tuple([place(document::Column::UpdatedAt), place(document::Column::Id)]);
        newest = newest.filter(here.lt(Expr::tuple([Expr::val(updated_at), Expr::val(id.uuid())])));
    }
    newest.into_query()
}
