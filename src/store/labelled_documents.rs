//! The documents of a list that have labels.
//!
//! A list has any number of documents, and perhaps none of them has the labels. So a page looks at a bounded number of documents of
//! the list, and ends behind the last of those: it may hold fewer documents than were asked for, although others follow.

use chrono::{DateTime, Utc};
use entity::document;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter, QuerySelect as _};
use uuid::Uuid;

use super::{
    DocumentOrder, DocumentQuery, PageCursor, Store, StoreError,
    documents::{select_candidates, sorted},
    metadata::has_label,
    statement_sizes::fill_up,
};
use crate::domain::UserId;

/// How many documents of a list one page looks at.
pub(super) const MAX_SCANNED: u16 = 1_000;

/// The documents of a page, before their texts are counted.
pub(super) struct Listed {
    /// Their ids and the bytes of their texts, in the order of the list. One more than the page has, if there are as many.
    pub(super) sizes: Vec<(Uuid, i64)>,
    /// Where the next page begins, if the page ends before the list does although it is not full.
    pub(super) ends_at: Option<PageCursor>,
}

impl Store {
    /// Returns those of the next `scanned` documents of a list that have the labels of the query.
    pub(super) async fn find_labelled(
        &self,
        viewer: UserId,
        query: &DocumentQuery,
        scanned: u16,
    ) -> Result<Listed, StoreError> {
        let one_more = u64::from(scanned) + 1;
        let next = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .column(document::Column::UpdatedAt)
            .filter(document::Column::Id.in_subquery(select_candidates(viewer, query, one_more)))
            .limit(one_more);
        let mut next: Vec<(Uuid, DateTime<Utc>)> =
            sorted(next, query.order).into_tuple().all(&self.readers).await?;
        let has_more = next.len() > usize::from(scanned);
        next.truncate(usize::from(scanned));
        let Some((last, updated_at)) = next.last().copied() else {
            return Ok(Listed { sizes: Vec::new(), ends_at: None });
        };
        let mut ids: Vec<Uuid> = next.into_iter().map(|(id, _)| id).collect();
        fill_up(&mut ids, &last);
        let labelled = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .column(document::Column::Size)
            .filter(document::Column::Id.is_in(ids))
            .limit(u64::from(query.first) + 1);
        let labelled = query.labels.iter().map(has_label).fold(labelled, QueryFilter::filter);
        let sizes = sorted(labelled, query.order).into_tuple().all(&self.readers).await?;
        let ends_at = match query.order {
            DocumentOrder::Updated => PageCursor::Updated { updated_at, id: last.into() },
            DocumentOrder::Created => PageCursor::Created(last.into()),
        };
        Ok(Listed { sizes, ends_at: has_more.then_some(ends_at) })
    }
}
