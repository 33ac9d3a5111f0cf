//! Who has the document open, on this node and on others.

pub(super) mod membership;
#[cfg(test)]
mod membership_tests;
pub(super) mod remote_presence;
pub(super) mod seat;
pub(super) mod ticket;
