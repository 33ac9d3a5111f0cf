//! Division of an update into parts that are applied one after another.
//!
//! Applying an update cannot be interrupted, so a large one is applied in parts. Each part is an update itself. It
//! depends only on the document and on the parts before it, so a document is valid after each of them.
//!
//! The structs of all clients come first, each after its dependencies, and then the deleted ranges (`deletions`).

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use yrs::encoding::write::Write as _;

use super::{
    lib0::Malformed,
    outline::{Outline, OutlineError},
    update_struct::{Id, ParentRef, Struct},
};

impl Outline {
    /// Returns whether the update is one part as it is: it has at most `size` structs and deleted ranges, and exactly those of
    /// this outline. The library does not join ranges that overlap. It would visit all structs in each of them.
    #[must_use]
    pub fn is_one_part(&self, size: usize) -> bool {
        self.has_ranges_of_update && self.structs.len() + self.deletions.len() <= size
    }

    /// Divides the structs of `update`, which this outlines, into parts of at most `size`. Leaves out structs that the
    /// document has. `known` is the clock of each client in the document's state vector.
    ///
    /// # Errors
    /// [`OutlineError`] if structs depend on each other in a cycle.
    pub fn insertion_parts(
        &self,
        update: &[u8],
        size: usize,
        known: impl Fn(u64) -> u32,
    ) -> Result<Vec<InsertionPart>, OutlineError> {
        let (mut parts, mut part) = (Vec::new(), Part::default());
        for next in Order::new(&self.structs, &known).find()? {
            if part.structs >= size || !part.may_continue(next.id.client) {
                parts.push(std::mem::take(&mut part).finish());
            }
            part.push(next, update, &known);
        }
        if part.structs > 0 {
            parts.push(part.finish());
        }
        Ok(parts)
    }
}

/// An update with some of the structs of another.
#[derive(Debug, PartialEq, Eq)]
pub struct InsertionPart {
    /// The update.
    pub update: Vec<u8>,
    /// The number of structs.
    pub structs: usize,
    /// The insertions before which the library splits a struct when it applies the part: at the origins of structs that the
    /// document lacks. Each is a client and a clock.
    pub splits: Vec<(u64, u32)>,
}

/// The structs of an update, in an order in which each follows its dependencies.
pub(super) struct Order<'a> {
    structs: &'a [Struct],
    /// The clients, in the order of the update.
    clients: Vec<u64>,
    /// The structs of each client that are not in the order yet.
    rest: HashMap<u64, Range<usize>>,
    order: Vec<&'a Struct>,
}

impl<'a> Order<'a> {
    pub(super) fn new(structs: &'a [Struct], known: impl Fn(u64) -> u32) -> Self {
        let (mut clients, mut rest) = (Vec::new(), HashMap::<u64, Range<usize>>::new());
        for (index, part) in structs.iter().enumerate() {
            let client = part.id.client;
            if part.end() <= known(client) {
                continue;
            }
            let range = rest.entry(client).or_insert_with(|| {
                clients.push(client);
                index..index
            });
            range.end = index + 1;
        }
        Self { structs, clients, rest, order: Vec::with_capacity(structs.len()) }
    }

    /// Orders the structs client by client. Where one depends on another client's struct, orders that client's structs
    /// up to it first.
    pub(super) fn find(mut self) -> Result<Vec<&'a Struct>, OutlineError> {
        for client in std::mem::take(&mut self.clients) {
            let mut waiting = vec![(client, u32::MAX)];
            let mut waiting_clients = HashSet::from([client]);
            while let Some((client, until)) = waiting.last().copied() {
                let Some(next) = self.next(client).filter(|next| next.id.clock < until) else {
                    waiting.pop();
                    waiting_clients.remove(&client);
                    continue;
                };
                if let Some(missing) = self.missing(next) {
                    if !waiting_clients.insert(missing.client) {
                        return Err(IN_A_CYCLE.into());
                    }
                    waiting.push((missing.client, missing.clock + 1));
                } else {
                    self.order.push(next);
                    if let Some(rest) = self.rest.get_mut(&client) {
                        rest.start += 1;
                    }
                }
            }
        }
        Ok(self.order)
    }

    /// Returns the next struct of a client.
    fn next(&self, client: u64) -> Option<&'a Struct> {
        self.structs.get(self.rest.get(&client)?.clone())?.first()
    }

    /// Returns a dependency of a struct that is in the update and not in the order yet.
    fn missing(&self, part: &Struct) -> Option<Id> {
        let dependencies = match part.parent {
            ParentRef::Root(_) => [None, None],
            ParentRef::Item(parent, _) => [Some(parent), None],
            ParentRef::Origins(left, right) => [left, right],
        };
        dependencies.into_iter().flatten().find(|id| self.is_unordered(*id))
    }

    fn is_unordered(&self, id: Id) -> bool {
        let rest = self.rest.get(&id.client).and_then(|rest| self.structs.get(rest.clone()));
        let Some([first, .., last] | [first @ last]) = rest else { return false };
        (first.id.clock..last.end()).contains(&id.clock)
    }
}

const IN_A_CYCLE: Malformed = Malformed("its parts depend on each other in a cycle");

/// A part with structs.
#[derive(Default)]
struct Part {
    /// Consecutive structs of one client each.
    sections: Vec<Section>,
    clients: HashSet<u64>,
    structs: usize,
    splits: Vec<(u64, u32)>,
}

