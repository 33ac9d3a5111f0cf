//! The front door: routes, who is asking, the upgrade, health, metrics and the web page.
//!
//! A request is a GraphQL operation ([`graphql`]), an upgrade to a socket ([`socket`]), or a look at how the node is
//! ([`health`], [`metrics_page`]). Tokens are checked here, before anything else happens.
//!
//! Invariant: an upgrade with a bad token is refused before it is made.

mod error;
mod graphql;
mod graphql_socket;
mod health;
mod listeners;
mod methods;
mod metrics_page;
mod negotiation;
mod options;
mod origin;
mod parts;
mod request_log;
mod routes;
mod web;
mod who;
mod yjs_socket;

pub use error::HttpError;
pub use listeners::Listeners;
pub use methods::only_known_methods;
pub use options::ServerOptions;
pub use origin::Origins;
pub use parts::{BodyLimits, Draining, HttpParts};
pub use request_log::log_request;
pub use routes::routes;
