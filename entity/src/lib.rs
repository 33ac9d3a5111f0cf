//! The tables, as SeaORM sees them: one file per table.
//!
//! Only the `store` of the root package reads and writes through these types, and none of them
//! leaves it: everybody else speaks the types of `domain`. What a column may hold is decided there;
//! here stands only how it is stored. The tables themselves are made by the `migration` crate.

pub mod document;
pub mod document_access;
pub mod document_change;
pub mod document_receipt;
pub mod document_snapshot;
pub mod level;
pub mod user;

pub use level::Level;
