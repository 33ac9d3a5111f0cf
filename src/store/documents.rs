//! Documents: creating, finding and listing them.
//!
//! Invariant: a document that the viewer may not see looks like one that does not exist.

use entity::{
    document, document_access, document_snapshot, entitlement, group_access, group_member,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    RelationTrait, Select, SqlErr,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, UnionType},
};

use uuid::Uuid;

use super::{
    DocumentFilter, DocumentOrder, DocumentPage, DocumentQuery, LinkRefused, PageCursor, Store,
    StoreError,
    bin::select_binned,
    document_keys::insert_key,
    groups::{is_member, members_of_access},
    guests::check_not_guest,
    labelled_documents::{Listed, MAX_SCANNED},
    metadata::{metadata_bytes, store_metadata},
    ownership::lock_account,
    quotas::{WantedBytes, check_document_count},
    rows::{self, DocumentRow},
    stored_bytes::{CountedBytes, ROW_BYTES, row_bytes, signed},
};
use crate::domain::{
    AccessLevel, Document, DocumentId, DocumentKey, Metadata, Party, Title, UserId, Version,
};

/// How many bytes the texts of one page may have in total, unless the first text alone is larger. Callers may load the
/// text of every listed document.
pub(super) const MAX_PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// A document to create.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Its title.
    pub title: Title,
    /// The length of its text in bytes of UTF-8.
    pub size: usize,
    /// Its content as one Yjs v1 update.
    pub state: Vec<u8>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its key, if it gets one.
    pub key: Option<DocumentKey>,
}

impl NewDocument {
    /// Returns what it takes in the quota of its owner: the row of the document, its snapshot and its metadata.
    #[must_use]
    pub fn counted_bytes(&self) -> u64 {
        ROW_BYTES + row_bytes([self.state.len()]) + metadata_bytes(&self.metadata)
    }
}

