//! The address of a client, which a trusted proxy tells.
//!
//! Anybody can send the headers, so they are read only if the request comes from a trusted proxy, and from their end: each
//! proxy appends the address that it has seen. The first one that is not a trusted proxy is the client.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::Deserialize;

/// The header in which trusted proxies tell the address of their clients. A proxy that sets one of them passes the other on
/// as the client has sent it, so only one can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl TryFrom<String> for ForwardedHeader {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(format!("{name:?} is neither \"x-forwarded-for\" nor \"forwarded\"")),
        }
    }
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => header::X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// Returns the address in one element of the header, if it is an address.
    fn address(self, element: &str) -> Option<IpAddr> {
        let node = match self {
            Self::XForwardedFor => element,
            Self::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for").then_some(value)
            })?,
        };
        parse_node(node.trim().trim_matches('"'))
    }
}

/// Parses `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn parse_node(node: &str) -> Option<IpAddr> {
    let bracketed = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(node).parse().ok();
    address.or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// The proxies whose word on the address of a client is taken.
#[derive(Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Trusts these addresses and networks; entries that are neither are left out.
    #[must_use]
    pub fn new(networks: &[String], header: ForwardedHeader) -> Self {
        let networks = networks.iter().filter_map(|text| Self::parse_network(text)).collect();
        Self { networks, header }
    }

    /// Parses an address, or a network as `ADDRESS/BITS`.
    #[must_use]
    pub fn parse_network(text: &str) -> Option<IpNet> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    }

    /// Returns whether this is the address of a trusted proxy.
    #[must_use]
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the address of the client of a request that came from `peer`. It is the last one known if a proxy tells none.
    #[must_use]
    pub fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.include(peer) {
            return peer;
        }
        let lines: Vec<_> = headers.get_all(self.header.name()).collect();
        let elements = lines.iter().rev().map(|line| line.to_str().unwrap_or_default());
        let mut client = peer;
        for element in elements.flat_map(|line| line.rsplit(',')) {
            let Some(address) = self.header.address(element) else { break };
            client = address;
            if !self.include(address) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&str, &str)]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8:9::7"].map(str::to_owned);
        let proxies = TrustedProxies::new(&proxies, header);
        let request = lines
            .iter()
            .fold(TestRequest::default(), |request, line| request.append_header(*line))
            .to_http_request();
        proxies.client_of(peer.parse().unwrap(), request.headers()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_tells_the_address_of_its_client() {
        let of =
            |peer, told| client(ForwardedHeader::XForwardedFor, peer, &[("X-Forwarded-For", told)]);
        assert_eq!(of("192.0.2.9", "198.51.100.1"), "192.0.2.9");
        assert_eq!(of("10.1.2.3", "198.51.100.1"), "198.51.100.1");
        assert_eq!(of("::ffff:10.1.2.3", "198.51.100.1"), "198.51.100.1");
        assert_eq!(of("2001:db8:9::7", "2001:db8::1"), "2001:db8::1");
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn what_the_client_has_put_into_the_header_is_not_believed() {
        let header = ForwardedHeader::XForwardedFor;
        let of = |told| client(header, "10.1.2.3", &[("X-Forwarded-For", told)]);
        assert_eq!(of("1.1.1.1, 198.51.100.1"), "198.51.100.1");
        assert_eq!(of("1.1.1.1, 198.51.100.1, 10.9.9.9"), "198.51.100.1");
        assert_eq!(of("1.1.1.1, unknown, 10.9.9.9"), "10.9.9.9");
        assert_eq!(of("10.9.9.9, 10.8.8.8"), "10.9.9.9");
        let lines = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "198.51.100.1")];
        assert_eq!(client(header, "10.1.2.3", &lines), "198.51.100.1");
        let other = [("Forwarded", "for=1.1.1.1")];
        assert_eq!(client(header, "10.1.2.3", &other), "10.1.2.3");
    }

    #[test]
    fn both_headers_may_name_ports_and_ipv6() {
        let forwarded =
            |told| client(ForwardedHeader::Forwarded, "10.0.0.1", &[("Forwarded", told)]);
        assert_eq!(forwarded("for=192.0.2.43"), "192.0.2.43");
        assert_eq!(
            forwarded("proto=https;For=\"[2001:db8:cafe::17]:4711\";by=x"),
            "2001:db8:cafe::17"
        );
        assert_eq!(forwarded("for=1.1.1.1, for=\"192.0.2.43:80\""), "192.0.2.43");
        assert_eq!(forwarded("for=_hidden"), "10.0.0.1");
        let told = [("X-Forwarded-For", "[2001:db8::5]:4711")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &told), "2001:db8::5");
    }
}
