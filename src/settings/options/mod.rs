//! The options of each part, one file per section of the settings.
//!
//! `config/base.toml` holds the defaults and explains every key to whoever sets it; the comments here say what
//! the code may rely on once the rules have been checked.

mod limits;
mod outbox;
mod room;
mod server;
mod session;
mod store;

pub use limits::Limits;
pub use outbox::OutboxOptions;
pub use room::RoomOptions;
pub use server::ServerOptions;
pub use session::SessionOptions;
pub use store::StoreOptions;
