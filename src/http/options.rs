//! The options of the HTTP server.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// The `[server]` section of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// The address or host name to listen on.
    pub host: String,
    /// The port to listen on. 0 selects a free one.
    pub port: u16,
    /// The number of worker threads. 0 means one for every two cores.
    pub workers: usize,
    /// The longest time that a stopping server waits for sessions and requests. Above 0.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// The longest time that the body of a request may take to arrive. Above 0.
    #[serde(with = "humantime_serde")]
    pub body_within: Duration,
    /// How long a connection may stay open between two requests. Above 0.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// The folder of the database and the signing secret, relative to the working directory.
    pub data_dir: PathBuf,
    /// Other origins whose pages may use the API, as browsers write them in `Origin`. `*` allows all.
    pub allowed_origins: Vec<String>,
    /// The most open connections per worker. At least 1.
    pub max_connections: usize,
    /// The most connections that wait in the operating system to be accepted. At least 1.
    pub backlog: u32,
    /// How long a client may accept no data, or acknowledge none, before its connection is broken.
    #[serde(with = "humantime_serde")]
    pub tcp_user_timeout: Duration,
}
