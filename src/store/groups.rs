//! Groups and their members ([ADR 52](../../docs/adr/0052-groups.md)).
//!
//! A change of membership counts at once in every statement that reads a level. It is carried into the documents of the
//! group afterwards ([`group_settlement`](super::group_settlement)).
//!
//! Invariant: every change of membership gives its row another `revision`, and the state `Joined` or `Left`.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{Level, group_access, group_member, identity, user, user_group};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::{Store, StoreError, derived_ids::derived_id, ownership::lock_account, rows};
use crate::domain::{GroupId, GroupName, OutsideSubject, Party, UserId};

/// The most members of a group.
pub(super) const MAX_MEMBERS: u64 = 10_000;

/// The most groups to which access to a document is granted.
pub(super) const MAX_GROUPS: u64 = 200;

/// A limit of groups is reached. The text may be shown to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GroupLimit {
    /// The group would have too many members.
    #[error("A group has at most {MAX_MEMBERS} members. Divide it into several groups.")]
    Members,
    /// The document would be shared with too many groups.
    #[error(
        "A document is shared with at most {MAX_GROUPS} groups. Revoke the access of one first."
    )]
    Groups,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id, which is derived from its name.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
}

impl Group {
    /// Returns the group with this name.
    #[must_use]
    pub fn named(name: GroupName) -> Self {
        Self { id: group_id(&name).into(), name }
    }

    /// Returns the group of a row, whose name was valid when it was stored.
    pub(super) fn stored(source: String, name: &str) -> Option<Self> {
        GroupName::new(source, name).map(Self::named)
    }
}

/// Users who join and leave a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberChanges {
    /// Those who join.
    pub joining: BTreeSet<UserId>,
    /// Those who leave.
    pub leaving: BTreeSet<UserId>,
}

/// What the groups in a token have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupsOutcome {
    /// The user is in other groups than before.
    Changed,
    /// They were in these groups.
    Unchanged,
    /// A token that was issued later has said otherwise.
    Older {
        /// When that token was issued.
        than: DateTime<Utc>,
    },
}

impl Store {
    /// Sets the groups of a user at an issuer, as a token has named them that was issued at `said_at`. The groups of
    /// older tokens are ignored.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn set_groups(
        &self,
        subject: &OutsideSubject,
        user: UserId,
        groups: &BTreeSet<GroupName>,
        said_at: DateTime<Utc>,
    ) -> Result<GroupsOutcome, StoreError> {
        use identity::Column;
        let said_at = said_at.trunc_subsecs(6);
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            lock_account(&txn, user).await?;
            let is_newer = Column::GroupsAt.is_null().or(Column::GroupsAt.lte(said_at));
            // It locks the row, so that another token of the user waits.
            let newer = identity::Entity::update_many()
                .col_expr(Column::GroupsAt, Expr::value(said_at))
                .filter(Column::Issuer.eq(&*subject.issuer))
                .filter(Column::Subject.eq(&*subject.subject))
                .filter(is_newer)
                .exec(&txn)
                .await?;
            if newer.rows_affected == 0 {
                let than = find_said_at(&txn, subject).await?.unwrap_or(said_at);
                return Ok(GroupsOutcome::Older { than });
            }
            let present = present_groups(&txn, user, &subject.issuer).await?;
            let named: BTreeSet<Uuid> = groups.iter().map(group_id).collect();
            for group in groups.iter().filter(|group| !present.contains(&group_id(group))) {
                note_group(&txn, group).await?;
                join(&txn, group_id(group), user).await?;
            }
            let left: Vec<Uuid> = present.difference(&named).copied().collect();
            leave(&txn, &left, &[user.uuid()]).await?;
            txn.commit().await?;
            let is_same = present == named;
            Ok(if is_same { GroupsOutcome::Unchanged } else { GroupsOutcome::Changed })
        })
        .await
    }

    /// Takes a user out of all groups.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub(super) async fn leave_groups(&self, user: UserId) -> Result<(), StoreError> {
        use group_member::{Column, State};
        let leave = group_member::Entity::update_many()
            .col_expr(Column::State, Expr::value(State::Left))
            .col_expr(Column::Revision, Expr::value(Uuid::now_v7()))
            .filter(Column::UserId.eq(user.uuid()))
            .filter(Column::State.ne(State::Left));
        self.turns.write(Party::Node, leave.exec(&self.statements)).await??;
        Ok(())
    }

    /// Lets users join and leave a group.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`] if one who joins has no account, [`GroupLimit::Members`], [`StoreError::Busy`].
    pub async fn change_members(
        &self,
        group: &GroupName,
        changes: &MemberChanges,
    ) -> Result<(), StoreError> {
        let id = group_id(group);
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            note_group(&txn, group).await?;
            let leaving: Vec<Uuid> = changes.leaving.iter().map(|user| user.uuid()).collect();
            leave(&txn, &[id], &leaving).await?;
            check_accounts(&txn, &changes.joining).await?;
            for user in &changes.joining {
                join(&txn, id, *user).await?;
            }
            if members(id).count(&txn).await? > MAX_MEMBERS {
                return Err(GroupLimit::Members.into());
            }
            txn.commit().await?;
            Ok(())
        })
        .await
    }

    /// Returns the groups that a user is in, by name, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_groups(&self, user: UserId, limit: u64) -> Result<Vec<Group>, StoreError> {
        let rows: Vec<(String, String)> = group_member::Entity::find()
            .select_only()
            .columns([user_group::Column::Source, user_group::Column::Name])
            .inner_join(user_group::Entity)
            .filter(group_member::Column::UserId.eq(user.uuid()))
            .filter(is_member())
            .order_by_asc(user_group::Column::Name)
            .order_by_asc(user_group::Column::Id)
            .limit(limit)
            .into_tuple()
            .all(&self.readers)
            .await?;
        Ok(rows.into_iter().filter_map(|(source, name)| Group::stored(source, &name)).collect())
    }

    /// Returns whether a user is in a group.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn is_in_group(&self, user: UserId, group: &GroupName) -> Result<bool, StoreError> {
        let found = members(group_id(group)).filter(group_member::Column::UserId.eq(user.uuid()));
        Ok(found.count(&self.readers).await? > 0)
    }
}