impl Store {
    /// Creates a document without metadata and key, as [`create`](Self::create) does. `state` is its text as one Yjs v1 update, and
    /// `size` is the length of the text in bytes of UTF-8.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_document(
        &self,
        owner: UserId,
        title: Title,
        size: usize,
        state: Vec<u8>,
    ) -> Result<Document, StoreError> {
        let metadata = Metadata::empty();
        self.create(owner, NewDocument { title, size, state, metadata, key: None }).await
    }

    /// Creates a document at its first version.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`] if `owner` has no account, [`StoreError::OverQuota`] if they own too many documents
    /// or too many bytes, [`StoreError::KeyTaken`], [`LinkRefused::NotForGuests`], [`StoreError::Busy`].
    pub async fn create(&self, owner: UserId, new: NewDocument) -> Result<Document, StoreError> {
        let bytes = new.counted_bytes();
        let NewDocument { title, size, state, metadata, key } = new;
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
            stored_bytes: Set(signed(bytes)),
            content: Set(String::new()),
            rules_version: Set(0),
            creator_id: Set(None),
        };
        let snapshot = document_snapshot::ActiveModel {
            document_id: Set(document.id.uuid()),
            version: Set(document.version.number()),
            state: Set(state),
            body_text: Set(None),
        };
        self.write(Party::User(owner), async {
            let txn = self.begin().await?;
            check_not_guest(&txn, owner, LinkRefused::NotForGuests).await?;
            // Nothing is created for an account that is being deleted.
            lock_account(&txn, owner).await?;
            check_document_count(&txn, owner, &self.quotas).await?;
            let counted = CountedBytes { owner: owner.uuid(), bytes: signed(bytes) };
            let wanted = WantedBytes { counted, lengthens: true };
            let (reserved, admitted) = self.quotas.reserve(&txn, &[wanted]).await?;
            admitted.into_iter().collect::<Result<(), _>>()?;
            document::Entity::insert(row).exec_without_returning(&txn).await.map_err(|error| {
                match error.sql_err() {
                    Some(SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::NoSuchUser,
                    _ => error.into(),
                }
            })?;
            document_snapshot::Entity::insert(snapshot).exec_without_returning(&txn).await?;
            store_metadata(&txn, document.id, &metadata).await?;
            if let Some(key) = &key {
                insert_key(&txn, document.id, key).await?;
            }
            txn.commit().await?;
            reserved.keep();
            self.quotas.charge([(owner, bytes)]);
            Ok(document)
        })
        .await
    }

    /// Returns a document and the viewer's level on it. `None` if it does not exist, was deleted, or the viewer has no
    /// access.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_document(
        &self,
        viewer: UserId,
        document: DocumentId,
    ) -> Result<Option<(Document, AccessLevel)>, StoreError> {
        let row = DocumentRow::select(viewer)
            .filter(document::Column::Id.eq(document.uuid()))
            .into_model::<DocumentRow>()
            .one(&self.readers)
            .await?;
        Ok(row.and_then(|row| with_level(row, viewer)))
    }

    /// Returns the owner of a document that is not deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_owner(&self, document: DocumentId) -> Result<Option<UserId>, StoreError> {
        let owner: Option<Uuid> = document::Entity::find()
            .select_only()
            .column(document::Column::OwnerId)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(owner.map(UserId::from))
    }

    /// Returns the next documents that `viewer` owns or may open, or only one of these kinds. Of documents that changed
    /// in the same microsecond, the one with the larger id comes first. The caller limits `first`.
    ///
    /// A page ends early, with `has_next`, before its texts exceed 16 MiB in total, but never before its first
    /// document. With labels it also ends, with `ends_at`, after looking at a thousand documents.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_documents(
        &self,
        viewer: UserId,
        query: DocumentQuery,
    ) -> Result<DocumentPage, StoreError> {
        self.list_within(viewer, query, MAX_SCANNED).await
    }

    /// Returns the next documents as [`list_documents`](Self::list_documents). Looks for labels in this many of them.
    pub(super) async fn list_within(
        &self,
        viewer: UserId,
        query: DocumentQuery,
        scanned: u16,
    ) -> Result<DocumentPage, StoreError> {
        let Listed { sizes, ends_at } = match query.labels.is_empty() {
            true => self.find_next(viewer, &query).await?,
            false => self.find_labelled(viewer, &query, scanned).await?,
        };
        let page = fit_page(&sizes, usize::try_from(query.first).unwrap_or(usize::MAX));
        let rows = match query.filter {
            DocumentFilter::Bin => DocumentRow::select_binned(viewer),
            DocumentFilter::All
            | DocumentFilter::Owned
            | DocumentFilter::Shared
            | DocumentFilter::Accepted
            | DocumentFilter::Pending => DocumentRow::select(viewer),
        };
        let rows = rows.filter(document::Column::Id.is_in(page.iter().map(|(id, _)| *id)));
        let rows = sorted(rows, query.order).into_model::<DocumentRow>().all(&self.readers).await?;
        Ok(DocumentPage {
            has_next: page.len() < sizes.len() || ends_at.is_some(),
            ends_at: ends_at.filter(|_| page.len() == sizes.len()),
            documents: rows.into_iter().filter_map(|row| with_level(row, viewer)).collect(),
        })
    }

    /// Returns the next documents of a list.
    async fn find_next(&self, viewer: UserId, query: &DocumentQuery) -> Result<Listed, StoreError> {
        let one_more = u64::from(query.first) + 1;
        let next = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .column(document::Column::Size)
            .filter(document::Column::Id.in_subquery(select_candidates(viewer, query, one_more)))
            .limit(one_more);
        let sizes = sorted(next, query.order).into_tuple().all(&self.readers).await?;
        Ok(Listed { sizes, ends_at: None })
    }
}

