//! Where a node listens and keeps its files.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// The section `server` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// How many threads serve sockets; 0: one for every two cores.
    pub workers: usize,
    /// How long a stopping server waits for sessions and requests, more than 0.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How long the body of a request may take to arrive, more than 0.
    #[serde(with = "humantime_serde")]
    pub body_within: Duration,
    /// Where the database and the signing secret are kept; relative to the working directory.
    pub data_dir: PathBuf,
    /// Other origins whose pages may use the API, as browsers write them in `Origin`; or `*` for all.
    pub allowed_origins: Vec<String>,
    /// Connections that one worker holds open, at least 1.
    pub max_connections: usize,
    /// Connections that the operating system keeps waiting, at least 1.
    pub backlog: u32,
    /// How long sent data may stay unacknowledged before the kernel breaks the connection.
    #[serde(with = "humantime_serde")]
    pub tcp_user_timeout: Duration,
}
