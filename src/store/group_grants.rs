//! Access that is granted to groups: granting, listing, revoking and ending it.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{Level, group_access, group_member, user_group};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Grant, Group, Store, StoreError, UserAccess,
    access::{AccessState, Until, increment_access_version},
    document_lock::lock_documents,
    entitlements::list_access,
    groups::{group_id, members, note_group},
    links::earlier,
    rows,
};
use crate::domain::{AccessLevel, DocumentId, GroupId, GroupName, Party, UserId};

/// The most grants that are listed, and members that are read at a time.
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
    /// Grants all members of a group a level until `ends_at`, or until it is revoked. Replaces the previous grant to the group. The
    /// grant ends with that of `actor` at the latest.
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
            let until = match state.may_grant_until(actor).ok_or(StoreError::Denied)? {
                Until::Revoked => None,
                Until::Time(until) => Some(until),
            };
            let ends_at = earlier(grant.ends_at.map(|at| at.trunc_subsecs(6)), until);
            note_group(&txn, group).await?;
            let (id, granted_at) = (group_id(group), rows::now());
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
            increment_access_version(&txn, document).await?;
            txn.commit().await?;
            let group = Group::named(group.clone());
            Ok(GroupGrant { group, level: grant.level, granted_at, ends_at })
        })
        .await
    }

    /// Revokes what was granted to a group. Returns false if nothing was.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not revoke access, [`StoreError::Busy`].
    pub async fn revoke_from_group(
        &self,
        actor: UserId,
        document: DocumentId,
        group: GroupId,
    ) -> Result<bool, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let state = AccessState::load(&txn, document, actor, actor).await?;
            if state.actor_level(actor) != Some(AccessLevel::Owner) {
                return Err(StoreError::Denied);
            }
            let id = (document.uuid(), group.uuid());
            let deleted = group_access::Entity::delete_by_id(id).exec(&txn).await?;
            increment_access_version(&txn, document).await?;
            txn.commit().await?;
            Ok(deleted.rows_affected > 0)
        })
        .await
    }

    /// Returns what was granted to groups on a document, oldest first, at most 200. The caller checks whether the viewer may see it.
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
            .limit(ROWS_AT_ONCE)
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

    /// Returns the present access of some members of a group on a document, those behind `after`, and the last of them. `None` if
    /// there are no more. To be announced after a grant to the group has changed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_member_access(
        &self,
        document: DocumentId,
        group: GroupId,
        after: Option<UserId>,
    ) -> Result<Option<(Vec<UserAccess>, UserId)>, StoreError> {
        let mut find = members(group.uuid())
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

    /// Deletes some of the grants to groups that have ended by `now`. Returns their documents and groups.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_group_grants(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(DocumentId, GroupId)>, StoreError> {
        use group_access::Column;
        let due: Vec<(Uuid, Uuid)> = group_access::Entity::find()
            .select_only()
            .columns([Column::DocumentId, Column::GroupId])
            .filter(Column::EndsAt.lte(now))
            .limit(ROWS_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        let mut by_document: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (document, group) in due {
            by_document.entry(document).or_default().push(group);
        }
        let mut ended = Vec::new();
        for (document, groups) in by_document {
            let document = DocumentId::from(document);
            self.write(Party::Node, async {
                let txn = self.begin().await?;
                lock_documents(&txn, [document]).await?;
                group_access::Entity::delete_many()
                    .filter(Column::DocumentId.eq(document.uuid()))
                    .filter(Column::GroupId.is_in(groups.iter().copied()))
                    .filter(Column::EndsAt.lte(now))
                    .exec(&txn)
                    .await?;
                increment_access_version(&txn, document).await?;
                txn.commit().await?;
                Ok::<_, StoreError>(())
            })
            .await?;
            ended.extend(groups.into_iter().map(|group| (document, GroupId::from(group))));
        }
        Ok(ended)
    }
}
