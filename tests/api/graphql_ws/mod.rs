//! Every rule of graphql-transport-ws, in the order of its specification, and what this server adds to it.

mod connection;
mod invalid_messages;
mod message_frames;
mod operations;
mod ping;
mod subscriptions;
mod token_expiry;
mod tokens;
