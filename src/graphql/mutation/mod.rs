//! What can be changed, one file per subject.

mod access;
mod accounts;
mod cursor;
mod documents;

use async_graphql::MergedObject;

use super::history::HistoryMutations;

pub(super) use documents::{EditPayload, order, take_edit};

/// What storing something counts, in fields: it is far more work than showing one.
pub(super) const WRITING: usize = 50;

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    accounts::AccountMutations,
    documents::DocumentMutations,
    HistoryMutations,
    access::AccessMutations,
    cursor::CursorMutations,
);
