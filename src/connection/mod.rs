//! Accepted TCP connections: their deadlines, their places, and their end.
//!
//! The framework reads from and writes to a [`ClientConnection`], until a session takes the connection over as a
//! [`SessionSocket`]. The framework times the head of a connection's first request only,
//! and waits without a limit for a client that does not read (docs/adr/0031-deadlines-of-connections.md). The kernel's
//! limit (`TCP_USER_TIMEOUT`) is not enough: while a client sends, the kernel does not probe its closed receive window, and
//! the limit never applies (docs/adr/0008-tcp-user-timeout.md). So a connection measures these times itself. Requests and
//! sessions tell it what it does through its [`ConnectionHandle`].
//!
//! [`ConnectionPlaces`] decides which connections stay when there are too many.

mod deadlines;
mod handle;
mod least_rate;
mod line_ends;
mod places;
mod refusal;
mod session_socket;
mod stream;

pub use deadlines::ConnectionDeadlines;
pub use handle::{AnsweredRequest, ConnectionHandle};
pub use least_rate::LeastRate;
pub use places::{ConnectionPlaces, PlaceLimits};
pub use refusal::refuse;
pub use session_socket::SessionSocket;
pub use stream::ClientConnection;