/// Consecutive structs of one client.
struct Section {
    first: Id,
    structs: usize,
    encoded: Vec<u8>,
}

impl Part {
    /// Returns whether the next struct of this client can be added. An update has at most one section of each client.
    fn may_continue(&self, client: u64) -> bool {
        let is_last = self.sections.last().is_some_and(|last| last.first.client == client);
        is_last || !self.clients.contains(&client)
    }

    fn push(&mut self, next: &Struct, update: &[u8], known: impl Fn(u64) -> u32) {
        // Of a struct that is known in part, the library ignores the origins.
        if next.id.clock >= known(next.id.client) {
            self.splits.extend(next.parent.splits());
        }
        let encoded = update.get(next.encoded.0..next.encoded.1).unwrap_or_default();
        self.structs += 1;
        match self.sections.last_mut() {
            Some(last) if last.first.client == next.id.client => {
                last.structs += 1;
                last.encoded.extend(encoded);
            }
            _ => {
                self.clients.insert(next.id.client);
                self.sections.push(Section {
                    first: next.id,
                    structs: 1,
                    encoded: encoded.to_vec(),
                });
            }
        }
    }

    fn finish(self) -> InsertionPart {
        let mut bytes = Vec::new();
        bytes.write_var(self.sections.len());
        for Section { first, structs, encoded } in self.sections {
            bytes.write_var(structs);
            bytes.write_var(first.client);
            bytes.write_var(first.clock);
            bytes.extend(encoded);
        }
        // No deleted ranges.
        bytes.write_var(0_u32);
        InsertionPart { update: bytes, structs: self.structs, splits: self.splits }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yrs::{
        Doc, GetString as _, ReadTxn as _, StateVector, Text as _, Transact as _, Update,
        updates::decoder::Decode as _,
    };

    use super::*;

    fn apply(doc: &Doc, update: &[u8]) {
        doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    fn state(doc: &Doc) -> Vec<u8> {
        doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn text(doc: &Doc) -> String {
        let text = doc.get_or_insert_text("content");
        text.get_string(&doc.transact())
    }

    /// Returns a document that several clients have edited in turn: each entry has a client, a position and whether the
    /// client deletes there.
    fn edited(edits: &[(u8, u8, bool)]) -> Doc {
        let doc = Doc::with_client_id(1_000_u64);
        for (client, at, deletes) in edits {
            let editor = Doc::with_client_id(u64::from(*client % 4) + 1);
            apply(&editor, &state(&doc));
            let text = editor.get_or_insert_text("content");
            {
                let mut txn = editor.transact_mut();
                let length = text.len(&txn);
                let at = u32::from(*at).min(length);
                match *deletes && at < length {
                    true => text.remove_range(&mut txn, at, 1.min(length - at)),
                    false => text.insert(&mut txn, at, &format!("{client} ")),
                }
            }
            apply(&doc, &state(&editor));
        }
        doc
    }

    proptest! {
        #[test]
        fn parts_applied_in_order_have_the_effect_of_the_update(
            edits in prop::collection::vec((any::<u8>(), 0..60_u8, any::<bool>()), 0..40),
            known in 0..40_usize,
            size in 1..6_usize,
        ) {
            let doc = edited(&edits);
            let update = state(&doc);
            let outline = Outline::read(&update, usize::MAX).unwrap();
            let other = edited(&edits[..known.min(edits.len())]);
            let clocks = other.transact().state_vector();
            let known = |client: u64| clocks.get(&yrs::ClientID::new(client));
            let insertions = outline.insertion_parts(&update, size, known).unwrap();
            prop_assert!(insertions.iter().all(|part| part.structs <= size));
            let insertions = insertions.into_iter().map(|part| part.update);
            let deletions = outline.deletion_parts(usize::MAX).map(|part| part.update);
            for part in insertions.chain(deletions) {
                let part_outline = Outline::read(&part, usize::MAX).unwrap();
                let clocks = other.transact().state_vector();
                let known = |client: u64| clocks.get(&yrs::ClientID::new(client));
                prop_assert!(part_outline.is_complete(known));
                apply(&other, &part);
            }
            prop_assert_eq!(text(&other), text(&doc));
            prop_assert_eq!(other.transact().state_vector(), doc.transact().state_vector());
        }
    }

    #[test]
    fn structs_that_depend_on_each_other_are_rejected() {
        // Two letters of the clients 1 and 2, each to the right of the other.
        let update = [2, 1, 1, 0, 0x84, 2, 0, 1, b'a', 1, 2, 0, 0x84, 1, 0, 1, b'b', 0];
        let outline = Outline::read(&update, usize::MAX).unwrap();
        assert_eq!(outline.insertion_parts(&update, 1, |_client| 0), Err(IN_A_CYCLE.into()));
    }

    #[test]
    fn a_long_chain_of_clients_takes_one_pass() {
        // Each client's letter is to the right of the next client's.
        const CLIENTS: u8 = 100;
        let mut update = vec![CLIENTS];
        for client in 1..CLIENTS {
            update.extend([1, client, 0, 0x84, client + 1, 0, 1, b'x']);
        }
        update.extend([1, CLIENTS, 0, 4, 1, 1, b'a', 1, b'x', 0]);
        let outline = Outline::read(&update, usize::MAX).unwrap();
        let parts = outline.insertion_parts(&update, 10, |_client| 0).unwrap();
        assert_eq!(parts.len(), 10);
    }
}
