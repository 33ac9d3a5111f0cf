//! Finds the passages of a document, in the order of its content.
//!
//! The library shows a text as chunks with the ids of their insertions if it is asked for the difference between an empty version
//! and the present one. This takes one pass over the text. The ids of embedded objects have to be looked up one by one.

use std::sync::Arc;

use protocol::domain::{Budget, Exhausted};
use yrs::{
    Any, Assoc, BranchID, ID, IdSet, IndexScope, MapRef, Out, ReadTxn as _, Snapshot, StateVector,
    StickyIndex, Text as _, TextRef, Transact as _, TransactionMut,
    branch::{Branch, BranchPtr},
    types::text::{Diff, YChange},
};

use super::{Insertions, Passage};
use crate::{
    branches::{branch_of, entries},
    list_values::list_values,
    replica::Replica,
};

/// The most bytes of the path of a passage. Each passage has its own path, but the keys in it may be as long as the document.
pub(super) const MAX_PATH_BYTES: usize = 4 * 1024;

/// Stands for what is left out of a long path.
const CUT: &str = "…";

/// The passages to find.
#[derive(Debug, Clone, Copy)]
pub struct PassageSearch<'a> {
    /// The root type to search. `None` for all of them, in the order of their names.
    pub root: Option<&'a str>,
    /// How many passages to leave out.
    pub skip: usize,
    /// The most passages to return.
    pub max: usize,
}

/// Some passages of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassagePage {
    /// The passages, in the order of the content.
    pub passages: Vec<Passage>,
    /// Whether there are more.
    pub has_next: bool,
}

impl Replica {
    /// Returns passages of the document, with what stands for the changes that inserted them. Covers text and what is embedded in it
    /// in all shared types, and XML elements without content; values of maps and lists are no passages. A root type that does not
    /// exist has none.
    ///
    /// Spends a step for each chunk of text and each client of the document for each shared type, and for each embedded object as
    /// many as there are chunks before it.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn passages(
        &self,
        insertions: &Insertions,
        search: PassageSearch<'_>,
        budget: &Budget,
    ) -> Result<PassagePage, Exhausted> {
        let mut names = self.root_names();
        names.retain(|name| search.root.is_none_or(|root| root == name));
        names.sort_unstable();
        // The kinds of root types are not stored, so it does not matter that they begin as texts here.
        let roots: Vec<(String, TextRef)> = names
            .into_iter()
            .map(|name| {
                let text = self.doc.get_or_insert_text(name.as_str());
                (name, text)
            })
            .collect();
        let mut txn = self.doc.transact_mut();
        let clocks: StateVector = txn.state_vector();
        let mut finder = PassageFinder {
            insertions,
            budget,
            clients: clocks.len(),
            // Deleted items have no content any more, so it is not necessary to know them.
            present: Snapshot::new(clocks, IdSet::new()),
            nothing: Snapshot::new(StateVector::default(), IdSet::new()),
            skip: search.skip,
            wanted: search.max.saturating_add(1),
            found: Vec::new(),
            last: None,
        };
        for (name, text) in roots {
            let branch = BranchPtr::from(AsRef::<Branch>::as_ref(&text));
            let place = Place { root: name.into(), path: "".into(), is_cut: false, node: None };
            finder.search(&mut txn, branch, &place)?;
        }
        finder.end_passage();
        let mut passages = finder.found;
        let has_next = passages.len() > search.max;
        passages.truncate(search.max);
        Ok(PassagePage { passages, has_next })
    }
}

/// Where passages are.
#[derive(Debug, Clone)]
struct Place {
    root: Arc<str>,
    path: Arc<str>,
    /// Whether the end of the path was left out, and with it all further segments.
    is_cut: bool,
    node: Option<Arc<str>>,
}

impl Place {
    /// Returns the place of a child.
    fn child(&self, segment: &str, shared: &Out) -> Self {
        let (path, is_cut) = self.child_path(segment);
        let node = match shared {
            Out::YXmlElement(element) => Some(element.tag().to_string().into()),
            _ => self.node.clone(),
        };
        Self { root: Arc::clone(&self.root), path, is_cut, node }
    }

