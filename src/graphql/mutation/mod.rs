//! The mutations of the schema, one file per subject.

mod access;
mod accounts;
mod cursor;
mod documents;
mod edit;
mod history;
mod root;

pub(super) use root::Mutation;
