//! What operators do by command: the accounts of users, the keys of applications, and the import of documents.
//!
//! The commands change the database and no running server. They may run beside one, also on SQLite.

mod erasure;
mod export;
mod import;
mod json_file;
mod keys;
mod users;

pub use import::ImportCommand;
pub use keys::KeyCommand;
pub use users::{UserCommand, find_account};
