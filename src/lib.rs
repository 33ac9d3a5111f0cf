//! coscribe: the backend of a collaborative editor.

pub mod auth;
pub mod domain;
pub mod metrics;
pub mod outbox;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod wire;
