//! Yjs editors: authentication, edits, awareness, and input that the server must refuse.

mod authentication;
mod awareness;
mod edits;
mod invalid_updates;
mod tickets;
mod unsupported_content;
