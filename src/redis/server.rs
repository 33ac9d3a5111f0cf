//! Opens connections to the configured Redis.

use std::{fs, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
    aio::AsyncPushSender,
    cluster::ClusterClientBuilder,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use thiserror::Error;

use super::{AddressKind, BadAddress, Connection, RedisAddress, RedisOptions, address::Login};

/// Why the Redis settings are unusable.
#[derive(Debug, Error)]
pub enum ServerError {
    /// `redis.url` is not a Redis address.
    #[error("redis.url {0}")]
    Address(#[from] BadAddress),
    /// The file of `redis.ca` cannot be read.
    #[error("could not read the certificate file of redis.ca; check its path and permissions")]
    Certificates(#[from] std::io::Error),
}

/// A Redis server, cluster or set of sentinels. It connects only on request.
#[derive(Clone)]
pub struct Server {
    address: RedisAddress,
    certificates: Option<Vec<u8>>,
    answer_within: Duration,
}

impl Server {
    /// Creates a server from the settings and reads the certificate file. Does not connect.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn new(options: &RedisOptions) -> Result<Self, ServerError> {
        Ok(Self {
            address: options.url.parse()?,
            certificates: options.ca.as_ref().map(fs::read).transpose()?,
            answer_within: options.answer_within,
        })
    }

    /// Returns the address. Its `Display` form omits credentials.
    #[must_use]
    pub fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// Returns the time limit of commands and of attempts to connect.
    #[must_use]
    pub fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// Opens a connection for commands.
    ///
    /// # Errors
    /// [`RedisError`], also if connecting takes longer than `redis.answer_within`.
    pub async fn connect(&self) -> RedisResult<Connection> {
        self.open(None::<fn(redis::PushInfo) -> Result<(), redis::aio::SendError>>).await
    }

    /// Opens a connection for subscriptions. Pushed messages and the end of the connection go to
    /// `push_sender`.
    ///
    /// # Errors
    /// [`RedisError`], also if connecting takes longer than `redis.answer_within`.
    pub async fn connect_with_push(
        &self,
        push_sender: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        self.open(Some(push_sender)).await
    }

    async fn open(&self, push_sender: Option<impl AsyncPushSender>) -> RedisResult<Connection> {
        // The library tries servers and sentinels one after another, without a time limit for all of them.
        let connected =
            tokio::time::timeout(self.answer_within, self.connect_to(push_sender)).await;
        connected.map_err(|_elapsed| timed_out())?
    }

    async fn connect_to(
        &self,
        push_sender: Option<impl AsyncPushSender>,
    ) -> RedisResult<Connection> {
        match &self.address.kind {
            AddressKind::Single => {
                let (host, port) = self.address.hosts.first().ok_or_else(no_host)?;
                let info = self.connection_info(host, *port)?;
                let client = match self.tls_certificates() {
                    Some(certificates) => Client::build_with_tls(info, certificates)?,
                    None => Client::open(info)?,
                };
                self.single(&client, push_sender).await
            }
            AddressKind::Sentinel { master } => {
                let client = self.sentinel_builder(master)?.build()?.async_get_client().await?;
                self.single(&client, push_sender).await
            }
            AddressKind::Cluster => {
                let mut servers = Vec::with_capacity(self.address.hosts.len());
                for (host, port) in &self.address.hosts {
                    servers.push(self.connection_info(host, *port)?);
                }
                let mut builder = ClusterClientBuilder::new(servers)
                    .use_protocol(ProtocolVersion::RESP3)
                    .connection_timeout(self.answer_within)
                    .response_timeout(self.answer_within)
                    .overall_response_timeout(Some(self.answer_within));
                if let Some(certificates) = self.tls_certificates() {
                    builder = builder.certs(certificates);
                }
                if let Some(push_sender) = push_sender {
                    builder = builder.push_sender(push_sender);
                }
                let client = builder.build()?;
                client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }

    async fn single(
        &self,
        client: &Client,
        push_sender: Option<impl AsyncPushSender>,
    ) -> RedisResult<Connection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_within))
            .set_response_timeout(Some(self.answer_within));
        if let Some(push_sender) = push_sender {
            config = config.set_push_sender(push_sender);
        }
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        connected.map(Connection::Single)
    }

    fn connection_info(&self, host: &str, port: u16) -> RedisResult<ConnectionInfo> {
        let address = match self.address.tls {
            true => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            },
            false => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(self.address.database);
        if let Some(user) = &self.address.login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.address.login.password {
            info = info.set_password(password);
        }
        Ok(address.into_connection_info()?.set_redis_settings(info))
    }

    fn sentinel_builder(&self, master: &str) -> RedisResult<SentinelClientBuilder> {
        let hosts = self.address.hosts.iter().map(|(host, port)| match self.address.tls {
            true => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
            false => ConnectionAddr::Tcp(host.clone(), *port),
        });
        let mut builder = SentinelClientBuilder::new(hosts, master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(self.address.database);
        if self.address.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.tls_certificates() {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        let Login { user, password } = &self.address.login;
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password);
        }
        let Login { user, password } = &self.address.sentinel_login;
        if let Some(user) = user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        Ok(builder)
    }

    /// Returns the configured certificate authorities, if TLS is used.
    fn tls_certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.certificates.clone().filter(|_| self.address.tls)?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }
}

fn no_host() -> RedisError {
    RedisError::from((redis::ErrorKind::InvalidClientConfig, "redis.url has no host"))
}

fn timed_out() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}
