//! Parses the URL of Redis.
//!
//! - `redis://`, as registered with IANA: one server.
//! - `redis+cluster://`: one or more servers of a cluster, separated by commas.
//! - `redis+sentinel://`: one or more sentinels, separated by commas, and the name of the master that
//!   they monitor.
//!
//! `rediss` instead of `redis` enables TLS in all three. No error or log text contains a password.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// The default port of Redis.
const REDIS_PORT: u16 = 6379;

/// The default port of a sentinel.
const SENTINEL_PORT: u16 = 26379;

/// The address of Redis and the credentials for it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// What the hosts are.
    pub kind: AddressKind,
    /// Whether to use TLS.
    pub tls: bool,
    /// Host and port of the server, of cluster members, or of sentinels. Never empty. Exactly one for a
    /// single server.
    pub hosts: Vec<(String, u16)>,
    /// The number of the database. 0 for a cluster.
    pub database: i64,
    /// The credentials for Redis.
    pub login: Login,
    /// The credentials for the sentinels.
    pub sentinel_login: Login,
}

/// Credentials. Both parts are optional.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The user name. `None` is Redis's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// What the hosts of an address are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressKind {
    /// One server.
    Single,
    /// Members of a cluster.
    Cluster,
    /// Sentinels, which know the current master.
    Sentinel {
        /// The name of the master in the configuration of the sentinels.
        master: String,
    },
}

/// What is wrong with a URL. The text follows the name of the setting. It does not repeat the URL, which
/// may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

impl FromStr for RedisAddress {
    type Err = BadAddress;

    fn from_str(url: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress(SCHEMES))?;
        let (base, suffix) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" => false,
            "rediss" => true,
            _ => return Err(BadAddress(SCHEMES)),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (parse_login(login)?, hosts),
            None => (Login::default(), authority),
        };
        let (kind, database, port) = match suffix {
            "" => (AddressKind::Single, path, REDIS_PORT),
            "cluster" if matches!(path, "" | "0") => (AddressKind::Cluster, "", REDIS_PORT),
            "cluster" => return Err(BadAddress(CLUSTER_DATABASE)),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                let master = decode(master)?;
                if master.is_empty() {
                    return Err(BadAddress(NO_MASTER));
                }
                (AddressKind::Sentinel { master }, database, SENTINEL_PORT)
            }
            _ => return Err(BadAddress(SCHEMES)),
        };
        let hosts = hosts.split(',').map(|host| parse_host(host, port));
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        if kind == AddressKind::Single && hosts.len() > 1 {
            return Err(BadAddress(SEVERAL_HOSTS));
        }
        let database = match database {
            "" => 0,
            number => number.parse().ok().filter(|number| *number >= 0).ok_or(BadAddress(PATH))?,
        };
        let sentinel_login = parse_query(query, &kind)?;
        Ok(Self { kind, tls, hosts, database, login, sentinel_login })
    }
}

const SCHEMES: &str = "is not an address of Redis. Use redis://HOST:PORT for one server, redis+cluster://HOST:PORT,HOST:PORT \
                       for a cluster, or redis+sentinel://HOST:PORT,HOST:PORT/MASTER for sentinels, with rediss \
                       instead of redis for TLS.";
const CLUSTER_DATABASE: &str =
    "names a database, but a cluster has only one. Remove everything after the hosts.";
const NO_MASTER: &str = "names no master. Add the name that the sentinels use for it after the hosts: redis+sentinel://HOST:PORT/MASTER.";
const SEVERAL_HOSTS: &str =
    "names several hosts. Use redis+cluster:// for a cluster, or redis+sentinel:// for sentinels.";
const PATH: &str =
    "has a path that is not a database number. Use redis://HOST:PORT/0, or remove the path.";
const HOST: &str =
    "has an invalid host or port. Use HOST:PORT, with brackets around an IPv6 address.";
const ENCODING: &str = "has an invalid percent encoding. Write % as %25, @ as %40, and / as %2F.";
const QUERY: &str = "has an unknown parameter after the ?. Only sentinels take parameters: sentinel_user and sentinel_password.";

fn decode(text: &str) -> Result<String, BadAddress> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_not_utf8| BadAddress(ENCODING))
}

