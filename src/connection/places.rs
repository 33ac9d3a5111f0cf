//! The places that a worker has for connections, and which connections give way when all are taken.
//!
//! A connection is a *stranger* until it has shown a valid token. Strangers may take only a part of the places, and one
//! network has a bound of its own. When such a part is full, a new connection takes the place of the stranger that has been there
//! longest. So connections with a token are never closed for new ones, and a new client always gets far enough to show
//! its token, unless its own network has filled its places with tokens.
//!
//! The places that one user can keep are bounded. Further connections of theirs stay strangers, whatever they show.
//!
//! Each worker counts its own places, for all its listeners together.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use super::ConnectionHandle;
use crate::{
    domain::{Network, UserId},
    metrics::Metrics,
};

/// How many connections one worker holds.
#[derive(Debug, Clone, Copy)]
pub struct PlaceLimits {
    /// All connections.
    pub total: usize,
    /// Connections that have not shown a valid token.
    pub strangers: usize,
    /// Connections of one network.
    pub per_network: usize,
    /// Connections of one user that are no strangers. At least 1.
    pub per_user: usize,
}

/// The places of one worker. Clones are the same places.
#[derive(Clone)]
pub struct ConnectionPlaces {
    limits: PlaceLimits,
    metrics: Metrics,
    taken: Rc<RefCell<TakenPlaces>>,
}

/// The place of one connection. Dropping it gives the place back.
pub(super) struct ConnectionPlace {
    number: u64,
    network: Option<Network>,
    /// The user for whom the connection keeps its place; `None` for a stranger or a proxy.
    user: Cell<Option<UserId>>,
    per_user: usize,
    taken: Rc<RefCell<TakenPlaces>>,
}

#[derive(Default)]
struct TakenPlaces {
    /// The number of the next connection.
    next: u64,
    /// Connections that have not given way.
    open: usize,
    /// Strangers by their numbers, so the first has been there longest.
    strangers: BTreeMap<u64, (Network, ConnectionHandle)>,
    /// Connections that have given way and are not closed yet. They are counted nowhere else.
    ending: HashSet<u64>,
    networks: HashMap<Network, NetworkPlaces>,
    /// How many connections keep their places for each user.
    users: HashMap<UserId, usize>,
}

#[derive(Default)]
struct NetworkPlaces {
    open: usize,
    strangers: BTreeSet<u64>,
}

impl ConnectionPlaces {
    /// Creates the places of a worker.
    #[must_use]
    pub fn new(limits: PlaceLimits, metrics: Metrics) -> Self {
        Self { limits, metrics, taken: Rc::default() }
    }

    /// Gives a place to a connection of this network, and ends the strangers that have to give way. Connections of
    /// trusted proxies have no network and are no strangers. Returns false if the network has filled its places.
    #[must_use]
    pub fn admit(&self, connection: &ConnectionHandle, network: Option<Network>) -> bool {
        let (number, gone) = {
            let mut taken = self.taken.borrow_mut();
            let mut gone = Vec::new();
            if let Some(network) = network {
                let full = taken.open_of(network) >= self.limits.per_network;
                match taken.oldest_of(network) {
                    Some(oldest) if full => gone.extend(taken.end_stranger(oldest)),
                    None if full => {
                        self.metrics.connection_ended("network_full");
                        return false;
                    }
                    Some(_) | None => {}
                }
                if taken.strangers.len() >= self.limits.strangers.max(1) {
                    gone.extend(taken.end_oldest());
                }
            }
            if taken.open >= self.limits.total {
                gone.extend(taken.end_oldest());
            }
            (taken.add(network, connection), gone)
        };
        connection.set_place(ConnectionPlace {
            number,
            network,
            user: Cell::new(None),
            per_user: self.limits.per_user.max(1),
            taken: Rc::clone(&self.taken),
        });
        for stranger in gone {
            self.metrics.connection_ended("gave_way");
            stranger.give_way();
        }
        true
    }
}

