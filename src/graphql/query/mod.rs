//! The queries of the schema, one file per subject.

mod accounts;
mod documents;
mod groups;
mod history;
mod links;
mod nodes;
mod root;
mod versions;

pub(super) use history::{GivenVersions, earlier_content, named, restoration, reversal};
pub(super) use root::Query;
