//! `coscribe import`: documents of Hocuspocus, or any others that are stored as Yjs states.
//!
//! A source lists the states and reads one after the other, so an import needs the memory of the largest document only. What cannot
//! be imported is reported, and the others follow.

mod command;
mod folder;
mod importer;
mod source;
mod table;

pub use command::ImportCommand;
