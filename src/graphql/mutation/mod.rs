//! The mutations of the schema, one file per subject.

mod access;
mod account_ends;
mod accounts;
mod bin;
mod bodies;
mod copies;
mod current_password;
mod cursor;
mod document_tokens;
mod documents;
mod edit;
mod groups;
mod history;
mod links;
mod ownership;
mod questions;
mod root;
mod sign_ins;
mod tickets;
mod yjs_updates;

pub(super) use root::Mutation;
