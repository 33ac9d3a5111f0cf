//! The metrics of one name, one for each value of a label.

use std::marker::PhantomData;

use super::labels::Label;

/// One `M` for each value of the label `L`.
///
/// All of them exist from the start. The metrics page then shows a zero for what has not happened yet, and an alert
/// on an increase sees the first occurrence.
pub(super) struct Family<L, M> {
    members: Vec<M>,
    label: PhantomData<L>,
}

impl<L: Label, M> Family<L, M> {
    /// Calls `member` once for each value of the label.
    pub(super) fn new(member: impl FnMut(L) -> M) -> Self {
        Self { members: L::ALL.iter().copied().map(member).collect(), label: PhantomData }
    }

    /// Returns the member for `value`.
    pub(super) fn of(&self, value: L) -> &M {
        &self.members[value.index()]
    }
}