/// Parses `USER:PASSWORD`, `:PASSWORD` or `USER`.
fn parse_login(text: &str) -> Result<Login, BadAddress> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (decode(user)?, Some(decode(password)?)),
        None => (decode(text)?, None),
    };
    Ok(Login { user: Some(user).filter(|user| !user.is_empty()), password })
}

/// Parses `HOST`, `HOST:PORT` or `[IPv6]:PORT`.
fn parse_host(text: &str, default_port: u16) -> Result<(String, u16), BadAddress> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or(BadAddress(HOST))?;
            (host, port.strip_prefix(':').or((port.is_empty()).then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port.ok_or(BadAddress(HOST))? {
        "" => default_port,
        digits => digits.parse().map_err(|_no_port| BadAddress(HOST))?,
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(BadAddress(HOST));
    }
    Ok((host.to_owned(), port))
}

/// Parses the credentials for the sentinels.
fn parse_query(query: &str, kind: &AddressKind) -> Result<Login, BadAddress> {
    let mut login = Login::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(BadAddress(QUERY))?;
        let value = Some(decode(value)?);
        match (name, kind) {
            ("sentinel_user", AddressKind::Sentinel { .. }) => login.user = value,
            ("sentinel_password", AddressKind::Sentinel { .. }) => login.password = value,
            _ => return Err(BadAddress(QUERY)),
        }
    }
    Ok(login)
}

/// Omits user and password, so that it may be logged.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (suffix, master) = match &self.kind {
            AddressKind::Single => ("", ""),
            AddressKind::Cluster => ("+cluster", ""),
            AddressKind::Sentinel { master } => ("+sentinel", master.as_str()),
        };
        let hosts: Vec<_> =
            self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "{scheme}{suffix}://{}/{master}", hosts.join(","))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisAddress {
        url.parse().unwrap()
    }

    #[test]
    fn all_parts_of_a_single_server_address_are_parsed() {
        let address = parse("rediss://app:p%40ss@cache.example.org:6380/3");
        assert_eq!((&address.kind, address.tls, address.database), (&AddressKind::Single, true, 3));
        assert_eq!(address.hosts, [("cache.example.org".to_owned(), 6380)]);
        let login = Login { user: Some("app".into()), password: Some("p@ss".into()) };
        assert!(address.login == login);

        let address = parse("redis://:secret@[::1]");
        assert_eq!(address.hosts, [("::1".to_owned(), 6379)]);
        assert!(address.login.user.is_none() && address.login.password.is_some());
    }

    #[test]
    fn addresses_of_clusters_and_sentinels_have_several_hosts() {
        let address = parse("redis+cluster://a:1,b");
        assert_eq!(address.kind, AddressKind::Cluster);
        assert_eq!(address.hosts, [("a".to_owned(), 1), ("b".to_owned(), 6379)]);

        let address =
            parse("rediss+sentinel://x:y@a,b:2/main/1?sentinel_user=s&sentinel_password=t");
        assert_eq!(address.kind, AddressKind::Sentinel { master: "main".into() });
        assert_eq!(address.hosts, [("a".to_owned(), 26379), ("b".to_owned(), 2)]);
        assert_eq!((address.tls, address.database), (true, 1));
        assert!(
            address.sentinel_login == Login { user: Some("s".into()), password: Some("t".into()) }
        );
    }

    #[test]
    fn an_invalid_address_is_rejected_with_advice_and_without_its_password() {
        for (url, advice) in [
            ("localhost:6379", "redis://HOST:PORT"),
            ("http://localhost", "redis://HOST:PORT"),
            ("redis+ring://a", "redis://HOST:PORT"),
            ("redis://a,b", "redis+cluster://"),
            ("redis://a/first", "database number"),
            ("redis://a:port", "HOST:PORT"),
            ("redis://[::1", "brackets"),
            ("redis://", "HOST:PORT"),
            ("redis+cluster://a/1", "only one"),
            ("redis+sentinel://a", "names no master"),
            ("redis://u:%ff@a", "%25"),
            ("redis://a?protocol=2", "unknown parameter"),
        ] {
            let Err(error) = url.parse::<RedisAddress>() else { panic!("{url} was accepted") };
            assert!(error.to_string().contains(advice), "{url}: {error}");
        }
        let address = parse("redis+sentinel://u:secret@a/main?sentinel_password=hidden");
        assert_eq!(format!("{address} {address:?}"), {
            let shown = "redis+sentinel://a:26379/main";
            format!("{shown} RedisAddress({shown})")
        });
    }
}
