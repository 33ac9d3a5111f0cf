//! The HTTP interface: routes, authentication, WebSocket upgrades, health, metrics and the GraphiQL page.
//!
//! `/graphql` takes GraphQL operations ([`graphql`]) and upgrades to graphql-transport-ws ([`graphql_socket`]), and
//! `/sync/<document>` upgrades to y-websocket ([`yjs_socket`]). Tokens are verified here ([`credentials`]), and
//! [`HttpError`] maps every failure before an operation runs to a status.
//!
//! Invariant: an upgrade with an invalid token is refused before the WebSocket opens.

mod answer_body;
mod body;
mod credentials;
mod drain_flag;
mod editor_address;
mod error;
mod graphiql;
mod graphql;
mod graphql_socket;
mod health;
mod listeners;
mod methods;
mod metrics_page;
mod negotiation;
mod options;
mod origin;
mod query_string;
mod refusal_log;
mod request_log;
mod request_span;
mod routes;
mod state;
mod upgrade;
mod yjs_socket;

pub use body::BodyLimits;
pub use drain_flag::DrainFlag;
pub use error::HttpError;
pub use listeners::Listeners;
pub use methods::only_known_methods;
pub use options::ServerOptions;
pub use origin::Origins;
pub use refusal_log::RefusalLog;
pub use request_log::log_request;
pub use routes::routes;
pub use state::HttpState;
