//! Taking changes of a document back, as a new change that is merged with everything written since.
//!
//! [`Reversal::between`] gives the version after the changes the content of the one before them: it deletes exactly the items that
//! the changes inserted, and then writes what still differs, as a restoration does. [`Replica::reverse`] merges both into the
//! present document, like a change that was made at that time. So what was inserted is deleted if it is still there, what was
//! deleted is inserted again at its place, and what others have written since stays.
//!
//! Invariant: a reversal is merged as a whole or not at all.

use std::{borrow::Cow, collections::HashMap, fmt};

use bytes::Bytes;
use protocol::{
    domain::{Budget, Exhausted},
    wire::yjs::{MAX_CLIENT, Outline, for_clients},
};
use thiserror::Error;
use yrs::{ClientID, ID, IdSet, updates::encoder::Encode as _};

use super::{
    merge::{MergeBounds, MergeError, Merged},
    replica::{Replica, StateError},
    restoration::{RestoreError, Restored},
};

/// Reversals are written by clients with smaller ids than nearly all editors have. Of two values that do not know each other, the
/// one of the client with the larger id counts, so a value that was set since is not replaced. If a client with a smaller id has
/// written since, such as another reversal, the reversal gets a smaller one still.
const CLIENTS: u64 = 1 << 20;

/// How far a smaller id is below another one at most, if one so near is free: there are few small ids.
const MAX_CLIENT_STEP: u64 = 64;

/// The reason why changes were not taken back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReversalError {
    /// The document has begun another history since, so what was inserted cannot be found in it.
    #[error("the changes belong to another history of the document")]
    OtherHistory,
    /// The opposite of the changes cannot be written, or breaks a limit of the document.
    #[error(transparent)]
    Refused(#[from] RestoreError),
}

/// The opposite of changes of a document.
#[derive(Clone)]
pub struct Reversal {
    /// Yjs v1 updates, made for the version after the changes.
    updates: Vec<Bytes>,
    /// The client that has written them.
    client: u64,
    /// The clock of each client in that version.
    basis: HashMap<u64, u32>,
}

impl Reversal {
    /// Returns the opposite of what has changed between two versions of a document. `before` is `None` for the first version, which
    /// has inserted all that it has. Returns `None` if both versions have the same content.
    ///
    /// # Errors
    /// [`ReversalError`].
    pub fn between(
        before: Option<&Replica>,
        after: Replica,
        bounds: &MergeBounds,
    ) -> Result<Option<Self>, ReversalError> {
        let basis = after.clocks();
        let known = before.map(Replica::clocks).unwrap_or_default();
        if !contains(&basis, &known) {
            return Err(ReversalError::OtherHistory);
        }
        let client = fresh_client(&basis);
        let deletion = deletion_of_inserted(&known, &basis);
        let after = written_by(after, client, &bounds.budget)?;
        let (after, deleted) = after.merge(std::slice::from_ref(&deletion), bounds);
        let has_deleted = match deleted.map_err(refused)? {
            Some(Merged { leaves_out: true, .. }) => return Err(too_much().into()),
            Some(_) => true,
            None => false,
        };
        let Some(after) = after else { return Err(too_much().into()) };
        let (_after, restored) = match before {
            Some(before) => after.restore(before, bounds),
            None => after.restore(&Replica::of(""), bounds),
        };
        let mut updates = if has_deleted { vec![deletion] } else { vec![] };
        // It is merged like the update of a client, which has subdocuments as they are.
        let unwrapped = |update: Bytes| Bytes::from(for_clients(&update).into_owned());
        updates.extend(restored?.map(|Restored { update, .. }| unwrapped(update)));
        Ok((!updates.is_empty()).then_some(Self { updates, client, basis }))
    }

    /// Returns its updates for a document with these clocks: by a client with a smaller id than all that have written since the
    /// version that it was made for.
    fn updates_for(&self, known: &HashMap<u64, u32>) -> Result<Cow<'_, [Bytes]>, ReversalError> {
        let has_written = |(client, clock): &(&u64, &u32)| {
            self.basis.get(*client).is_none_or(|before| before < *clock)
        };
        let least = known.iter().filter(has_written).map(|(client, _clock)| *client).min();
        let Some(least) = least.filter(|least| *least <= self.client) else {
            return Ok(Cow::Borrowed(&self.updates));
        };
        match client_below(least, known) {
            Some(client) => Ok(Cow::Owned(self.written_by(client)?)),
            // Its items would be taken for those that are there. The next attempt has another client.
            None if known.contains_key(&self.client) => {
                Err(RestoreError::Exhausted(Exhausted::Stopped).into())
            }
            // A client has used the smallest id there is.
            None => Ok(Cow::Borrowed(&self.updates)),
        }
    }

    /// Returns its updates as another client would have written them.
    fn written_by(&self, client: u64) -> Result<Vec<Bytes>, RestoreError> {
        let rename = |update: &Bytes| -> Result<Bytes, RestoreError> {
            let outline = Outline::read(update, usize::MAX)
                .map_err(|error| MergeError::Malformed(error.to_string()))?;
            let renamed = outline
                .with_client(update, self.client, client)
                .map_err(|error| MergeError::Malformed(error.to_string()))?;
            Ok(renamed.into())
        };
        self.updates.iter().map(rename).collect()
    }

    /// Returns its size, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.updates.iter().map(Bytes::len).sum()
    }
}

