//! Changes: where versions are born.
//!
//! A change is decided and stored in one transaction. It reads what its author may do and the head,
//! and writes with `UPDATE document SET version = version + k WHERE id = ? AND version = ?`, so a
//! version is given out once, whoever else writes. On SQLite nobody can come between; where
//! somebody can, no row is updated and the whole is done again, reading afresh, a bounded number of
//! times.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{document, document_access, user};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    QueryTrait, UpdateMany,
    sea_query::{Expr, ExprTrait},
};

use super::{
    Store, StoreError,
    rows::{self, DocumentRow},
};
use crate::domain::{
    AccessLevel, Change, ChangeKind, Document, DocumentId, SessionId, Text, Title, User, UserId,
    Version,
};

/// How often a change is tried while others keep being first.
const ATTEMPTS: usize = 5;

/// A wish to change a document's title, its text, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRequest {
    /// The document.
    pub document: DocumentId,
    /// Who wishes it.
    pub author: UserId,
    /// The session on or for which it is wished, if one is known.
    pub session: Option<SessionId>,
    /// The new title, if it is to change.
    pub title: Option<Title>,
    /// The whole new text, if it is to change.
    pub content: Option<Text>,
    /// The version that the author saw; without it, the change replaces whatever is there.
    pub base_version: Option<Version>,
}

/// A change that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The document after it.
    pub document: Document,
    /// One per new version, in order: the title first. None if nothing was different.
    pub changes: Vec<Change>,
}

impl Store {
    /// Stores a change of title or text. Each that is really different makes a version.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without [`AccessLevel::Edit`]; [`StoreError::Conflict`] if the base
    /// version is not the head, or others were first every time; [`StoreError::BaseInFuture`].
    pub async fn change_document(&self, request: ChangeRequest) -> Result<Accepted, StoreError> {
        until_first(|| self.try_change(&request)).await
    }

    /// Deletes a document: title, text and grants go, its id and versions are never used again.
    ///
    /// The answer carries the last title and the version after the last.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without [`AccessLevel::Owner`]; [`StoreError::Conflict`] if others
    /// changed it first every time.
    pub async fn delete_document(
        &self,
        actor: UserId,
        document: DocumentId,
        session: Option<SessionId>,
    ) -> Result<Change, StoreError> {
        until_first(|| self.try_delete(document, actor, session)).await
    }

    async fn try_change(&self, request: &ChangeRequest) -> Result<Attempt<Accepted>, StoreError> {
        let txn = self.begin().await?;
        let head = Head::load(&txn, request.document, request.author, AccessLevel::Edit).await?;
        let seen = head.document.version;
        match request.base_version {
            Some(base) if base > seen => return Err(StoreError::BaseInFuture { head: seen }),
            Some(base) if base < seen => return Err(StoreError::Conflict { head: seen }),
            _ => {}
        }
        let title = request.title.as_ref().filter(|title| *title.as_str() != *head.document.title);
        let content =
            request.content.as_ref().filter(|text| *text.as_str() != *head.document.content);

        let accepted = head.change(title, content, request.session, rows::now());
        if accepted.changes.is_empty() {
            return Ok(Attempt::Stored(accepted));
        }
        let Document { id, version, updated_at, .. } = accepted.document;
        let mut update = next_version(id, seen, version, updated_at);
        if let Some(title) = title {
            update = update.col_expr(document::Column::Title, Expr::value(title.as_str()));
        }
        if let Some(content) = content {
            update = update.col_expr(document::Column::Content, Expr::value(content.as_str()));
        }
        if update.exec(&txn).await?.rows_affected == 0 {
            return Ok(Attempt::Overtaken(seen));
        }
        txn.commit().await?;
        Ok(Attempt::Stored(accepted))
    }

