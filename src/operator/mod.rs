//! What operators do by command: the accounts of users, and the keys of applications.
//!
//! The commands change the database and no running server. They may run beside one, also on SQLite.

mod erasure;
mod export;
mod json_file;
mod keys;
mod users;

pub use keys::KeyCommand;
pub use users::{UserCommand, find_account};
