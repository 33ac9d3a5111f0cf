//! The HTTP interface: routes, authentication, WebSocket upgrades, health, metrics, the demo page and the
//! GraphiQL page.
//!
//! `/graphql` takes GraphQL operations ([`graphql`]) and upgrades to graphql-transport-ws ([`graphql_socket`]), and
//! `/sync/<document>` upgrades to y-websocket ([`yjs_socket`]), and `/collab` to the protocol of HocuspocusProvider
//! ([`hocuspocus_socket`]). Tokens are verified and requests are counted here
//! ([`admission`]), and [`HttpError`] maps every failure before an operation runs to a status.
//!
//! Invariant: an upgrade with an invalid token is refused before its session opens; an editor learns the reason from the close
//! frame of a socket that does nothing else.

mod admission;
mod answer_body;
mod body;
mod client_address;
mod credentials;
mod demo_page;
mod drain_flag;
mod editor_address;
mod editor_refusal;
mod error;
mod graphiql;
mod graphql;
mod graphql_socket;
mod health;
mod hocuspocus_socket;
mod listeners;
mod methods;
mod metrics_page;
mod negotiation;
mod options;
mod origin;
mod paced;
mod page_files;
mod query_string;
mod refusal_log;
mod request_log;
mod request_span;
mod request_time;
mod requests_in_flight;
mod response_headers;
mod routes;
mod state;
mod upgrade;
mod yjs_socket;

pub use body::BodyLimits;
pub use client_address::{ForwardedHeader, TrustedProxies};
pub use drain_flag::DrainFlag;
pub use error::HttpError;
pub use listeners::Listeners;
pub use methods::only_known_methods;
pub use options::ServerOptions;
pub use origin::Origins;
pub use paced::Paced;
pub use refusal_log::RefusalLog;
pub use request_log::log_request;
pub use request_time::{TimedBody, time_request};
pub use requests_in_flight::RequestsInFlight;
pub use response_headers::response_headers;
pub use routes::{RouteScope, routes};
pub use state::HttpState;
