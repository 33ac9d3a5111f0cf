//! coscribe: the backend of a collaborative editor.

pub mod auth;
pub mod domain;
