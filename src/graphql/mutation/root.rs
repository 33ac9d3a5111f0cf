//! The root of all mutations, merged from one object per subject.

use async_graphql::MergedObject;

use super::{
    access::AccessMutations, account_ends::AccountEndMutations, accounts::AccountMutations,
    bin::BinMutations, bodies::BodyMutations, copies::CopyMutations, cursor::CursorMutations,
    document_tokens::DocumentTokenMutations, documents::DocumentMutations, groups::GroupMutations,
    history::HistoryMutations, links::LinkMutations, ownership::OwnershipMutations,
    questions::QuestionMutations, sign_ins::SignInMutations, tickets::TicketMutations,
    yjs_updates::UpdateMutations,
};

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    AccountMutations,
    SignInMutations,
    AccountEndMutations,
    DocumentTokenMutations,
    TicketMutations,
    QuestionMutations,
    DocumentMutations,
    CopyMutations,
    UpdateMutations,
    BodyMutations,
    HistoryMutations,
    AccessMutations,
    LinkMutations,
    GroupMutations,
    OwnershipMutations,
    BinMutations,
    CursorMutations,
);
