//! The access that groups give to their members: what a change of a grant to a group, or of a membership, gives and takes is announced.

use chrono::{DateTime, Utc};

use super::Rooms;
use crate::{
    domain::{DocumentId, GroupId},
    store::StoreError,
};

impl Rooms {
    /// Announces the access of all members of a group to a document to all nodes, after a grant to the group has changed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`]. The next comparison announces the rest on nodes
    /// that share a database.
    pub async fn announce_group(
        &self,
        document: DocumentId,
        group: GroupId,
    ) -> Result<(), StoreError> {
        let (store, mut after) = (&self.parts().store, None);
        while let Some((access, last)) = store.list_member_access(document, group, after).await? {
            self.announce_access(access).await;
            after = Some(last);
        }
        Ok(())
    }

    /// Announces the end of a grant to a group to all nodes, and deletes it.
    ///
    /// # Errors
    /// As [`announce_group`](Self::announce_group). The grant counts for nobody. [`end_group_grants`](Self::end_group_grants) tries
    /// again.
    pub async fn end_group_grant(
        &self,
        document: DocumentId,
        group: GroupId,
    ) -> Result<(), StoreError> {
        self.announce_group(document, group).await?;
        self.parts().store.delete_ended_group_grant(document, group).await
    }

    /// Announces the ends of grants to groups that have ended by now, and deletes them.
    ///
    /// # Errors
    /// The last error of one of them. Each is tried.
    pub async fn end_group_grants(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let store = &self.parts().store;
        let mut outcome = Ok(());
        for (document, group) in store.list_ended_group_grants(now).await? {
            let ended = async {
                store.note_end_of_group_grant(document).await?;
                self.end_group_grant(document, group).await
            };
            outcome = ended.await.and(outcome);
        }
        outcome
    }

    /// Announces to all nodes what changes of membership have given and taken.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`]. What is left is found by the next call.
    pub async fn settle_members(&self) -> Result<(), StoreError> {
        let store = &self.parts().store;
        for member in store.list_unsettled_members().await? {
            let mut after = None;
            while let Some((access, last)) = store.settle_some(member, after).await? {
                self.announce_access(access).await;
                after = Some(last);
            }
        }
        Ok(())
    }
}
