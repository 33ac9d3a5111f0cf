//! The access of users to documents: reading their levels, asking the application that decides, and announcing changes.

use chrono::Utc;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;

use super::{RoomParts, Rooms};
use crate::{
    domain::{AccessChange, AccessLevel, Document, DocumentId, LinkId, Party, SignInId, UserId},
    metrics::AccessOutcome,
    store::{StoreError, UserAccess},
};

/// The number of changes of access that are announced at the same time.
const ANNOUNCED_AT_ONCE: usize = 64;

/// The parts of a revoked link that are announced at the same time.
const PARTS_AT_ONCE: usize = 16;

impl Rooms {
    /// Reads a user's access level when it is their turn, and counts the check.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if the level does not include `needed`: no document and too low a level look the same;
    /// [`StoreError::Busy`].
    pub async fn read_level(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<AccessLevel, StoreError> {
        Ok(self.read_access(user, document, needed).await?.0)
    }

    /// Reads a user's access level and the access version at which it was read, when it is their turn, and counts the check.
    ///
    /// # Errors
    /// As [`read_level`](Self::read_level).
    pub async fn read_access(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<(AccessLevel, i64), StoreError> {
        let store = &self.parts().store;
        let find = || async {
            let found = store.read_for(Party::User(user), store.find_access(user, document));
            Ok(found.await??.map(|(level, access_version)| (access_version, level)))
        };
        let access = self.find_by_answer(user, document, needed, find).await?;
        let access = access.map(|(access_version, level)| (level, access_version));
        let level = self.check_level(access.map(|(level, _)| level), needed)?;
        Ok((level, access.map_or(0, |(_, access_version)| access_version)))
    }

    /// Reads a document together with a user's access level, when it is their turn, and counts the check.
    ///
    /// # Errors
    /// As [`read_level`](Self::read_level).
    pub async fn read_document(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<(Document, AccessLevel), StoreError> {
        let store = &self.parts().store;
        let find =
            async || store.read_for(Party::User(user), store.find_document(user, document)).await?;
        let found = self.find_by_answer(user, document, needed, find).await?;
        let level = self.check_level(found.as_ref().map(|(_, level)| *level), needed)?;
        found.map(|(document, _)| (document, level)).ok_or(StoreError::Denied)
    }

    /// Asks the application that decides on access, if there is one, unless its answer is known. After that the store knows the
    /// user's level.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    async fn ask_if_due(&self, user: UserId, document: DocumentId) -> Result<(), StoreError> {
        let questions = &self.parts().questions;
        if !questions.is_set() {
            return Ok(());
        }
        let asked = questions.ask_if_due(user, document, self.announcer()).await;
        if asked.is_err() {
            self.parts().metrics.access_checked(AccessOutcome::Failed);
        }
        asked
    }

    /// Returns whether an application decides who may open documents.
    #[must_use]
    pub fn has_deciding_application(&self) -> bool {
        self.parts().questions.is_set()
    }

    /// Returns the users whose level on a document this node is asking for.
    #[must_use]
    pub fn asked_about(&self, document: DocumentId) -> Vec<UserId> {
        self.parts().questions.in_progress(document)
    }

    /// Asks the application that decides on access now. When this returns, its answer has taken effect on this node, and on
    /// every other node that acknowledged within a second.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    pub async fn ask_again(&self, user: UserId, document: DocumentId) -> Result<(), StoreError> {
        let changed = self.parts().questions.ask_again(user, document, self.announcer()).await?;
        self.announce_access(changed).await;
        Ok(())
    }

    /// Asks the application again before its answers end, for the users who have their documents open. Returns immediately.
    pub fn renew_answers(&self) {
        let RoomParts { questions, open_documents, .. } = self.parts();
        let is_open = |user, document| open_documents.has(user, document);
        questions.renew(is_open, self.announcer());
    }

    /// Returns a function that announces the access of a user to all nodes.
    fn announcer(&self) -> impl Fn(Vec<UserAccess>) + Clone + Send + 'static {
        let rooms = self.clone();
        move |changes| {
            let rooms = rooms.clone();
            tokio::spawn(async move { rooms.announce_access(changes).await });
        }
    }

