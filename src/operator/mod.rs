//! What operators do by command: the accounts of users.
//!
//! The commands change the database and no running server. They may run beside one, also on SQLite.

mod users;

pub use users::{UserCommand, find_account};
