//! The SeaORM entities, one file per table.
//!
//! Only the module `store` of the root package uses these types; its interface uses the types of `domain`. The entities
//! describe how values are stored, and `domain` decides which values are valid. The crate `migration` creates the
//! tables.

pub mod address_grant;
pub mod application_key;
pub mod document;
pub mod document_access;
pub mod document_bin;
pub mod document_change;
pub mod document_key;
pub mod document_label;
pub mod document_link;
pub mod document_metadata;
pub mod document_purge;
pub mod document_receipt;
pub mod document_snapshot;
pub mod document_token;
pub mod ended_sign_in;
pub mod entitlement;
pub mod group_access;
pub mod group_member;
pub mod identity;
pub mod level;
pub mod link_bar;
pub mod named_version;
pub mod redeemed_ticket;
pub mod user;
pub mod user_block;
pub mod user_group;

pub use level::Level;