    /// Returns the path of a child, and whether its end was left out.
    fn child_path(&self, segment: &str) -> (Arc<str>, bool) {
        if self.is_cut {
            return (Arc::clone(&self.path), true);
        }
        let separator = if self.path.is_empty() { "" } else { "/" };
        let before = self.path.len() + separator.len();
        if before.saturating_add(segment.len()) <= MAX_PATH_BYTES {
            return (format!("{}{separator}{segment}", self.path).into(), false);
        }
        let room = MAX_PATH_BYTES.saturating_sub(before + CUT.len());
        let kept = &segment[..segment.floor_char_boundary(room)];
        (format!("{}{separator}{kept}{CUT}", self.path).into(), true)
    }
}

/// A search for passages in progress.
struct PassageFinder<'a> {
    insertions: &'a Insertions,
    budget: &'a Budget,
    /// The number of clients of the document.
    clients: usize,
    /// The document without what is deleted.
    present: Snapshot,
    nothing: Snapshot,
    /// How many passages are still left out.
    skip: usize,
    /// The number of passages at which the search ends.
    wanted: usize,
    found: Vec<Passage>,
    /// The last passage, which the next run may extend.
    last: Option<Passage>,
}

impl PassageFinder<'_> {
    fn is_complete(&self) -> bool {
        self.found.len() >= self.wanted
    }

    /// Adds the passages in a shared type. Shared types nest 128 deep at most.
    fn search(
        &mut self,
        txn: &mut TransactionMut<'_>,
        branch: BranchPtr,
        place: &Place,
    ) -> Result<(), Exhausted> {
        if self.is_complete() {
            return Ok(());
        }
        let text = TextRef::from(branch);
        let length = text.len(txn);
        if length > 0 {
            let chunks = self.chunks(txn, &text, length)?;
            if units_of(&chunks) == length {
                self.search_chunks(txn, branch, chunks, place)?;
            } else {
                self.search_list(txn, branch, length, place)?;
            }
        }
        for (key, shared) in entries(&MapRef::from(branch), txn) {
            if let Some(branch) = branch_of(&shared) {
                self.search(txn, branch, &place.child(&key, &shared))?;
            }
        }
        Ok(())
    }

    /// Returns the chunks of a text, each with the id of its insertion. Chunks of text are not joined.
    fn chunks(
        &self,
        txn: &mut TransactionMut<'_>,
        text: &TextRef,
        length: u32,
    ) -> Result<Vec<Diff<YChange>>, Exhausted> {
        self.budget.spend(1 + self.clients)?;
        let nothing = Some(&self.nothing);
        let mut chunks = text.diff_range(txn, Some(&self.present), nothing, YChange::identity);
        if units_of(&chunks) > length {
            // Something that was deleted still has content.
            let present = txn.snapshot();
            chunks = text.diff_range(txn, Some(&present), nothing, YChange::identity);
        }
        self.budget.spend(chunks.len())?;
        Ok(chunks)
    }

    fn search_chunks(
        &mut self,
        txn: &mut TransactionMut<'_>,
        branch: BranchPtr,
        chunks: Vec<Diff<YChange>>,
        place: &Place,
    ) -> Result<(), Exhausted> {
        let mut offset = 0;
        for (index, chunk) in chunks.into_iter().enumerate() {
            if self.is_complete() {
                return Ok(());
            }
            let units = units(&chunk);
            match (&chunk.insert, chunk.ychange) {
                (Out::Any(Any::String(text)), Some(change)) => {
                    self.add_text(text, &change.id, offset, place);
                }
                (Out::Any(object), _) => {
                    self.budget.spend(index)?;
                    let at = StickyIndex::at(txn, branch, offset, Assoc::After);
                    let id = at.and_then(|at| match at.scope() {
                        IndexScope::Relative(id) => Some(*id),
                        IndexScope::Nested(_) | IndexScope::Root(_) => None,
                    });
                    let place = place.child(&offset.to_string(), &Out::Any(object.clone()));
                    self.add_node(id, &place);
                }
                (shared, _) => {
                    self.search_type(txn, shared, &place.child(&offset.to_string(), shared))?;
                }
            }
            offset += units;
        }
        Ok(())
    }

    /// Adds the passages in the shared types of a list. Its values are no passages.
    fn search_list(
        &mut self,
        txn: &mut TransactionMut<'_>,
        branch: BranchPtr,
        length: u32,
        place: &Place,
    ) -> Result<(), Exhausted> {
        self.budget.spend(length as usize)?;
        let elements = list_values(branch, txn).unwrap_or_default();
        for (index, shared) in elements.iter().enumerate() {
            if branch_of(shared).is_some() {
                self.search_type(txn, shared, &place.child(&index.to_string(), shared))?;
            }
        }
        Ok(())
    }

    /// Adds the passages in a shared type that is an element of another, or the element itself if it is XML without any.
    fn search_type(
        &mut self,
        txn: &mut TransactionMut<'_>,
        shared: &Out,
        place: &Place,
    ) -> Result<(), Exhausted> {
        let Some(branch) = branch_of(shared) else { return Ok(()) };
        self.end_passage();
        let before = (self.skip, self.found.len());
        self.search(txn, branch, place)?;
        self.end_passage();
        let is_empty = before == (self.skip, self.found.len());
        if is_empty && matches!(shared, Out::YXmlElement(_)) {
            let id = match branch.id() {
                BranchID::Nested(id) => Some(id),
                BranchID::Root(_) => None,
            };
            self.add_node(id, place);
        }
        Ok(())
    }

    /// Adds a chunk of text, whose first code unit has this id and the following ones the next clocks.
    fn add_text(&mut self, text: &str, id: &ID, offset: u32, place: &Place) {
        let client = id.client.get();
        let (mut start, mut begin) = (0, id.clock);
        let (mut by, mut end) = self.insertions.at(client, id.clock);
        let mut clock = id.clock;
        for (byte, char) in text.char_indices() {
            if clock >= end {
                self.add_run(&text[start..byte], offset + (begin - id.clock), by, place);
                (start, begin) = (byte, clock);
                (by, end) = self.insertions.at(client, clock);
            }
            clock += if char.len_utf16() > 1 { 2 } else { 1 };
        }
        self.add_run(&text[start..], offset + (begin - id.clock), by, place);
    }

    fn add_run(&mut self, text: &str, offset: u32, by: Option<u32>, place: &Place) {
        let Place { root, path, node, .. } = place.clone();
        let length = utf16_length(text);
        self.add(Passage { root, path, node, offset, length, text: Some(text.to_owned()), by });
    }

    fn add_node(&mut self, id: Option<ID>, place: &Place) {
        let by = id.and_then(|id| self.insertions.at(id.client.get(), id.clock).0);
        let Place { root, path, node, .. } = place.clone();
        self.add(Passage { root, path, node, offset: 0, length: 1, text: None, by });
    }

    fn add(&mut self, passage: Passage) {
        let next = match &mut self.last {
            Some(last) => last.extend(passage),
            None => Some(passage),
        };
        if next.is_some() {
            self.end_passage();
            self.last = next;
        }
    }

    /// Ends the last passage: no run can extend it any more.
    fn end_passage(&mut self) {
        let Some(passage) = self.last.take() else { return };
        match self.skip.checked_sub(1) {
            Some(left) => self.skip = left,
            None => self.found.push(passage),
        }
    }
}

fn units_of(chunks: &[Diff<YChange>]) -> u32 {
    chunks.iter().map(units).fold(0, u32::saturating_add)
}

/// Returns the length of a chunk in UTF-16 code units. A string without an id is an embedded object.
fn units(chunk: &Diff<YChange>) -> u32 {
    match (&chunk.insert, &chunk.ychange) {
        (Out::Any(Any::String(text)), Some(_)) => utf16_length(text),
        _ => 1,
    }
}

fn utf16_length(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}