impl TakenPlaces {
    fn add(&mut self, network: Option<Network>, connection: &ConnectionHandle) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open += 1;
        if let Some(network) = network {
            let places = self.networks.entry(network).or_default();
            places.open += 1;
            places.strangers.insert(number);
            self.strangers.insert(number, (network, connection.clone()));
        }
        number
    }

    fn open_of(&self, network: Network) -> usize {
        self.networks.get(&network).map_or(0, |places| places.open)
    }

    fn oldest_of(&self, network: Network) -> Option<u64> {
        self.networks.get(&network)?.strangers.first().copied()
    }

    /// Takes its place from the stranger that has been there longest. Returns the connection for the caller to end.
    fn end_oldest(&mut self) -> Option<ConnectionHandle> {
        let oldest = *self.strangers.first_key_value()?.0;
        self.end_stranger(oldest)
    }

    fn end_stranger(&mut self, number: u64) -> Option<ConnectionHandle> {
        let (network, connection) = self.remove_stranger(number)?;
        self.ending.insert(number);
        self.count_out(Some(network));
        Some(connection)
    }

    /// Keeps the place of a stranger for a user who has shown their token, unless the user has too many. Returns the
    /// connection if it did; the caller drops it when nothing is borrowed.
    fn keep_for(&mut self, user: UserId, number: u64, per_user: usize) -> Option<ConnectionHandle> {
        if self.users.get(&user).is_some_and(|kept| *kept >= per_user) {
            return None;
        }
        let (_network, connection) = self.remove_stranger(number)?;
        *self.users.entry(user).or_default() += 1;
        Some(connection)
    }

    /// Gives the place of a closed connection back. Returns the connection if it was a stranger; the caller drops it when
    /// nothing is borrowed.
    fn give_back(&mut self, place: &ConnectionPlace) -> Option<ConnectionHandle> {
        let stranger = self.remove_stranger(place.number);
        if let Some(user) = place.user.get()
            && let Some(kept) = self.users.get_mut(&user)
        {
            *kept -= 1;
            if *kept == 0 {
                self.users.remove(&user);
            }
        }
        if !self.ending.remove(&place.number) {
            self.count_out(place.network);
        }
        stranger.map(|(_network, connection)| connection)
    }

    fn count_out(&mut self, network: Option<Network>) {
        self.open -= 1;
        if let Some(network) = network
            && let Some(places) = self.networks.get_mut(&network)
        {
            places.open -= 1;
            if places.open == 0 {
                self.networks.remove(&network);
            }
        }
    }

    /// Takes a connection out of the strangers.
    fn remove_stranger(&mut self, number: u64) -> Option<(Network, ConnectionHandle)> {
        let (network, connection) = self.strangers.remove(&number)?;
        if let Some(places) = self.networks.get_mut(&network) {
            places.strangers.remove(&number);
        }
        Some((network, connection))
    }
}

