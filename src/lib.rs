//! coscribe: the backend of a collaborative editor.
//!
//! Whoever has a document open sees what the others write, who they are and where their cursors stand, within
//! a hundred milliseconds and only if he may. One binary serves GraphQL over HTTP and WebSocket; every socket is an
//! actor, every open document is an actor, and what follows from what is decided in plain values beside them.
//!
//! # Floors
//!
//! A module imports only from floors below its own. Where a lower floor has to speak upwards it owns the message or
//! trait, and the upper floor implements it.
//!
//! ```text
//! main > demo | probe > app > settings > telemetry > http > graphql | yjs > session > room > editing > store | auth | bridge | roster > redis | outbox > wire > domain
//! ```
//!
//! `metrics` stands beside the stairs: every floor may count.
//!
//! # Four journeys
//!
//! *Arriving*: [`http`] checks origin and token, [`session`] takes a connection slot from the [`roster`], and a
//! subscription takes a seat in a [`room`] after [`store`] has said that it may.
//! *A cursor*: session → [`graphql`] → room → rendered once per audience → every other [`outbox`].
//! *An edit*: the room lets one change after the other into the store, and tells what is stored.
//! *Leaving*: however a session ends, dropping it gives back its slot and its seats.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "these pages are for those who work on it, and are built with what is private"
)]

pub mod app;
pub mod auth;
pub mod bridge;
pub mod demo;
pub mod editing;
pub mod graphql;
pub mod http;
pub mod metrics;
pub mod outbox;
pub mod probe;
pub mod redis;
pub mod room;
pub mod roster;
pub mod session;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod yjs;

pub use protocol::{domain, wire};
