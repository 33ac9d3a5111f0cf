//! How often users may look up others by their e-mail addresses.
//!
//! The answer tells whether an address has an account, and whose it is. Without a limit anybody could try lists of
//! addresses.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{TooManyFailures, failure_counts::FailureCounts};
use crate::domain::{Network, UserId};

/// What an address without an account costs, in look-ups.
const UNKNOWN_COST: f64 = 5.0;

/// As many users as may use up their allowance at one network.
const USERS_AT_NETWORK: u32 = 10;

/// The most that is counted, in allowances. The last look-up that is begun may exceed one, and [`AddressLookUps::found`] takes back
/// what was added: all of it must have been counted.
const MAX_ALLOWANCES: u32 = 2;

/// The look-ups of a node, for each user and each network.
pub struct AddressLookUps(Mutex<State>);

struct State {
    users: FailureCounts<UserId>,
    networks: FailureCounts<Option<Network>>,
}

impl AddressLookUps {
    /// Returns an allowance of `per_hour` look-ups for each user, at least five, of which nothing is spent. An address without
    /// an account costs five.
    #[must_use]
    pub fn new(per_hour: u32) -> Self {
        Self(Mutex::new(State {
            users: FailureCounts::up_to(MAX_ALLOWANCES, per_hour),
            networks: FailureCounts::up_to(
                MAX_ALLOWANCES,
                per_hour.saturating_mul(USERS_AT_NETWORK),
            ),
        }))
    }

    /// Begins a look-up. It costs as much as an address without an account until it is [settled](Self::found), so that many
    /// at once are no cheaper.
    ///
    /// # Errors
    /// The user, or all users at the network together, have used up their allowance.
    pub fn begin(
        &self,
        user: UserId,
        network: Option<Network>,
        now: Instant,
    ) -> Result<(), TooManyFailures> {
        let mut state = self.0.lock();
        let of_user = state.users.wait(&user, now).map(|wait| (state.users.per_hour(), wait));
        let of_network = || {
            let wait = state.networks.wait(&network, now)?;
            Some((state.networks.per_hour(), wait))
        };
        if let Some((allowed, wait)) = of_user.or_else(of_network) {
            let what = "to find people by e-mail address";
            return Err(TooManyFailures { what, allowed, wait });
        }
        state.add(user, network, UNKNOWN_COST, now);
        Ok(())
    }

    /// Notes that the address of a look-up has an account, so that it costs one only.
    pub fn found(&self, user: UserId, network: Option<Network>, now: Instant) {
        self.0.lock().add(user, network, 1.0 - UNKNOWN_COST, now);
    }
}

impl State {
    fn add(&mut self, user: UserId, network: Option<Network>, look_ups: f64, now: Instant) {
        self.users.add(&user, look_ups, now);
        self.networks.add(&network, look_ups, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_an_account_cost_more() {
        let (look_ups, now) = (AddressLookUps::new(20), Instant::now());
        let [alice, mallory] = [(); 2].map(|()| UserId::new());
        for _ in 0..16 {
            look_ups.begin(alice, None, now).unwrap();
            look_ups.found(alice, None, now);
        }
        for _ in 0..4 {
            look_ups.begin(mallory, None, now).unwrap();
        }
        let refused = look_ups.begin(mallory, None, now).unwrap_err();
        assert!(refused.to_string().contains("at most 20 per hour"), "{refused}");
        look_ups.begin(alice, None, now).unwrap();
    }

    #[test]
    fn addresses_with_an_account_are_limited_too() {
        let (look_ups, now) = (AddressLookUps::new(20), Instant::now());
        let look_up = |user| {
            let begun = look_ups.begin(user, None, now);
            begun.map(|()| look_ups.found(user, None, now))
        };
        let (alice, bob) = (UserId::new(), UserId::new());
        assert_eq!((0..100).filter(|_| look_up(alice).is_ok()).count(), 20);
        // The network has ten times as many.
        assert_eq!((0..18).filter(|_| look_up(bob).is_ok()).count(), 18);
        let others = (0..1_000).filter(|_| look_up(UserId::new()).is_ok()).count();
        assert_eq!(others, 200 - 20 - 18);
        let hour = std::time::Duration::from_secs(3_600);
        look_ups.begin(alice, None, now + hour).unwrap();
    }

    #[test]
    fn many_accounts_at_one_network_have_an_allowance_together() {
        let (look_ups, now) = (AddressLookUps::new(20), Instant::now());
        let begun = (0..100).filter(|_| look_ups.begin(UserId::new(), None, now).is_ok()).count();
        assert_eq!(begun, 40);
        let elsewhere = Some(Network::of([192, 0, 2, 1].into()));
        look_ups.begin(UserId::new(), elsewhere, now).unwrap();
    }
}