impl ConnectionPlace {
    /// Notes that the client has shown a valid token of this user. Returns whether the connection is no stranger any more; it stays
    /// one if the user has too many.
    pub(super) fn authenticate(&self, user: UserId) -> bool {
        if self.user.get().is_some() {
            return true;
        }
        let kept = self.taken.borrow_mut().keep_for(user, self.number, self.per_user);
        if kept.is_some() {
            self.user.set(Some(user));
        }
        kept.is_some()
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let stranger = self.taken.borrow_mut().give_back(self);
        drop(stranger);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn places(total: usize, strangers: usize, per_network: usize) -> ConnectionPlaces {
        ConnectionPlaces::new(
            PlaceLimits { total, strangers, per_network, per_user: 2 },
            Metrics::new(),
        )
    }

    fn network(last: u8) -> Option<Network> {
        Some(Network::of(IpAddr::from([192, 0, 2, last])))
    }

    /// Returns a connection of this network, if it got a place.
    fn connect(places: &ConnectionPlaces, network: Option<Network>) -> Option<ConnectionHandle> {
        let connection = ConnectionHandle::default();
        places.admit(&connection, network).then_some(connection)
    }

    #[test]
    fn the_oldest_stranger_gives_way_and_clients_with_a_token_do_not() {
        let places = places(10, 2, 10);
        let known = connect(&places, network(1)).unwrap();
        known.authenticate(UserId::new());
        let strangers: Vec<_> =
            (2..5).map(|last| connect(&places, network(last)).unwrap()).collect();

        let ended: Vec<_> = strangers.iter().map(ConnectionHandle::is_ended).collect();
        assert_eq!(ended, [true, false, false]);
        assert!(!known.is_ended());
    }

    #[test]
    fn a_network_replaces_only_strangers_of_its_own() {
        let places = places(10, 10, 2);
        let other = connect(&places, network(1)).unwrap();
        let first = connect(&places, network(2)).unwrap();
        let second = connect(&places, network(2)).unwrap();
        second.authenticate(UserId::new());

        let third = connect(&places, network(2)).unwrap();
        assert!(first.is_ended() && !other.is_ended());
        first.note_closed();
        third.authenticate(UserId::new());
        assert!(
            connect(&places, network(2)).is_none(),
            "both places belong to clients with a token"
        );

        second.note_closed();
        assert!(connect(&places, network(2)).is_some());
    }

    #[test]
    fn a_stranger_gives_way_when_all_places_are_taken() {
        let places = places(3, 2, 10);
        let stranger = connect(&places, network(1)).unwrap();
        let known: Vec<_> = (2..4).map(|last| connect(&places, network(last)).unwrap()).collect();
        known.iter().for_each(|connection| connection.authenticate(UserId::new()));
        assert!(stranger.is_ended());
        stranger.note_closed();

        let newcomer = connect(&places, network(4)).unwrap();
        assert!(!newcomer.is_ended());
        assert!(connect(&places, network(5)).is_some_and(|other| !other.is_ended()));
        assert!(newcomer.is_ended());
        assert!(known.iter().all(|connection| !connection.is_ended()));
    }

    #[test]
    fn connections_of_a_proxy_are_no_strangers() {
        let places = places(10, 1, 1);
        let proxied: Vec<_> = (0..5).map(|_| connect(&places, None).unwrap()).collect();
        assert!(connect(&places, network(1)).is_some());
        assert!(proxied.iter().all(|connection| !connection.is_ended()));
    }

    #[test]
    fn closed_connections_leave_nothing_behind() {
        let places = places(10, 10, 10);
        for last in 0..5 {
            let connection = connect(&places, network(last)).unwrap();
            if last % 2 == 0 {
                connection.authenticate(UserId::new());
            }
            connection.note_closed();
        }
        let taken = places.taken.borrow();
        assert_eq!((taken.open, taken.strangers.len(), taken.networks.len()), (0, 0, 0));
        assert!(taken.users.is_empty() && taken.ending.is_empty());
    }

    #[test]
    fn one_user_keeps_only_so_many_places() {
        let places = places(10, 2, 10);
        let (alice, bob) = (UserId::new(), UserId::new());
        let open = |user: UserId| {
            let connection = connect(&places, network(1)).unwrap();
            // Every request shows the token again.
            connection.authenticate(user);
            connection.authenticate(user);
            connection
        };
        let kept = [open(alice), open(alice), open(bob)];
        let strangers = [open(alice), open(alice), open(alice)];
        let ended: Vec<_> = strangers.iter().map(ConnectionHandle::is_ended).collect();
        assert_eq!(ended, [true, false, false]);
        assert!(kept.iter().all(|connection| !connection.is_ended()));

        kept[0].note_closed();
        strangers[1].authenticate(alice);
        let more = [open(alice), open(alice)];
        assert!(!strangers[1].is_ended(), "it has taken the place that became free");
        assert!(strangers[2].is_ended() && !more[0].is_ended());
    }

    #[test]
    fn one_stranger_gives_way_to_one_newcomer() {
        let places = places(4, 2, 10);
        let strangers =
            [connect(&places, network(1)).unwrap(), connect(&places, network(1)).unwrap()];
        let _proxied = [connect(&places, None).unwrap(), connect(&places, None).unwrap()];
        let newcomer = connect(&places, network(2)).unwrap();
        let ended = [&strangers[0], &strangers[1], &newcomer].map(ConnectionHandle::is_ended);
        assert_eq!(ended, [true, false, false]);
    }
}
