//! Whole nodes over real sockets. Each test has its own node, port and database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails its test"
)]

mod access;
mod accounts;
mod accounts_end;
mod address_grants;
mod bin;
mod bodies;
mod close_frames;
mod collaboration;
mod commands;
mod comparison;
mod connections;
mod copies;
mod cursor_moves;
mod dead_connections;
mod document_tokens;
mod documents;
mod echo;
mod edit_storage;
mod edits;
mod floods;
mod formats;
mod frames;
mod full_storage;
mod graphql_ws;
mod groups;
mod heartbeat;
mod heavy_documents;
mod history;
mod http;
mod imports;
mod keys;
mod large_changes;
mod large_texts;
mod levels;
mod limits;
mod links;
mod lists;
mod locked_database;
mod log;
mod metadata;
mod metric_names;
mod metrics;
mod operations;
mod origins;
mod outside_issuers;
mod page;
mod presence;
mod proxies;
mod questions;
mod quotas;
mod replay;
mod request_cost;
mod revocation;
mod shutdown;
mod sign_outs;
mod slow_consumers;
mod slow_replay;
mod tokens;
mod upgrades;
mod versions;
mod yjs;

use kit::Program;

/// The server's binary.
const SERVER: Program = Program::new(env!("CARGO_BIN_EXE_coscribe"));
