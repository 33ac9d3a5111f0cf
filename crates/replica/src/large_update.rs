//! Merging of an update that has more structs than a client may send at once, however long that takes.
//!
//! It is divided, and each part is inspected and merged as an update of a client is. So the limits of the document hold, and
//! memory is needed for the document, the update and one part.

use bytes::Bytes;
use protocol::{
    domain::Delta,
    wire::yjs::{MAX_CLIENT, Outline, OutlineError},
};
use yrs::Transact as _;

use super::{
    merge::{MergeBounds, MergeError, Merged},
    parts::deleted,
    replica::Replica,
    structs::LOADED_SHARE,
};

/// The structs or deleted ranges of a part. What a part adds to the document is estimated from above, at three times as many
/// structs: with larger parts, a document near `limits.document_structs` would be refused.
const PART_SIZE: usize = 4_096;

impl Replica {
    /// Returns whether the document has content, and changes of none of the clients of `update`: it is another document, or was
    /// compacted since it had them. Merging the update would insert all of its content beside that of the document. Says no of an
    /// update with a history mark: a merge refuses it, or knows the mark.
    ///
    /// # Errors
    /// [`MergeError`] if the update cannot be read.
    pub fn shares_no_client(
        &self,
        update: &Bytes,
        bounds: &MergeBounds,
    ) -> Result<bool, MergeError> {
        let outline = read(update, bounds)?;
        let known = self.clocks();
        let is_shared = outline
            .ranges()
            .any(|(client, _, _)| client > MAX_CLIENT || known.contains_key(&client));
        Ok(outline.inserts() && !is_shared && self.has_content())
    }

    /// Merges an update of any size, which is the whole state of another copy of the document. Returns what it changed, as one
    /// change. `None` if it has nothing new.
    ///
    /// # Errors
    /// [`MergeError`]. The replica is lost then: it may have a part of the update.
    pub fn merge_large(
        mut self,
        update: &Bytes,
        bounds: &MergeBounds,
    ) -> Result<(Self, Option<Merged>), MergeError> {
        let outline = read(update, bounds)?;
        let (before, deleted_before) = (self.clocks(), deleted(&self.doc.transact()));
        let known = |client: u64| before.get(&client).copied().unwrap_or(0);
        if !outline.is_complete(known) {
            return Err(MergeError::MissingDependencies);
        }
        let insertions = outline.insertion_parts(update, PART_SIZE, known);
        let insertions = insertions.map_err(|error| MergeError::Malformed(error.to_string()))?;
        let bounds = MergeBounds { structs: bounds.structs.max(PART_SIZE), ..bounds.clone() };
        let (mut deltas, mut drops_content) = (Vec::new(), false);
        let insertions = insertions.into_iter().map(|part| part.update);
        for part in insertions.chain(outline.deletion_updates(PART_SIZE)) {
            let (replica, merged) = self.merge(&[part.into()], &bounds);
            let merged = merged?;
            // It is lost with an error only.
            self = replica.ok_or(MergeError::MissingDependencies)?;
            let Some(merged) = merged else { continue };
            if merged.leaves_out {
                return Err(MergeError::MissingDependencies);
            }
            drops_content |= merged.drops_content;
            deltas.push(merged.delta);
        }
        if deltas.is_empty() {
            return Ok((self, None));
        }
        let delta = Delta::compose_all(deltas);
        let update = self.since(before);
        // It has all deleted ranges of the document. Those from before would count as deletions of the author.
        let mut added = Outline::read(&update, usize::MAX)
            .map_err(|error| MergeError::Malformed(error.to_string()))?;
        added.leave_out_deleted(&deleted_before);
        let update = added.without_left_out(&update).into();
        Ok((self, Some(Merged { delta, update, leaves_out: false, drops_content })))
    }
}

