//! Connections to where Redis is.

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

/// Why the way to Redis is not even known.
#[derive(Debug, Error)]
pub enum ServerError {
    /// `redis.url` cannot be read.
    #[error("redis.url {0}")]
    RedisAddress(#[from] BadAddress),
    /// The file that `redis.ca` names cannot be read.
    #[error("the certificates that redis.ca names cannot be read")]
    Certificates(#[from] std::io::Error),
}

/// Where Redis is and how it is reached. Nothing is connected to before it is asked for.
#[derive(Clone)]
pub struct Server {
    address: RedisAddress,
    certificates: Option<Vec<u8>>,
    answer_within: Duration,
}

impl Server {
    /// The one that these settings name.
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

    /// Where it is, as logs may have it.
    #[must_use]
    pub fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// How long an answer may take.
    #[must_use]
    pub fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// A connection for questions and answers.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn connect(&self) -> RedisResult<Connection> {
        self.open(None::<fn(redis::PushInfo) -> Result<(), redis::aio::SendError>>).await
    }

    /// A connection that listens: what comes without having been asked for goes to `heard`, and so does its end.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn listen(&self, heard: impl AsyncPushSender) -> RedisResult<Connection> {
        self.open(Some(heard)).await
    }

    async fn open(&self, heard: Option<impl AsyncPushSender>) -> RedisResult<Connection> {
        // The library tries servers and sentinels one after the other, as long as that takes.
        let connected = tokio::time::timeout(self.answer_within, self.connect_to(heard)).await;
        connected.map_err(|_elapsed| timed_out())?
    }

    async fn connect_to(&self, heard: Option<impl AsyncPushSender>) -> RedisResult<Connection> {
        match &self.address.kind {
            AddressKind::Single => {
                let (host, port) = self.address.hosts.first().ok_or_else(no_host)?;
                let info = self.server(host, *port)?;
                let client = match self.tls_certificates() {
                    Some(certificates) => Client::build_with_tls(info, certificates)?,
                    None => Client::open(info)?,
                };
                self.single(&client, heard).await
            }
            AddressKind::Sentinel { master } => {
                let client = self.sentinels(master)?.build()?.async_get_client().await?;
                self.single(&client, heard).await
            }
            AddressKind::Cluster => {
                let mut servers = Vec::with_capacity(self.address.hosts.len());
                for (host, port) in &self.address.hosts {
                    servers.push(self.server(host, *port)?);
                }
                let mut builder = ClusterClientBuilder::new(servers)
                    .use_protocol(ProtocolVersion::RESP3)
                    .connection_timeout(self.answer_within)
                    .response_timeout(self.answer_within)
                    .overall_response_timeout(Some(self.answer_within));
                if let Some(certificates) = self.tls_certificates() {
                    builder = builder.certs(certificates);
                }
                if let Some(heard) = heard {
                    builder = builder.push_sender(heard);
                }
                let client = builder.build()?;
                client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }

    async fn single(
        &self,
        client: &Client,
        heard: Option<impl AsyncPushSender>,
    ) -> RedisResult<Connection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_within))
            .set_response_timeout(Some(self.answer_within));
        if let Some(heard) = heard {
            config = config.set_push_sender(heard);
        }
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        connected.map(Connection::Single)
    }

    fn server(&self, host: &str, port: u16) -> RedisResult<ConnectionInfo> {
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

    fn sentinels(&self, master: &str) -> RedisResult<SentinelClientBuilder> {
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

    /// The authorities that operators named, where TLS is spoken at all.
    fn tls_certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.certificates.clone().filter(|_| self.address.tls)?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }
}

fn no_host() -> RedisError {
    RedisError::from((redis::ErrorKind::InvalidClientConfig, "the URL names no host"))
}

fn timed_out() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}
