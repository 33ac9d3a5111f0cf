//! The users who may open a document because they have opened a link to it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use entity::{Level, entitlement, user};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use super::{Store, StoreError, page::invalid_cursor, rows};
use crate::domain::{AccessLevel, DocumentId, InvalidInput, LinkId, User, UserId};

/// A user who has a document open, or may open it, by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkVisitor {
    /// The user.
    pub user: User,
    /// The link.
    pub link: LinkId,
    /// The level that the link gives them.
    pub level: AccessLevel,
    /// Whether they have no account.
    pub is_guest: bool,
    /// When their access by the link ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

/// A page of visitors, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorPage {
    /// The visitors. A user who has opened two links is listed twice.
    pub visitors: Vec<LinkVisitor>,
    /// Whether there are more.
    pub has_next: bool,
}

/// A position in a list of visitors, just after one of them. Its text form is URL-safe base64 of the ids of the user and of the
/// link. Clients treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitorCursor {
    user: UserId,
    link: LinkId,
}

impl VisitorCursor {
    /// Returns the position just after a visitor.
    #[must_use]
    pub fn after(visitor: &LinkVisitor) -> Self {
        Self { user: visitor.user.id, link: visitor.link }
    }

    /// Reads a cursor that a client sends back.
    ///
    /// # Errors
    /// It is not valid.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| {
            let (user, link) = bytes.split_at_checked(16)?;
            let [user, link] = [Uuid::from_slice(user).ok()?, Uuid::from_slice(link).ok()?];
            Some(Self { user: user.into(), link: link.into() })
        });
        cursor.ok_or_else(invalid_cursor)
    }
}

impl fmt::Display for VisitorCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = [*self.user.uuid().as_bytes(), *self.link.uuid().as_bytes()];
        f.write_str(&URL_SAFE_NO_PAD.encode(ids.concat()))
    }
}

#[derive(FromQueryResult)]
struct VisitorRow {
    user_id: Uuid,
    source_id: Uuid,
    level: Level,
    ends_at: Option<DateTime<Utc>>,
    name: String,
    guest_of: Option<Uuid>,
}

impl Store {
    /// Returns a page of the users who may open a document by a link: at most `first`, beginning behind `after`. The caller
    /// checks whether the viewer may see them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_link_visitors(
        &self,
        document: DocumentId,
        after: Option<VisitorCursor>,
        first: u32,
    ) -> Result<VisitorPage, StoreError> {
        use entitlement::Column;
        let mut query = entitlement::Entity::find()
            .select_only()
            .columns([Column::UserId, Column::SourceId, Column::Level, Column::EndsAt])
            .columns([user::Column::Name, user::Column::GuestOf])
            .inner_join(user::Entity)
            .filter(Column::DocumentId.eq(document.uuid()))
            .filter(Column::Kind.eq(entitlement::Kind::Link))
            .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
            .order_by_asc(Column::UserId)
            .order_by_asc(Column::SourceId)
            .limit(u64::from(first) + 1);
        if let Some(VisitorCursor { user, link }) = after {
            let place = [Column::UserId, Column::SourceId].map(ColumnTrait::into_expr);
            query = query.filter(
                Expr::tuple(place).gt(Expr::tuple([user.uuid(), link.uuid()].map(Expr::val))),
            );
        }
        let mut rows: Vec<VisitorRow> = query.into_model().all(&self.readers).await?;
        let has_next = rows.len() > first as usize;
        rows.truncate(first as usize);
        let visitors = rows.into_iter().map(|row| LinkVisitor {
            user: User { id: row.user_id.into(), name: row.name.into() },
            link: row.source_id.into(),
            level: rows::access_level(row.level),
            is_guest: row.guest_of.is_some(),
            ends_at: row.ends_at,
        });
        Ok(VisitorPage { visitors: visitors.collect(), has_next })
    }
}
