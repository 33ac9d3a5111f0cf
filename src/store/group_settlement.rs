//! The settlement of changes of membership: carrying them into the documents of the group.
//!
//! When a user joins or leaves a group, their row of `group_member` gets the state `Joined` or `Left`. A task of each
//! node calls these methods for every such row: they increment the access versions of the documents of the group in
//! parts, and the caller announces each part to open sessions. After the last part the row is settled: its state is
//! `Settled`, or it is deleted if the user has left.
//!
//! Invariant: a row is settled only if it has the `revision` with which its settlement began. A change that was made
//! meanwhile is settled again from the first document.

use std::collections::BTreeSet;

use entity::{group_access, group_member};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Store, StoreError, UserAccess, access_changes::record_changes, document_lock::lock_documents,
};
use crate::domain::{DocumentId, Party, UserId};

/// The most rows that are read or changed at a time.
const ROWS_AT_ONCE: u64 = 200;

/// The condition that a row is not settled: its state is not [`Settled`](group_member::State::Settled). The number is a
/// literal because the index of such rows has the same condition.
const IS_UNSETTLED: &str = "state <> 2";

/// A change of membership that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsettledMember {
    group: Uuid,
    user: Uuid,
    state: group_member::State,
    revision: Uuid,
}

impl Store {
    /// Returns some of the changes of membership that are not settled.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_unsettled_members(&self) -> Result<Vec<UnsettledMember>, StoreError> {
        let rows = group_member::Entity::find()
            .filter(Expr::cust(IS_UNSETTLED))
            .order_by_asc(group_member::Column::Revision)
            .limit(ROWS_AT_ONCE)
            .all(&self.readers)
            .await?;
        let unsettled = rows.into_iter().map(|row| UnsettledMember {
            group: row.group_id,
            user: row.user_id,
            state: row.state,
            revision: row.revision,
        });
        Ok(unsettled.collect())
    }

    /// Counts a change of membership as a change of access, on some of the documents of the group behind `after`.
    /// Returns the access of the user, to be announced, and the last of these documents. `None` if there are no more:
    /// the change is settled.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn settle_some(
        &self,
        member: UnsettledMember,
        after: Option<DocumentId>,
    ) -> Result<Option<(Vec<UserAccess>, DocumentId)>, StoreError> {
        let mut find = group_access::Entity::find()
            .select_only()
            .column(group_access::Column::DocumentId)
            .filter(group_access::Column::GroupId.eq(member.group))
            .order_by_asc(group_access::Column::DocumentId)
            .limit(ROWS_AT_ONCE);
        if let Some(after) = after {
            find = find.filter(group_access::Column::DocumentId.gt(after.uuid()));
        }
        let documents: Vec<Uuid> = find.into_tuple().all(&self.readers).await?;
        let Some(last) = documents.last().copied() else {
            self.finish_settling(member).await?;
            return Ok(None);
        };
        let user = UserId::from(member.user);
        let pairs: BTreeSet<_> = documents.into_iter().map(|id| (id.into(), user)).collect();
        let changed = self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, pairs.iter().map(|(document, _)| *document)).await?;
            let access = record_changes(&txn, &pairs).await?;
            txn.commit().await?;
            Ok::<_, StoreError>(access)
        });
        Ok(Some((changed.await?, last.into())))
    }

    /// Marks a change of membership as settled, unless there was another one meanwhile.
    async fn finish_settling(&self, member: UnsettledMember) -> Result<(), StoreError> {
        use group_member::{Column, State};
        let row = Condition::all()
            .add(Column::GroupId.eq(member.group))
            .add(Column::UserId.eq(member.user))
            .add(Column::Revision.eq(member.revision));
        match member.state {
            State::Joined | State::Settled => {
                let settle = group_member::Entity::update_many()
                    .col_expr(Column::State, Expr::value(State::Settled))
                    .filter(row);
                self.turns.write(Party::Node, settle.exec(&self.statements)).await??;
            }
            State::Left => {
                let delete = group_member::Entity::delete_many().filter(row);
                self.turns.write(Party::Node, delete.exec(&self.statements)).await??;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ActiveEnum as _;

    use super::*;

    #[test]
    fn the_condition_of_unsettled_rows_names_the_stored_state() {
        let settled = group_member::State::Settled.to_value();
        assert_eq!(IS_UNSETTLED, format!("state <> {settled}"));
    }
}
