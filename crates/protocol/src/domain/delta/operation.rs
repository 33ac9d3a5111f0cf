//! Deltas and their steps, in normal form.

/// One step of a delta.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// Skips this number of UTF-16 code units, at least 1.
    Retain(usize),
    /// Inserts a text that is not empty.
    Insert(String),
    /// Deletes this number of UTF-16 code units, at least 1.
    Delete(usize),
}

/// A change of a text in normal form, so deltas with the same steps are equal. An empty delta changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Delta {
    ops: Vec<Op>,
}

impl Delta {
    /// Returns the delta that inserts `text` into an empty text.
    #[must_use]
    pub fn insertion(text: &str) -> Self {
        let mut delta = Self::default();
        delta.insert(text);
        delta
    }

    /// Returns the steps, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns the minimum length of a text that this delta fits, in UTF-16 code units.
    #[must_use]
    pub fn reach(&self) -> usize {
        let length = |op: &Op| match op {
            Op::Retain(units) | Op::Delete(units) => *units,
            Op::Insert(_) => 0,
        };
        self.ops.iter().map(length).sum()
    }

    /// Returns whether `predicate` holds for an inserted text.
    pub fn inserts(&self, predicate: impl Fn(&str) -> bool) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Insert(text) if predicate(text)))
    }

    /// Estimates its memory use in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let weight = |op: &Op| match op {
            Op::Insert(text) => size_of::<Op>() + text.len(),
            Op::Retain(_) | Op::Delete(_) => size_of::<Op>(),
        };
        self.ops.iter().map(weight).sum()
    }

    /// Appends a retain of `units`, which may be 0.
    pub(super) fn retain(&mut self, units: usize) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Retain(last)) => *last += units,
            _ => self.ops.push(Op::Retain(units)),
        }
    }

    /// Appends an insertion of `text`, which may be empty. Puts it before a deletion at the same offset.
    pub(super) fn insert(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match &mut self.ops[..] {
            [.., Op::Insert(last)] | [.., Op::Insert(last), Op::Delete(_)] => {
                last.push_str(text);
            }
            [.., Op::Delete(_)] => {
                let last = self.ops.len() - 1;
                self.ops.insert(last, Op::Insert(text.to_owned()));
            }
            _ => self.ops.push(Op::Insert(text.to_owned())),
        }
    }

    /// Appends a deletion of `units`, which may be 0.
    pub(super) fn delete(&mut self, units: usize) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Delete(last)) => *last += units,
            _ => self.ops.push(Op::Delete(units)),
        }
    }

    /// Removes a retain at the end.
    pub(super) fn trimmed(mut self) -> Self {
        if let Some(Op::Retain(_)) = self.ops.last() {
            self.ops.pop();
        }
        self
    }
}

/// Returns the length of a text in UTF-16 code units.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