    /// Returns a document and the user's level on it. `None` if it does not exist or the user has no access to it.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    pub async fn find_document(
        &self,
        user: UserId,
        document: DocumentId,
    ) -> Result<Option<(Document, AccessLevel)>, StoreError> {
        let store = &self.parts().store;
        let find =
            async || store.read_for(Party::User(user), store.find_document(user, document)).await?;
        self.find_by_answer(user, document, AccessLevel::View, find).await
    }

    /// Runs `find` after the application that decides on access was asked, if that is due. Asks it again if another node has
    /// replaced the answer that this one knows.
    async fn find_by_answer<T, F>(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
        find: impl Fn() -> F,
    ) -> Result<Option<(T, AccessLevel)>, StoreError>
    where
        F: Future<Output = Result<Option<(T, AccessLevel)>, StoreError>>,
    {
        self.ask_if_due(user, document).await?;
        let found = find().await?;
        let level = found.as_ref().map(|(_, level)| *level);
        let is_enough = level.is_some_and(|level| level.allows(needed));
        if is_enough || !self.parts().questions.forget_above(user, document, level) {
            return Ok(found);
        }
        self.ask_if_due(user, document).await?;
        find().await
    }

    /// Checks and counts an access level. None stands for no access or no document.
    fn check_level(
        &self,
        level: Option<AccessLevel>,
        needed: AccessLevel,
    ) -> Result<AccessLevel, StoreError> {
        let level = level.filter(|level| level.allows(needed));
        let outcome = if level.is_some() { AccessOutcome::Allowed } else { AccessOutcome::Denied };
        self.parts().metrics.access_checked(outcome);
        level.ok_or(StoreError::Denied)
    }

    /// Announces a user's access to this node. When this returns, the streams of a user without access have ended here.
    pub async fn apply_access(&self, document: DocumentId, user: UserId, access: AccessChange) {
        if let Some(room) = self.find(document) {
            room.change_access(user, access).await;
        }
    }

    /// Announces a user's new access to all nodes. When this returns, the streams of a revoked user have ended
    /// on this node, and on every other node that acknowledged within a second.
    pub async fn access_changed(&self, document: DocumentId, user: UserId, access: AccessChange) {
        self.apply_access(document, user, access).await;
        self.publish_access(document, user, access).await;
    }

    async fn publish_access(&self, document: DocumentId, user: UserId, access: AccessChange) {
        self.parts().metrics.published();
        self.parts().bridge.publish_access_change(document, user, access).await;
    }

    /// Announces the access of users that has changed in the store to all nodes, as [`access_changed`](Self::access_changed) does.
    pub async fn announce_access(&self, changes: Vec<UserAccess>) {
        // On this node first, which does not wait for others.
        let applying = changes.iter().map(|UserAccess { document, user, access }| {
            self.apply_access(*document, *user, *access)
        });
        let applying =
            stream::iter(applying).for_each_concurrent(ANNOUNCED_AT_ONCE, |applied| applied);
        applying.await;
        let publishing = changes.into_iter().map(|UserAccess { document, user, access }| {
            self.publish_access(document, user, access)
        });
        let publishing = stream::iter(publishing);
        publishing.for_each_concurrent(ANNOUNCED_AT_ONCE, |published| published).await;
    }

    /// Ends what document tokens entitle a user to: the token of one sign-in, or all. Announces it to all nodes.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_token_entitlements(
        &self,
        user: UserId,
        sign_in: Option<SignInId>,
    ) -> Result<(), StoreError> {
        let store = &self.parts().store;
        while let Some(changes) = store.end_some_token_entitlements(user, sign_in).await? {
            // They are announced before the next part may fail.
            self.announce_access(changes).await;
        }
        Ok(())
    }

    /// Ends the access that has reached its end by now. Announces it to all nodes.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_access(&self) -> Result<(), StoreError> {
        let store = &self.parts().store;
        let now = Utc::now();
        while store.has_due_access(now).await? {
            // Each part is announced before the other may fail, and neither keeps the other from being tried.
            let entitlements = store.end_due_entitlements(now).await;
            let entitlements = self.announce_ended(entitlements).await;
            let grants = self.announce_ended(store.end_due_grants(now).await).await;
            let links = self.end_revoked_links().await;
            entitlements.and(grants).and(links)?;
        }
        Ok(())
    }

    /// Ends what a revoked link has given. Announces it to all nodes. No part waits until other nodes have acknowledged the
    /// parts before it, unless there are many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_link(&self, link: LinkId) -> Result<(), StoreError> {
        let store = &self.parts().store;
        let parts = stream::unfold(true, |goes_on| async move {
            if !goes_on {
                return None;
            }
            match store.end_some_of_link(link).await {
                Ok(changes) => changes.map(|changes| (Ok(changes), true)),
                Err(error) => Some((Err(error), false)),
            }
        });
        // What has ended is announced whatever happens to the parts after it.
        let failure = Mutex::new(None);
        let announcing = parts.for_each_concurrent(PARTS_AT_ONCE, |part| async {
            match part {
                Ok(changes) => self.announce_access(changes).await,
                Err(error) => *failure.lock() = Some(error),
            }
        });
        announcing.await;
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// Ends what links have given that were revoked by nodes which have stopped since.
    async fn end_revoked_links(&self) -> Result<(), StoreError> {
        for link in self.parts().store.list_revoked_links().await? {
            self.end_link(link).await?;
        }
        Ok(())
    }

    async fn announce_ended(
        &self,
        ended: Result<Vec<UserAccess>, StoreError>,
    ) -> Result<(), StoreError> {
        self.announce_access(ended?).await;
        Ok(())
    }
}
