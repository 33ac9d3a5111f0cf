//! Where Redis is, read from a URL.
//!
//! `redis://` and `rediss://` (with TLS) name one server, as registered with IANA; `redis+cluster://` some servers of a
//! cluster, `redis+sentinel://` some sentinels and the name of the master that they watch. The two take several hosts
//! with commas between them, and an `s` for TLS as well.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// The port of Redis where none is named.
const PORT: u16 = 6379;

/// The port of a sentinel where none is named.
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is and how it lets us in.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// What stands there.
    pub kind: AddressKind,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Host and port of the server, or of those that know the others. Never empty; one for a single server.
    pub hosts: Vec<(String, u16)>,
    /// The number of the database; 0 with a cluster.
    pub database: i64,
    /// Who we are to Redis.
    pub login: Login,
    /// Who we are to the sentinels.
    pub sentinel_login: Login,
}

/// A user's name and password, each if there is one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The name; none is Redis's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressKind {
    /// One server.
    Single,
    /// Servers of a cluster.
    Cluster,
    /// Sentinels, who know which server is the master of this name.
    Sentinel {
        /// The name of the master, as the sentinels' configuration has it.
        master: String,
    },
}

/// What is wrong with a URL. The URL itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

impl FromStr for RedisAddress {
    type Err = BadAddress;

    fn from_str(url: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress(SCHEMES))?;
        let (base, what) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" => false,
            "rediss" => true,
            _ => return Err(BadAddress(SCHEMES)),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (read_login(login)?, hosts),
            None => (Login::default(), authority),
        };
        let (kind, database, port) = match what {
            "" => (AddressKind::Single, path, PORT),
            "cluster" if matches!(path, "" | "0") => (AddressKind::Cluster, "", PORT),
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
        let hosts = hosts.split(',').map(|host| read_host(host, port));
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        if kind == AddressKind::Single && hosts.len() > 1 {
            return Err(BadAddress(SEVERAL_HOSTS));
        }
        let database = match database {
            "" => 0,
            number => number.parse().ok().filter(|number| *number >= 0).ok_or(BadAddress(PATH))?,
        };
        let sentinel_login = read_query(query, &kind)?;
        Ok(Self { kind, tls, hosts, database, login, sentinel_login })
    }
}

const SCHEMES: &str = "is no address of Redis. Write redis://HOST:PORT for one server, redis+cluster://HOST:PORT,HOST:PORT \
                       for a cluster, or redis+sentinel://HOST:PORT,HOST:PORT/MASTER for sentinels; rediss instead of \
                       redis for TLS.";
const CLUSTER_DATABASE: &str =
    "names a database, and a cluster has only one. Leave out what comes after the hosts.";
const NO_MASTER: &str = "names no master. Write its name, as the sentinels know it, behind the hosts: redis+sentinel://HOST:PORT/MASTER.";
const SEVERAL_HOSTS: &str =
    "names several hosts. For a cluster write redis+cluster://, for sentinels redis+sentinel://.";
const PATH: &str = "has something behind the hosts that is no database. Write its number, as in redis://HOST:PORT/0.";
const HOST: &str =
    "names a host or port that cannot be one. Write HOST:PORT, and IPv6 addresses in brackets.";
const ENCODING: &str =
    "has a % that is followed by no character. Write % itself as %25, @ as %40, / as %2F.";
const QUERY: &str = "has something behind the ? that is not known. With sentinels, sentinel_user and sentinel_password may stand there.";

fn decode(text: &str) -> Result<String, BadAddress> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_not_utf8| BadAddress(ENCODING))
}

/// `USER:PASSWORD`, `:PASSWORD` or `USER`.
fn read_login(text: &str) -> Result<Login, BadAddress> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (decode(user)?, Some(decode(password)?)),
        None => (decode(text)?, None),
    };
    Ok(Login { user: Some(user).filter(|user| !user.is_empty()), password })
}

/// `HOST`, `HOST:PORT` or `[IPv6]:PORT`.
fn read_host(text: &str, default_port: u16) -> Result<(String, u16), BadAddress> {
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

fn read_query(query: &str, kind: &AddressKind) -> Result<Login, BadAddress> {
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

/// As logs may have it: without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (what, master) = match &self.kind {
            AddressKind::Single => ("", ""),
            AddressKind::Cluster => ("+cluster", ""),
            AddressKind::Sentinel { master } => ("+sentinel", master.as_str()),
        };
        let hosts: Vec<_> =
            self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "{scheme}{what}://{}/{master}", hosts.join(","))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> RedisAddress {
        url.parse().unwrap()
    }

    #[test]
    fn one_server_is_named_with_everything_that_may_be_left_out() {
        let address = read("rediss://app:p%40ss@cache.example.org:6380/3");
        assert_eq!((&address.kind, address.tls, address.database), (&AddressKind::Single, true, 3));
        assert_eq!(address.hosts, [("cache.example.org".to_owned(), 6380)]);
        let login = Login { user: Some("app".into()), password: Some("p@ss".into()) };
        assert!(address.login == login);

        let address = read("redis://:secret@[::1]");
        assert_eq!(address.hosts, [("::1".to_owned(), 6379)]);
        assert!(address.login.user.is_none() && address.login.password.is_some());
    }

    #[test]
    fn clusters_and_sentinels_are_named_by_several_hosts() {
        let address = read("redis+cluster://a:1,b");
        assert_eq!(address.kind, AddressKind::Cluster);
        assert_eq!(address.hosts, [("a".to_owned(), 1), ("b".to_owned(), 6379)]);

        let address =
            read("rediss+sentinel://x:y@a,b:2/main/1?sentinel_user=s&sentinel_password=t");
        assert_eq!(address.kind, AddressKind::Sentinel { master: "main".into() });
        assert_eq!(address.hosts, [("a".to_owned(), 26379), ("b".to_owned(), 2)]);
        assert_eq!((address.tls, address.database), (true, 1));
        assert!(
            address.sentinel_login == Login { user: Some("s".into()), password: Some("t".into()) }
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_do_and_without_the_password() {
        for (url, says) in [
            ("localhost:6379", "redis://HOST:PORT"),
            ("http://localhost", "redis://HOST:PORT"),
            ("redis+ring://a", "redis://HOST:PORT"),
            ("redis://a,b", "redis+cluster://"),
            ("redis://a/first", "its number"),
            ("redis://a:port", "HOST:PORT"),
            ("redis://[::1", "in brackets"),
            ("redis://", "HOST:PORT"),
            ("redis+cluster://a/1", "only one"),
            ("redis+sentinel://a", "names no master"),
            ("redis://u:%ff@a", "%25"),
            ("redis://a?protocol=2", "not known"),
        ] {
            let Err(error) = url.parse::<RedisAddress>() else { panic!("{url} was taken") };
            assert!(error.to_string().contains(says), "{url}: {error}");
        }
        let address = read("redis+sentinel://u:secret@a/main?sentinel_password=hidden");
        assert_eq!(format!("{address} {address:?}"), {
            let shown = "redis+sentinel://a:26379/main";
            format!("{shown} Address({shown})")
        });
    }
}
