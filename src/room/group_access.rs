//! Announces the access that groups give to their members, when a grant to a group or a membership changes.

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

    /// Ends the grants to groups that have reached their end by now. Announces it to all nodes.
    pub(super) async fn end_due_group_grants(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        for (document, group) in self.parts().store.end_due_group_grants(now).await? {
            self.announce_group(document, group).await?;
        }
        Ok(())
    }

    /// Announces to all nodes what changes of membership have given and taken.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`]. What is left is tried again by the task that ends
    /// access.
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
