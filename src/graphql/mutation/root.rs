//! The root of all mutations, merged from one object per subject.

use async_graphql::MergedObject;

use super::{
    access::AccessMutations, accounts::AccountMutations, cursor::CursorMutations,
    document_tokens::DocumentTokenMutations, documents::DocumentMutations, groups::GroupMutations,
    history::HistoryMutations, links::LinkMutations, questions::QuestionMutations,
    sign_ins::SignInMutations, tickets::TicketMutations,
};

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    AccountMutations,
    SignInMutations,
    DocumentTokenMutations,
    TicketMutations,
    QuestionMutations,
    DocumentMutations,
    HistoryMutations,
    AccessMutations,
    LinkMutations,
    GroupMutations,
    CursorMutations,
);
