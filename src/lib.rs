//! coscribe: the backend of a collaborative editor.

pub mod domain;
