//! The scenarios. Each puts one kind of load on the server, and says which promises it checks.

mod cursors;
mod edit_stage;
mod edits;
mod edits_yjs;
mod hot;
mod idle;
mod nodes;
mod pairs;
mod run;
mod seats;

pub(crate) use self::run::run;
