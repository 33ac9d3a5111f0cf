//! What a delta is made of, and its normal form.

/// One step of a delta.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// Goes on behind so many UTF-16 code units; more than 0.
    Retain(usize),
    /// Inserts a text, which is not empty.
    Insert(String),
    /// Deletes so many UTF-16 code units; more than 0.
    Delete(usize),
}

/// A change of a text, in normal form: equal deltas are written alike. The empty one changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Delta {
    ops: Vec<Op>,
}

impl Delta {
    /// The delta that makes `text` of nothing.
    #[must_use]
    pub fn insertion(text: &str) -> Self {
        let mut delta = Self::default();
        delta.insert(text);
        delta
    }

    /// The steps, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How long a text must be at least for this delta to fit, in UTF-16 code units.
    #[must_use]
    pub fn reach(&self) -> usize {
        let length = |op: &Op| match op {
            Op::Retain(units) | Op::Delete(units) => *units,
            Op::Insert(_) => 0,
        };
        self.ops.iter().map(length).sum()
    }

    /// Whether it inserts a text that `says` so.
    pub fn inserts(&self, says: impl Fn(&str) -> bool) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Insert(text) if says(text)))
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        let weight = |op: &Op| match op {
            Op::Insert(text) => size_of::<Op>() + text.len(),
            Op::Retain(_) | Op::Delete(_) => size_of::<Op>(),
        };
        self.ops.iter().map(weight).sum()
    }

    /// Goes on behind `units`.
    pub(super) fn retain(&mut self, units: usize) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Retain(before)) => *before += units,
            _ => self.ops.push(Op::Retain(units)),
        }
    }

    /// Inserts `text` here, before what is deleted here.
    pub(super) fn insert(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match &mut self.ops[..] {
            [.., Op::Insert(before)] | [.., Op::Insert(before), Op::Delete(_)] => {
                before.push_str(text);
            }
            [.., Op::Delete(_)] => {
                let place = self.ops.len() - 1;
                self.ops.insert(place, Op::Insert(text.to_owned()));
            }
            _ => self.ops.push(Op::Insert(text.to_owned())),
        }
    }

    /// Deletes the next `units`.
    pub(super) fn delete(&mut self, units: usize) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Delete(before)) => *before += units,
            _ => self.ops.push(Op::Delete(units)),
        }
    }

    /// What is kept at the end need not be said.
    pub(super) fn finished(mut self) -> Self {
        if let Some(Op::Retain(_)) = self.ops.last() {
            self.ops.pop();
        }
        self
    }
}

/// The length of a text in UTF-16 code units.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
