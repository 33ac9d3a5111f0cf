//! Every rule of graphql-transport-ws, in the order of its document, and what this server adds to it.

mod connection;
mod expiry;
mod invalid;
mod messages;
mod operations;
mod ping;
mod subscriptions;
mod tokens;