/// Returns the id of a group. It is the same for the same name.
pub(super) fn group_id(group: &GroupName) -> Uuid {
    let mut hash = Sha256::new();
    for part in [group.source(), group.name()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    derived_id(hash)
}

/// Returns the condition that a row of `group_member` is that of a user who is in the group.
pub(super) fn is_member() -> Expr {
    group_member::Column::State.ne(group_member::State::Left)
}

/// Returns the levels that groups give to these users on these documents now.
pub(super) async fn list_group_levels<C: ConnectionTrait>(
    connection: &C,
    documents: impl IntoIterator<Item = Uuid>,
    users: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<(Uuid, Uuid, Level)>, StoreError> {
    let levels = group_access::Entity::find()
        .select_only()
        .column(group_access::Column::DocumentId)
        .column(group_member::Column::UserId)
        .column(group_access::Column::Level)
        .join(sea_orm::JoinType::InnerJoin, members_of_access())
        .filter(group_access::Column::DocumentId.is_in(documents))
        .filter(group_member::Column::UserId.is_in(users))
        .filter(is_member())
        .filter(rows::has_not_ended(group_access::Column::EndsAt.into_expr()))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(levels)
}

/// Returns the join from grants to groups to the members of these groups.
pub(super) fn members_of_access() -> sea_orm::RelationDef {
    group_access::Entity::belongs_to(group_member::Entity)
        .from(group_access::Column::GroupId)
        .to(group_member::Column::GroupId)
        .into()
}

/// Selects the members of a group.
pub(super) fn members(group: Uuid) -> sea_orm::Select<group_member::Entity> {
    group_member::Entity::find().filter(group_member::Column::GroupId.eq(group)).filter(is_member())
}

/// Stores a group unless it is known.
pub(super) async fn note_group(
    txn: &DatabaseTransaction,
    group: &GroupName,
) -> Result<(), StoreError> {
    let row = user_group::ActiveModel {
        id: Set(group_id(group)),
        source: Set(group.source().to_owned()),
        name: Set(group.name().to_owned()),
    };
    user_group::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Returns when the token was issued whose groups were stored last.
async fn find_said_at(
    txn: &DatabaseTransaction,
    subject: &OutsideSubject,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let id = ((*subject.issuer).to_owned(), (*subject.subject).to_owned());
    Ok(identity::Entity::find_by_id(id).one(txn).await?.and_then(|row| row.groups_at))
}

async fn present_groups(
    txn: &DatabaseTransaction,
    user: UserId,
    source: &str,
) -> Result<BTreeSet<Uuid>, StoreError> {
    let groups: Vec<Uuid> = group_member::Entity::find()
        .select_only()
        .column(group_member::Column::GroupId)
        .inner_join(user_group::Entity)
        .filter(group_member::Column::UserId.eq(user.uuid()))
        .filter(user_group::Column::Source.eq(source))
        .filter(is_member())
        .into_tuple()
        .all(txn)
        .await?;
    Ok(groups.into_iter().collect())
}

async fn join(txn: &DatabaseTransaction, group: Uuid, user: UserId) -> Result<(), StoreError> {
    use group_member::{Column, State};
    let row = group_member::ActiveModel {
        group_id: Set(group),
        user_id: Set(user.uuid()),
        state: Set(State::Joined),
        revision: Set(Uuid::now_v7()),
    };
    let inserted = group_member::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    if inserted == 0 {
        // Those who left and come back before that was settled.
        group_member::Entity::update_many()
            .col_expr(Column::State, Expr::value(State::Joined))
            .col_expr(Column::Revision, Expr::value(Uuid::now_v7()))
            .filter(Column::GroupId.eq(group))
            .filter(Column::UserId.eq(user.uuid()))
            .filter(Column::State.eq(State::Left))
            .exec(txn)
            .await?;
    }
    Ok(())
}

async fn leave(
    txn: &DatabaseTransaction,
    groups: &[Uuid],
    users: &[Uuid],
) -> Result<(), StoreError> {
    use group_member::{Column, State};
    if groups.is_empty() || users.is_empty() {
        return Ok(());
    }
    group_member::Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Left))
        .col_expr(Column::Revision, Expr::value(Uuid::now_v7()))
        .filter(Column::GroupId.is_in(groups.iter().copied()))
        .filter(Column::UserId.is_in(users.iter().copied()))
        .filter(Column::State.ne(State::Left))
        .exec(txn)
        .await?;
    Ok(())
}

async fn check_accounts(
    txn: &DatabaseTransaction,
    users: &BTreeSet<UserId>,
) -> Result<(), StoreError> {
    let ids = users.iter().map(|user| user.uuid());
    let known = user::Entity::find()
        .filter(user::Column::Id.is_in(ids))
        .filter(user::Column::GuestOf.is_null())
        .filter(user::Column::ErasingAt.is_null())
        .count(txn)
        .await?;
    if known == users.len() as u64 { Ok(()) } else { Err(StoreError::NoSuchUser) }
}
