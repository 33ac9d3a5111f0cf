//! The options of the HTTP server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::ForwardedHeader;
use crate::connection::LeastRate;

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
    /// The longest time that the head of a request may take to arrive. Above 0.
    #[serde(with = "humantime_serde")]
    pub head_within: Duration,
    /// How long the body of a request may take to arrive, in addition to what `least_rate` allows. Above 0.
    #[serde(with = "humantime_serde")]
    pub body_within: Duration,
    /// How long a client may make an answer wait, in addition to what `least_rate` allows. Above 0.
    #[serde(with = "humantime_serde")]
    pub answer_patience: Duration,
    /// The least rate of bodies, large messages and answers, in bytes per second. At least 1.
    pub least_rate: u64,
    /// How long a connection may stay open between two requests. Above 0.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// The folder of the database and the signing secret, relative to the working directory.
    pub data_dir: PathBuf,
    /// Other origins whose pages may use the API, as browsers write them in `Origin`. `*` allows all.
    pub allowed_origins: Vec<String>,
    /// The headers that these pages may send beside those of the API, in lower case. `*` allows all.
    pub allowed_headers: Vec<String>,
    /// The most open connections per worker. At least 1.
    pub max_connections: usize,
    /// The part of `max_connections` that is kept for clients with a token, in percent. At most 90.
    pub reserved_percent: usize,
    /// The most open connections of one IPv4 address or IPv6 /64 network per worker. At least 1.
    pub connections_per_address: usize,
    /// Whether requests without a token may read the schema.
    pub public_schema: bool,
    /// Addresses and networks of proxies that tell the address of their clients.
    pub trusted_proxies: Vec<String>,
    /// The header in which they tell it.
    pub forwarded_header: ForwardedHeader,
    /// Where the metrics are served instead of with everything else.
    #[serde(default, deserialize_with = "socket_address")]
    pub metrics_address: Option<SocketAddr>,
    /// The most connections that wait in the operating system to be accepted. At least 1.
    pub backlog: u32,
    /// How long a client may accept no data, or acknowledge none, before its connection is broken.
    #[serde(with = "humantime_serde")]
    pub tcp_user_timeout: Duration,
}

impl ServerOptions {
    /// Returns the least rate of bytes, with the time for none.
    #[must_use]
    pub fn least_rate(&self, patience: Duration) -> LeastRate {
        LeastRate { patience, bytes_per_second: self.least_rate }
    }
}

/// Reads an address with a port. The message of the standard library names neither.
fn socket_address<'de, D: Deserializer<'de>>(source: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(source)?;
    let address = text.parse().map_err(|_no_address| {
        D::Error::custom(format!(
            "{text:?} is not an IP address with a port, such as 127.0.0.1:9400"
        ))
    });
    address.map(Some)
}
