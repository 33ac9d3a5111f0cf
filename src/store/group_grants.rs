//! Access that is granted to groups: granting, listing, revoking and ending it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{Level, group_access, group_member, user_group};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    Grant, Group, Store, StoreError, UserAccess,
    access_changes::{increment_access_versions, list_access},
    access_state::AccessState,
    document_lock::lock_documents,
    groups::{GroupLimit, MAX_GROUPS, group_id, note_group},
    rows,
};
use crate::domain::{AccessLevel, DocumentId, GroupId, GroupName, Party, UserId};

/// The most members and grants that are read at a time.
const ROWS_AT_ONCE: u64 = 200;

/// Access that was granted to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupGrant {
    /// The group.
    pub group: Group,
    /// The level of its members.
    pub level: AccessLevel,
    /// When this level was granted.
    pub granted_at: DateTime<Utc>,
    /// When the grant ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct GroupGrantRow {
    source: String,
    name: String,
    level: Level,
    granted_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Grants all members of a group a level until `ends_at`, or until it is revoked. Replaces the previous grant to
    /// the group. The grant ends with that of `actor` at the latest.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` neither owns the document nor was granted owner access, [`StoreError::Busy`].
    pub async fn grant_to_group(
        &self,
        actor: UserId,
        document: DocumentId,
        group: &GroupName,
        grant: Grant,
    ) -> Result<GroupGrant, StoreError> {
        use group_access::Column;
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let state = AccessState::load(&txn, document, actor, actor).await?;
            let ends_at = state.end_of_grant(actor, grant.ends_at)?;
            note_group(&txn, group).await?;
            let (id, granted_at) = (group_id(group), rows::now());
            check_group_count(&txn, document, id).await?;
            let row = group_access::ActiveModel {
                document_id: Set(document.uuid()),
                group_id: Set(id),
                level: Set(rows::stored_level(grant.level)),
                granted_at: Set(granted_at),
                ends_at: Set(ends_at),
            };
            let replace = OnConflict::columns([Column::DocumentId, Column::GroupId])
                .update_columns([Column::Level, Column::GrantedAt, Column::EndsAt])
                .to_owned();
            let insert = group_access::Entity::insert(row).on_conflict(replace);
            insert.exec_without_returning(&txn).await?;
            increment_access_versions(&txn, [document]).await?;
            txn.commit().await?;
            let group = Group::named(group.clone());
            Ok(GroupGrant { group, level: grant.level, granted_at, ends_at })
        })
        .await
    }

    /// Ends what was granted to a group. Returns false, and changes nothing, if nothing was. The rest is the same
    /// as for a grant that ends by itself: it is announced and then [deleted](Self::delete_ended_group_grant). Until
    /// then, another call returns true as well, so that a call after a failure goes on.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not revoke access, [`StoreError::Busy`].
    pub async fn revoke_from_group(
        &self,
        actor: UserId,
        document: DocumentId,
        group: GroupId,
    ) -> Result<bool, StoreError> {
        use group_access::Column;
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            AccessState::load_for_owner(&txn, document, actor).await?;
            let ended = group_access::Entity::update_many()
                // Not the present time, which a node with a slow clock would wait for.
                .col_expr(Column::EndsAt, Expr::value(DateTime::UNIX_EPOCH))
                .filter(Column::DocumentId.eq(document.uuid()))
                .filter(Column::GroupId.eq(group.uuid()))
                .exec(&txn)
                .await?;
            if ended.rows_affected == 0 {
                return Ok(false);
            }
            increment_access_versions(&txn, [document]).await?;
            txn.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Returns what was granted to groups on a document, oldest first. The caller checks whether the viewer may see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_group_grants(
        &self,
        document: DocumentId,
    ) -> Result<Vec<GroupGrant>, StoreError> {
        use group_access::Column;
        let rows: Vec<GroupGrantRow> = group_access::Entity::find()
            .select_only()
            .columns([Column::Level, Column::GrantedAt, Column::EndsAt])
            .columns([user_group::Column::Source, user_group::Column::Name])
            .inner_join(user_group::Entity)
            .filter(Column::DocumentId.eq(document.uuid()))
            .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
            .order_by_asc(Column::GrantedAt)
            .order_by_asc(Column::GroupId)
            .limit(MAX_GROUPS)
            .into_model()
            .all(&self.readers)
            .await?;
        let grants = rows.into_iter().filter_map(|row| {
            let group = Group::stored(row.source, &row.name)?;
            let level = rows::access_level(row.level);
            Some(GroupGrant { group, level, granted_at: row.granted_at, ends_at: row.ends_at })
        });
        Ok(grants.collect())
    }

    /// Returns the present access of some members of a group on a document, those behind `after`, and the last of them.
    /// `None` if there are no more. To be announced after a grant to the group has changed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_member_access(
        &self,
        document: DocumentId,
        group: GroupId,
        after: Option<UserId>,
    ) -> Result<Option<(Vec<UserAccess>, UserId)>, StoreError> {
        // Those who have just left it lose the access as well.
        let mut find = group_member::Entity::find()
            .filter(group_member::Column::GroupId.eq(group.uuid()))
            .select_only()
            .column(group_member::Column::UserId)
            .order_by_asc(group_member::Column::UserId)
            .limit(ROWS_AT_ONCE);
        if let Some(after) = after {
            find = find.filter(group_member::Column::UserId.gt(after.uuid()));
        }
        let users: Vec<Uuid> = find.into_tuple().all(&self.readers).await?;
        let Some(last) = users.last().copied() else { return Ok(None) };
        let pairs: BTreeSet<_> = users.into_iter().map(|user| (document, user.into())).collect();
        let access = self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            let access = list_access(&txn, &pairs).await?;
            txn.commit().await?;
            Ok::<_, StoreError>(access)
        });
        Ok(Some((access.await?, last.into())))
    }

    /// Returns some of the grants to groups that have ended by `now`, by their documents and groups.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_ended_group_grants(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(DocumentId, GroupId)>, StoreError> {
        use group_access::Column;
        let ended: Vec<(Uuid, Uuid)> = group_access::Entity::find()
            .select_only()
            .columns([Column::DocumentId, Column::GroupId])
            .filter(Column::EndsAt.lte(now))
            .order_by_asc(Column::EndsAt)
            .limit(ROWS_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(ended.into_iter().map(|(document, group)| (document.into(), group.into())).collect())
    }

    /// Counts the end of a grant to a group as a change of access, before it is announced.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn note_end_of_group_grant(&self, document: DocumentId) -> Result<(), StoreError> {
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            increment_access_versions(&txn, [document]).await?;
            txn.commit().await?;
            Ok(())
        })
        .await
    }

    /// Deletes a grant to a group that has ended, after its end was announced. It counts as another change of access:
    /// a node whose clock is behind may have read the grant after the first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn delete_ended_group_grant(
        &self,
        document: DocumentId,
        group: GroupId,
    ) -> Result<(), StoreError> {
        use group_access::Column;
        let delete = group_access::Entity::delete_many()
            .filter(Column::DocumentId.eq(document.uuid()))
            .filter(Column::GroupId.eq(group.uuid()))
            .filter(Column::EndsAt.lte(rows::now()));
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            if delete.exec(&txn).await?.rows_affected > 0 {
                increment_access_versions(&txn, [document]).await?;
            }
            txn.commit().await?;
            Ok(())
        })
        .await
    }
}

/// Checks that a document may be shared with one more group.
async fn check_group_count(
    txn: &DatabaseTransaction,
    document: DocumentId,
    group: Uuid,
) -> Result<(), StoreError> {
    let others = group_access::Entity::find()
        .filter(group_access::Column::DocumentId.eq(document.uuid()))
        .filter(group_access::Column::GroupId.ne(group));
    let count = others.count(txn).await?;
    if count < MAX_GROUPS { Ok(()) } else { Err(GroupLimit::Groups.into()) }
}

#[cfg(test)]
#[path = "group_grants_tests.rs"]
mod tests;
