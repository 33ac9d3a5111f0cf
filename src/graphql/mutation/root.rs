//! The root of all mutations, merged from one object per subject.

use async_graphql::MergedObject;

use super::{
    access::AccessMutations, accounts::AccountMutations, cursor::CursorMutations,
    document_tokens::DocumentTokenMutations, documents::DocumentMutations,
    history::HistoryMutations, sign_ins::SignInMutations,
};

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    AccountMutations,
    SignInMutations,
    DocumentTokenMutations,
    DocumentMutations,
    HistoryMutations,
    AccessMutations,
    CursorMutations,
);
