//! coscribe: the backend of a collaborative text editor, in one binary.
//!
//! Clients edit documents over GraphQL or Yjs, and receive the changes, presence and cursors of other users. Every
//! socket is an actor ([`session`]), and so is every open document ([`room`]). Actors are thin: pure types beside them
//! make the decisions.
//!
//! # Layers
//!
//! A module imports only from layers below its own. A lower layer that must call upwards owns the trait or the message,
//! and the upper layer implements it.
//!
//! ```text
//! main > demo | operator | probe > app > settings > telemetry > http > graphql | yjs > session > room > editing | questions > store | auth | bridge | roster > redis | outbox | connection | memory | task | fair_queue | log_pace | outgoing | quota > wire > domain
//! ```
//!
//! `|` separates modules of the same layer. Every layer may use `metrics`.
//!
//! # Four paths through the code
//!
//! 1. *A connection.* [`http`] checks origin and token, [`session`] takes a connection slot from the [`roster`], and a
//!    subscription takes a seat in a [`room`] after the [`store`] has confirmed the user's access.
//! 2. *A cursor.* The session passes it to [`graphql`] and the room. The room renders it once per audience and puts it
//!    into the [`outbox`] of every other subscriber.
//! 3. *An edit.* The room queues it. [`editing`] rebases and stages it, and the store commits it; then the room
//!    broadcasts the change and the author gets the reply.
//! 4. *A disconnect.* However a session ends, dropping it releases its slot and its seats.

// Every operation in flight has its future in memory. The bound of the lint is 16 KiB.
#![cfg_attr(not(test), warn(clippy::large_futures))]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "these pages are for contributors, and are built with private items"
)]

pub mod app;
pub mod auth;
pub mod bridge;
pub mod connection;
pub mod demo;
pub mod editing;
pub mod fair_queue;
pub mod graphql;
pub mod http;
pub mod log_pace;
pub mod memory;
pub mod metrics;
pub mod operator;
pub mod outbox;
pub mod outgoing;
pub mod probe;
pub mod questions;
pub mod quota;
pub mod redis;
pub mod room;
pub mod roster;
pub mod session;
pub mod settings;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod yjs;

pub use protocol::{domain, wire};