    async fn try_delete(
        &self,
        id: DocumentId,
        actor: UserId,
        session: Option<SessionId>,
    ) -> Result<Attempt<Change>, StoreError> {
        let txn = self.begin().await?;
        let Head { document, author } = Head::load(&txn, id, actor, AccessLevel::Owner).await?;
        let (seen, version, now) = (document.version, document.version.next(), rows::now());
        let access_version = document::Column::AccessVersion;
        let buried = next_version(id, seen, version, now)
            .col_expr(access_version, Expr::col(access_version).add(1))
            .col_expr(document::Column::Title, Expr::value(""))
            .col_expr(document::Column::Content, Expr::value(""))
            .col_expr(document::Column::DeletedAt, Expr::value(now))
            .exec(&txn)
            .await?;
        if buried.rows_affected == 0 {
            return Ok(Attempt::Overtaken(seen));
        }
        document_access::Entity::delete_many()
            .filter(document_access::Column::DocumentId.eq(id.uuid()))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        Ok(Attempt::Stored(Change {
            document: id,
            kind: ChangeKind::Deleted,
            version,
            author: Some(author),
            session,
            title: document.title,
            content: Arc::from(""),
            at: now,
        }))
    }
}

/// How one try ended.
enum Attempt<T> {
    /// It is stored, or there was nothing to store.
    Stored(T),
    /// Somebody else changed the document after this version of it was read.
    Overtaken(Version),
}

/// Tries until nobody else was first; the one place where that is done.
async fn until_first<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<Attempt<T>, StoreError>>,
{
    let mut head = Version::FIRST;
    for _ in 0..ATTEMPTS {
        match attempt().await? {
            Attempt::Stored(stored) => return Ok(stored),
            Attempt::Overtaken(seen) => head = seen,
        }
    }
    Err(StoreError::Conflict { head })
}

/// The update that gives out the versions after `seen` up to `version`, unless somebody else just
/// did.
fn next_version(
    id: DocumentId,
    seen: Version,
    version: Version,
    at: DateTime<Utc>,
) -> UpdateMany<document::Entity> {
    let count = version.number() - seen.number();
    document::Entity::update_many()
        .col_expr(document::Column::Version, Expr::col(document::Column::Version).add(count))
        .col_expr(document::Column::UpdatedAt, Expr::value(at))
        .filter(document::Column::Id.eq(id.uuid()))
        .filter(document::Column::Version.eq(seen.number()))
        .filter(document::Column::DeletedAt.is_null())
}

/// A document as it is before a change, and who wants to change it.
struct Head {
    document: Document,
    author: User,
}

#[derive(FromQueryResult)]
struct HeadRow {
    #[sea_orm(nested)]
    document: DocumentRow,
    author_name: String,
}

impl Head {
    /// Reads the head, and refuses an author who has less than `needed`.
    async fn load(
        txn: &DatabaseTransaction,
        document: DocumentId,
        author: UserId,
        needed: AccessLevel,
    ) -> Result<Self, StoreError> {
        let mut head = DocumentRow::select(rows::seen_by(author))
            .column_as(user::Column::Name, "author_name")
            .filter(document::Column::Id.eq(document.uuid()));
        let is_author = Expr::col((user::Entity, user::Column::Id)).eq(author.uuid());
        QueryTrait::query(&mut head).inner_join(user::Entity, is_author);
        let row = head.into_model::<HeadRow>().one(txn).await?.ok_or(StoreError::Denied)?;
        match row.document.level(author) {
            Some(level) if level.allows(needed) => Ok(Self {
                document: row.document.into_document(),
                author: User { id: author, name: row.author_name.into() },
            }),
            _ => Err(StoreError::Denied),
        }
    }

    /// What the document is after the change, and the steps that lead there.
    fn change(
        self,
        title: Option<&Title>,
        content: Option<&Text>,
        session: Option<SessionId>,
        at: DateTime<Utc>,
    ) -> Accepted {
        let Self { mut document, author } = self;
        let mut changes = Vec::new();
        let mut step = |document: &mut Document, kind| {
            document.version = document.version.next();
            document.updated_at = at;
            changes.push(Change {
                document: document.id,
                kind,
                version: document.version,
                author: Some(author.clone()),
                session,
                title: Arc::clone(&document.title),
                content: Arc::clone(&document.content),
                at,
            });
        };
        if let Some(title) = title {
            document.title = title.as_str().into();
            step(&mut document, ChangeKind::Renamed);
        }
        if let Some(content) = content {
            document.content = content.clone().into_shared();
            step(&mut document, ChangeKind::Edited);
        }
        Accepted { document, changes }
    }
}
