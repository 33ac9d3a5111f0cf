//! The number of structs of a document.
//!
//! A struct takes some 400 bytes of memory, however few it has in the encoded state. So structs are limited by themselves.
//!
//! The library does not tell their number. They are counted in the encoded state, which takes time that is linear in the
//! document. Between two counts, what was added since is estimated from above.

use protocol::{domain::Op, wire::yjs::Outline};

use yrs::{ReadTxn as _, Transact as _};

use super::replica::Replica;

/// Estimate: the memory that the library takes for one struct, in bytes.
const STRUCT_MEMORY: usize = 400;

/// Estimate: the bytes of memory for each byte of the encoded state, without those for structs. The library and the plain text each
/// have the text.
const MEMORY_PER_BYTE: usize = 2;

/// Estimate: the memory that the library takes for a value in a map or a list, in bytes, which may have one in the encoded state.
const VALUE_MEMORY: usize = 24;

/// An insertion splits at most two other structs.
const PER_INSERTION: usize = 3;

/// A deleted range splits at most two structs.
const PER_DELETION: usize = 2;

/// Structs are counted again only when this share of the limit may have been added since, so that a document near the limit is
/// not counted for each letter. A document may exceed the limit by this share.
const GROWTH_SHARE: usize = 256;

/// A document of more structs than `limits.document_structs` is still loaded if it has at most this many times as many, so that the
/// limit can be lowered. So deletions may not make it exceed that.
pub const LOADED_SHARE: usize = 2;

/// What is known about the number of structs of a document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StructMeter {
    counted: usize,
    /// At most how many were added since.
    added: usize,
    /// About how many values there are in maps and lists.
    values: usize,
}

impl StructMeter {
    /// Returns the meter of a document whose structs were counted, without values.
    pub(crate) fn counted(structs: usize) -> Self {
        Self { counted: structs, added: 0, values: 0 }
    }

    /// Returns the meter of a document that has this outline.
    pub(crate) fn of(outline: &Outline) -> Self {
        Self { values: outline.values(), ..Self::counted(outline.struct_count()) }
    }

    /// Adds the structs and values of an update at most.
    pub(crate) fn add_update(&mut self, outline: &Outline) {
        self.add(most_added_by(outline));
        self.add_values(outline.values());
    }

    /// Adds values.
    pub(crate) fn add_values(&mut self, values: usize) {
        self.values += values;
    }

    /// Adds at most this many structs.
    pub(crate) fn add(&mut self, structs: usize) {
        self.added += structs;
    }

    /// Returns the most structs that the document may have.
    pub(crate) fn most(self) -> usize {
        self.counted + self.added
    }

    /// Whether the document may have this many more. Decides from what is known.
    fn allows(self, more: usize, limit: usize) -> bool {
        let is_little = self.counted <= limit && self.added + more < limit / GROWTH_SHARE;
        is_little || self.most() + more <= limit
    }
}

/// Returns the most structs that an update adds to a document that has none of its structs.
pub(crate) fn most_added_by(outline: &Outline) -> usize {
    most_added(outline.struct_count(), outline.deletion_count())
}

/// Returns the most structs that these new structs and deleted ranges add to a document.
pub(crate) fn most_added(structs: usize, deletions: usize) -> usize {
    PER_INSERTION * structs + PER_DELETION * deletions
}

/// Returns the most structs that a delta adds to a document.
pub(crate) fn most_added_by_delta(ops: &[Op]) -> usize {
    ops.iter().map(most_added_by_op).sum()
}

/// Returns the most structs that a step adds to a document. A format has one before the text and one after it.
pub(crate) fn most_added_by_op(op: &Op) -> usize {
    match op {
        Op::Insert(_, formats) | Op::Embed(_, formats) => PER_INSERTION + 2 * formats.len(),
        Op::Delete(_) => PER_DELETION,
        Op::Retain(_, formats) if formats.is_empty() => 0,
        Op::Retain(_, formats) => PER_DELETION + 2 * formats.len(),
    }
}

impl Replica {
    /// Returns about how many structs the document has: never fewer than it has.
    #[must_use]
    pub fn structs(&self) -> usize {
        self.structs.most()
    }

    /// Returns the number of clients that the document has changes of.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.doc.transact().state_vector().len()
    }

    /// Estimates the memory that the document takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        Self::memory_of(self.weight(), self.structs(), self.structs.values)
    }

    /// Estimates the memory of a document in bytes, from the bytes, structs and values of its encoded state.
    #[must_use]
    pub fn memory_of(bytes: usize, structs: usize, values: usize) -> usize {
        let texts = bytes.saturating_mul(MEMORY_PER_BYTE);
        let structs = structs.saturating_mul(STRUCT_MEMORY);
        texts.saturating_add(structs).saturating_add(values.saturating_mul(VALUE_MEMORY))
    }

    /// Whether the document has at most `limit` structs, or about as many, with `more`. Counts the structs if that is not known.
    pub(crate) fn may_have_more_structs(&mut self, more: usize, limit: usize) -> bool {
        if self.structs.allows(more, limit) || self.structs.added == 0 {
            return self.structs.allows(more, limit);
        }
        let state = self.state();
        self.measure(&state);
        self.structs.allows(more, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_near_the_limit_is_not_counted_for_each_letter() {
        let mut meter = StructMeter::counted(999_999);
        assert!(meter.allows(3, 1_000_000) && !meter.allows(10_000, 1_000_000));
        meter.add(3_904);
        assert!(!meter.allows(3, 1_000_000));
        let over = StructMeter::counted(1_000_001);
        assert!(!over.allows(1, 1_000_000));
    }
}
