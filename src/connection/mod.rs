//! Accepted TCP connections with a limit on how long the client may accept nothing.
//!
//! The framework writes to a [`ClientConnection`]. When the client does not read, the framework waits without a limit. The
//! kernel's limit (`TCP_USER_TIMEOUT`) is not enough: while a client sends, the kernel does not probe its closed receive
//! window, and the limit never applies (docs/adr/0008-tcp-user-timeout.md). So a connection measures the time itself, and
//! a [`ConnectionHandle`] ends it once its session has ended.

mod handle;
mod stream;

pub use handle::ConnectionHandle;
pub use stream::ClientConnection;
