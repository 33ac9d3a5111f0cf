//! Parties: who the server works for when several wait for the same thing.

use std::net::{IpAddr, Ipv6Addr};

use super::UserId;

/// The user, stranger or server part that a piece of work is done for. Parties that wait for the same thing take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The node itself, for work that no user has asked for.
    Node,
    /// A user.
    User(UserId),
    /// A client without a token, by its network. All clients whose network is not known are one party.
    Stranger(Option<Network>),
}

/// The network of a client, as far as limits tell clients apart: one IPv4 address, or an IPv6 network with 64 bits of
/// prefix, because one connection has all addresses of such a network (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// Returns the network of an address. An IPv4 address that is mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_network() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::7"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