/// Reads the outline of an update that may have as many structs as a document.
pub(crate) fn read(update: &[u8], bounds: &MergeBounds) -> Result<Outline, MergeError> {
    let structs = bounds.document_structs;
    let deletions = structs.saturating_mul(LOADED_SHARE);
    Outline::read_bounded(update, structs, deletions).map_err(|error| match error {
        OutlineError::TooManyStructs => MergeError::DocumentTooManyStructs { limit: structs },
        OutlineError::TooManyDeletions => MergeError::TooManyDeletions { limit: deletions },
        OutlineError::Malformed(_) | OutlineError::TooDeep => {
            MergeError::Malformed(error.to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::domain::Budget;
    use yrs::{Doc, GetString as _, ReadTxn as _, StateVector, Text as _, Transact as _};

    use super::*;

    fn bounds() -> MergeBounds {
        MergeBounds {
            text: 1_000_000,
            state: 10_000_000,
            structs: 100,
            document_structs: 100_000,
            clients: 1_000,
            compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(60),
            budget: Budget::unlimited(),
        }
    }

    fn state(doc: &Doc) -> Bytes {
        doc.transact().encode_state_as_update_v1(&StateVector::default()).into()
    }

    /// A document with a struct for each letter, and every tenth letter deleted.
    fn many_structs(letters: u32) -> Doc {
        let doc = Doc::with_client_id(7_u64);
        let text = doc.get_or_insert_text("content");
        let mut txn = doc.transact_mut();
        for _letter in 0..letters {
            text.insert(&mut txn, 0, "x");
        }
        for place in (0..letters / 10).rev() {
            text.remove_range(&mut txn, place * 10, 1);
        }
        drop(txn);
        doc
    }

    #[test]
    fn an_update_with_more_structs_than_a_client_may_send_is_merged_in_parts() {
        let doc = many_structs(10_000);
        let (replica, merged) = Replica::of("").merge_large(&state(&doc), &bounds()).unwrap();
        let merged = merged.unwrap();
        let text = doc.get_or_insert_text("content");
        assert_eq!(replica.plain_text(), text.get_string(&doc.transact()));
        assert_eq!(replica.content().bytes(), 9_000);
        assert_eq!(Replica::of("").content().apply(&merged.delta).unwrap(), *"x".repeat(9_000));

        // The same state again has nothing new, and a later one only what was added.
        let (replica, again) = replica.merge_large(&state(&doc), &bounds()).unwrap();
        assert!(again.is_none());
        text.insert(&mut doc.transact_mut(), 0, "y");
        let (replica, later) = replica.merge_large(&state(&doc), &bounds()).unwrap();
        let later = later.unwrap();
        assert_eq!(later.delta.ops().len(), 1);
        assert_eq!(replica.content().bytes(), 9_001);
        let outline = Outline::read(&later.update, usize::MAX).unwrap();
        assert_eq!((outline.struct_count(), outline.deletion_count()), (1, 0));

        // What was deleted since is there, and reaches others who have the document.
        text.remove_range(&mut doc.transact_mut(), 0, 1);
        let peer = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
        let (replica, last) = replica.merge_large(&state(&doc), &bounds()).unwrap();
        let last = last.unwrap();
        let outline = Outline::read(&last.update, usize::MAX).unwrap();
        assert_eq!((outline.struct_count(), outline.deletion_count()), (0, 1));
        let (peer, merged) = peer.merge(&[last.update], &bounds());
        assert_eq!(merged.unwrap().unwrap().delta, last.delta);
        assert_eq!(peer.unwrap().content(), replica.content());
    }

    #[test]
    fn a_state_shares_clients_with_a_document_until_it_is_compacted() {
        let shares_none =
            |replica: &Replica, state: &Bytes| replica.shares_no_client(state, &bounds()).unwrap();
        let state = state(&many_structs(10));
        assert!(!shares_none(&Replica::of(""), &state), "nothing is there twice");
        assert!(shares_none(&Replica::of("Other"), &state));
        let (replica, _merged) = Replica::of("").merge_large(&state, &bounds()).unwrap();
        assert!(!shares_none(&replica, &state));
        let compacted = replica.compacted().unwrap();
        assert!(shares_none(&compacted, &state));
        assert!(!shares_none(&compacted, &Bytes::from_static(Replica::EMPTY_UPDATE)));
        let of_coscribe = Bytes::from(Replica::of("Other").state());
        assert!(!shares_none(&compacted, &of_coscribe));
        let refused = compacted.merge_large(&of_coscribe, &bounds()).err();
        assert_eq!(refused, Some(MergeError::Unrelated));
    }

    #[test]
    fn the_limits_of_the_document_hold() {
        let state = state(&many_structs(2_000));
        let refused = |bounds: MergeBounds| Replica::of("").merge_large(&state, &bounds).err();
        let few_structs = MergeBounds { document_structs: 1_000, ..bounds() };
        let limit = 1_000;
        assert_eq!(refused(few_structs), Some(MergeError::DocumentTooManyStructs { limit }));
        let small = MergeBounds { text: 10, ..bounds() };
        assert!(matches!(refused(small), Some(MergeError::TooLarge { limit: 10, .. })));
        let cut = state.slice(..state.len() - 1);
        let malformed = Replica::of("").merge_large(&cut, &bounds()).err();
        assert!(matches!(malformed, Some(MergeError::Malformed(_))));
    }
}
