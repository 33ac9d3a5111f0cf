//! How often users may name others by their e-mail addresses.
//!
//! The answer does not tell whether an address has an account. The limit keeps users from sharing documents with lists of addresses.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{TooManyFailures, failure_counts::FailureCounts};
use crate::domain::{Network, UserId};

/// As many users as may use up their allowance at one network.
const USERS_AT_NETWORK: u32 = 10;

/// The most that is counted, in allowances.
const MAX_ALLOWANCES: u32 = 1;

/// The look-ups of a node, for each user and each network.
pub struct AddressLookUps(Mutex<State>);

struct State {
    users: FailureCounts<UserId>,
    networks: FailureCounts<Option<Network>>,
}

impl AddressLookUps {
    /// Returns an allowance of `per_hour` addresses for each user, of which nothing is spent.
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

    /// Counts an address.
    ///
    /// # Errors
    /// The user, or all users at the network together, have used up their allowance.
    pub fn take(
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
            let what = "to name people by e-mail address";
            return Err(TooManyFailures { what, allowed, wait });
        }
        state.add(user, network, now);
        Ok(())
    }
}

impl State {
    fn add(&mut self, user: UserId, network: Option<Network>, now: Instant) {
        self.users.add(&user, 1.0, now);
        self.networks.add(&network, 1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_and_each_network_has_an_allowance() {
        let (look_ups, now) = (AddressLookUps::new(20), Instant::now());
        let take = |user| look_ups.take(user, None, now);
        let (alice, bob) = (UserId::new(), UserId::new());
        assert_eq!((0..100).filter(|_| take(alice).is_ok()).count(), 20);
        let refused = take(alice).unwrap_err();
        assert!(refused.to_string().contains("at most 20 per hour"), "{refused}");
        // The network has ten times as many.
        assert_eq!((0..18).filter(|_| take(bob).is_ok()).count(), 18);
        let others = (0..1_000).filter(|_| take(UserId::new()).is_ok()).count();
        assert_eq!(others, 200 - 20 - 18);
        let elsewhere = Some(Network::of([192, 0, 2, 1].into()));
        look_ups.take(UserId::new(), elsewhere, now).unwrap();
        let hour = std::time::Duration::from_secs(3_600);
        look_ups.take(alice, None, now + hour).unwrap();
    }
}
