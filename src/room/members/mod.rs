//! Who has the document open: seats and members on this node, and presence on others.

pub(super) mod membership;
#[cfg(test)]
mod membership_tests;
pub(super) mod remote_presence;
pub(super) mod seat;