/// Returns the documents of a page: at most `first`, and no more than fit into [`MAX_PAGE_BYTES`].
fn fit_page(sizes: &[(Uuid, i64)], first: usize) -> &[(Uuid, i64)] {
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

/// Selects the ids of the first `limit` documents that the viewer owns, of the first `limit` that were granted to them,
/// and of the first `limit` that they are entitled to. The page is among these.
///
/// Each part is limited before the union. Owned documents come in the order of an index; the others are sorted, but
/// only by time and id.
pub(super) fn select_candidates(
    viewer: UserId,
    query: &DocumentQuery,
    limit: u64,
) -> SelectStatement {
    let owned = document::Entity::find().filter(document::Column::OwnerId.eq(viewer.uuid()));
    let granted = document::Entity::find()
        .join(JoinType::InnerJoin, document::Relation::DocumentAccess.def())
        .filter(document_access::Column::UserId.eq(viewer.uuid()))
        .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()));
    let entitled = document::Entity::find()
        .filter(document::Column::Id.in_subquery(select_entitled(viewer)))
        .filter(document::Column::OwnerId.ne(viewer.uuid()));
    let parts = match query.filter {
        DocumentFilter::Owned => return select_next(owned, query, limit),
        DocumentFilter::Shared => vec![granted, entitled],
        DocumentFilter::All => vec![owned, granted, entitled],
        DocumentFilter::Accepted => {
            vec![owned, granted.filter(document_access::Column::AcceptedAt.is_not_null()), entitled]
        }
        DocumentFilter::Pending => {
            let pending = granted.filter(document_access::Column::AcceptedAt.is_null());
            return select_next(pending, query, limit);
        }
        DocumentFilter::Bin => {
            let binned = document::Entity::find()
                .filter(document::Column::Id.in_subquery(select_binned(viewer)));
            return select_next(binned, query, limit);
        }
    };
    let (id, name) = (document::Column::Id, Alias::new("part"));
    // In SQLite, the parts of a union cannot have an ORDER BY of their own. So each one is a subquery.
    let mut parts = parts.into_iter().map(|part| {
        let next = select_next(part, query, limit);
        Query::select().column(id).from_subquery(next, name.clone()).take()
    });
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.union(UnionType::Distinct, part);
    }
    all
}

/// Selects the ids of the documents that a user is entitled to, by an entitlement or by a group.
fn select_entitled(user: UserId) -> SelectStatement {
    let by_groups = group_access::Entity::find()
        .select_only()
        .column(group_access::Column::DocumentId)
        .join(JoinType::InnerJoin, members_of_access())
        .filter(group_member::Column::UserId.eq(user.uuid()))
        .filter(is_member())
        .filter(rows::has_not_ended(group_access::Column::EndsAt.into_expr()))
        .into_query();
    let mut entitled = entitlement::Entity::find()
        .select_only()
        .column(entitlement::Column::DocumentId)
        .filter(entitlement::Column::UserId.eq(user.uuid()))
        .filter(rows::has_not_ended(entitlement::Column::EndsAt.into_expr()))
        .into_query();
    entitled.union(UnionType::All, by_groups);
    entitled
}

/// Selects the ids of the next `limit` of these documents.
fn select_next(
    documents: Select<document::Entity>,
    query: &DocumentQuery,
    limit: u64,
) -> SelectStatement {
    let qualified = |column: document::Column| Expr::col((document::Entity, column));
    let next = documents.select_only().column(document::Column::Id).limit(limit);
    let deleted_at = document::Column::DeletedAt;
    let next = match query.filter {
        DocumentFilter::Bin => next.filter(deleted_at.is_not_null()),
        DocumentFilter::All
        | DocumentFilter::Owned
        | DocumentFilter::Shared
        | DocumentFilter::Accepted
        | DocumentFilter::Pending => next.filter(deleted_at.is_null()),
    };
    let next = match query.after {
        Some(PageCursor::Updated { updated_at, id }) => {
            let position = Expr::tuple([
                qualified(document::Column::UpdatedAt),
                qualified(document::Column::Id),
            ]);
            next.filter(position.lt(Expr::tuple([Expr::val(updated_at), Expr::val(id.uuid())])))
        }
        Some(PageCursor::Created(id)) => next.filter(document::Column::Id.lt(id.uuid())),
        None => next,
    };
    sorted(next, query.order).into_query()
}

/// Sorts documents.
pub(super) fn sorted(
    documents: Select<document::Entity>,
    order: DocumentOrder,
) -> Select<document::Entity> {
    let documents = match order {
        DocumentOrder::Updated => documents.order_by_desc(document::Column::UpdatedAt),
        DocumentOrder::Created => documents,
    };
    documents.order_by_desc(document::Column::Id)
}
