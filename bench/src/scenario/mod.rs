//! The scenarios. Each puts one kind of load on the server, and says which promises it checks.

mod agent;
mod cells;
mod change_log;
mod closing;
mod cursor_inbox;
mod cursors;
mod edit_inbox;
mod edit_stage;
mod edits;
mod edits_yjs;
mod faults;
mod flush;
mod hot;
mod idle;
mod join;
mod large;
mod load;
mod nodes;
mod pairs;
mod run;
mod seats;
mod slow;
mod spread;
mod storm;

pub(crate) use self::run::run;
