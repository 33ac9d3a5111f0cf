//! What can be changed, one file per subject.

mod access;
mod accounts;
mod cursor;
mod documents;

use async_graphql::MergedObject;

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    accounts::AccountMutations,
    documents::DocumentMutations,
    access::AccessMutations,
    cursor::CursorMutations,
);
