//! Naming versions, and finding what takes changes back: work on earlier versions, beside the rooms of their documents.

use super::Rooms;
use crate::{
    domain::{DocumentId, Party, UserId, Version, VersionName, VersionRange},
    editing::{
        EditError, LoadError, Replica, Reversal, reversal::load_reversal,
        turn_context::TurnContext, work_permits::WorkPermits,
    },
    store::{NamedVersion, NewNamedVersion},
};

impl Rooms {
    /// Gives a version of a document a name for a user. The version stays readable from then on.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if the version is no longer kept, [`LoadError::Store`]: the user may not edit the document, a quota is
    /// used up, too many versions have names, or the store failed. [`LoadError::Busy`].
    pub async fn name_version(
        &self,
        actor: UserId,
        document: DocumentId,
        version: Version,
        name: VersionName,
    ) -> Result<NamedVersion, LoadError> {
        let (store, party) = (&self.parts().store, Party::User(actor));
        store.check_change_allowance(actor)?;
        // Until it is stored, since its content is in memory.
        let _turn = self.turn_to_create(actor).await?;
        let at = store.read_for(party, store.find_change_time(document, version)).await??;
        let write = |replica: &Replica| replica.state();
        let state = self.read_replica(document, version, party, write).await?;
        let new = NewNamedVersion { actor, document, version, at, name, state };
        Ok(store.name_version(new).await?)
    }

    /// Returns the opposite of changes of a document, for a user who takes them back. `None` if they have changed no content. Does not
    /// check access.
    ///
    /// # Errors
    /// [`EditError::Load`] with [`LoadError::NotKept`] if the versions are no longer kept, and as an edit that restores a version.
    pub async fn load_reversal(
        &self,
        author: UserId,
        document: DocumentId,
        range: VersionRange,
    ) -> Result<Option<Reversal>, EditError> {
        self.parts().store.check_change_allowance(author)?;
        let shared = self.shared();
        // The document of the room is not used, so its edits go on.
        let permits = WorkPermits::new(shared.permits.clone());
        let context: TurnContext = shared.turn_context(document, permits);
        load_reversal(&context, author, range).await
    }
}