impl fmt::Debug for Reversal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the content.
        f.debug_struct("Reversal").field("weight", &self.weight()).finish_non_exhaustive()
    }
}

impl Replica {
    /// Merges a reversal. Returns `None` if nothing is left of what it takes back.
    ///
    /// # Errors
    /// [`ReversalError`]. The replica is returned, unchanged, only if the error was found before anything was applied.
    pub fn reverse(
        self,
        reversal: &Reversal,
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Restored>, ReversalError>) {
        let known = self.clocks();
        if !contains(&known, &reversal.basis) {
            return (Some(self), Err(ReversalError::OtherHistory));
        }
        let updates = match reversal.updates_for(&known) {
            Ok(updates) => updates,
            Err(error) => return (Some(self), Err(error)),
        };
        let (replica, merged) = self.merge(&updates, bounds);
        match merged {
            // A part of it has been merged.
            Ok(Some(Merged { leaves_out: true, .. })) => (None, Err(too_much().into())),
            Ok(Some(Merged { delta, update, .. })) => {
                (replica, Ok(Some(Restored { delta, update })))
            }
            Ok(None) => (replica, Ok(None)),
            Err(error) => (replica, Err(refused(error).into())),
        }
    }
}

/// Whether a document with these clocks has everything that another one has.
fn contains(clocks: &HashMap<u64, u32>, others: &HashMap<u64, u32>) -> bool {
    let clock_of = |client: &u64| clocks.get(client).copied().unwrap_or_default();
    others.iter().all(|(client, clock)| clock_of(client) >= *clock)
}

/// Returns an update that deletes everything that `after` has and `before` does not.
fn deletion_of_inserted(before: &HashMap<u64, u32>, after: &HashMap<u64, u32>) -> Bytes {
    let mut inserted = IdSet::new();
    // The history mark stays, and the text that was inserted with it is compared.
    for (client, end) in after.iter().filter(|(client, _end)| **client <= MAX_CLIENT) {
        let start = before.get(client).copied().unwrap_or_default();
        if start < *end {
            inserted.insert(ID::new(ClientID::new(*client), start), end - start);
        }
    }
    // An update begins with its number of clients with insertions.
    let mut update = vec![0_u8];
    update.extend(inserted.encode_v1());
    update.into()
}

/// Returns a client for a reversal that the document does not have.
fn fresh_client(known: &HashMap<u64, u32>) -> u64 {
    let candidates = std::iter::repeat_with(|| random() % CLIENTS);
    // Far fewer clients than there are ids fit into a document.
    candidates.take(64).find(|client| !known.contains_key(client)).unwrap_or(CLIENTS)
}

/// Returns a client with a smaller id than another one, which the document does not have. `None` if all are taken.
fn client_below(client: u64, known: &HashMap<u64, u32>) -> Option<u64> {
    let first = random();
    let steps = (0..MAX_CLIENT_STEP).map(|step| first.wrapping_add(step) % MAX_CLIENT_STEP + 1);
    let near = steps.filter_map(|step| client.checked_sub(step));
    let far = (0..client.saturating_sub(MAX_CLIENT_STEP)).rev();
    near.chain(far).find(|client| !known.contains_key(client))
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_none| ClientID::random().get())
}

fn written_by(replica: Replica, client: u64, budget: &Budget) -> Result<Replica, RestoreError> {
    replica.written_by(client, budget).map_err(|error| match error {
        StateError::Corrupt(error) => MergeError::Malformed(error.to_string()).into(),
        StateError::Exhausted(exhausted) => exhausted.into(),
    })
}

fn too_much() -> RestoreError {
    Exhausted::Steps.into()
}

fn refused(error: MergeError) -> RestoreError {
    match error {
        // All that it depends on is there, so the budget ended. The limits are those of what one client sends at once.
        MergeError::MissingDependencies
        | MergeError::TooManyStructs { .. }
        | MergeError::TooManyDeletions { .. } => too_much(),
        error => error.into(),
    }
}

#[cfg(test)]
#[path = "reversal_tests.rs"]
mod tests;
