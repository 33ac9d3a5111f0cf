//! The meters of one name, one for each value of a label, found without a lookup.

use std::marker::PhantomData;

use super::labels::Label;

/// One `M` for each value of the label `L`.
///
/// All of them exist from the start, so the metrics page shows a zero for what has not happened yet, and an
/// alert on an increase sees the first one.
pub(super) struct Family<L, M> {
    members: Vec<M>,
    label: PhantomData<L>,
}

impl<L: Label, M> Family<L, M> {
    /// The members, each made for its value.
    pub(super) fn new(member: impl FnMut(L) -> M) -> Self {
        Self { members: L::ALL.iter().copied().map(member).collect(), label: PhantomData }
    }

    /// The member for `value`.
    pub(super) fn of(&self, value: L) -> &M {
        &self.members[value.index()]
    }
}
