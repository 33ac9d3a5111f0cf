//! The mutations of the schema, one file per subject.

mod access;
mod accounts;
mod cursor;
mod document_tokens;
mod documents;
mod edit;
mod groups;
mod history;
mod links;
mod questions;
mod root;
mod sign_ins;
mod tickets;

pub(super) use root::Mutation;
