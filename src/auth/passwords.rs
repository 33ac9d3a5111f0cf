//! Password hashing with Argon2id (RFC 9106). Passwords themselves are never kept.
//!
//! One hash takes a core for tens of milliseconds, and megabytes of memory. So it runs on the blocking threads, a
//! bounded number at a time. Networks take turns in their queue ([`FairQueue`]), the owners of accounts and quiet networks
//! before others ([`HashRank`]). The queue is bounded as well: when it is full, the last rank and there the network that
//! waits most often gets [`PasswordError::Busy`] immediately, and tries again; or else a network that waits more often than all of
//! that rank.
//!
//! Verifying a password takes the same time whether or not the account exists, so the time reveals nothing.

use std::{sync::Arc, thread, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash,
};
use thiserror::Error;
use tokio::task;

use super::AuthOptions;
use crate::{
    domain::{InvalidInput, Network, normalized_password},
    fair_queue::{FairQueue, QueueBounds, QueueKey},
};

/// The longest time for which a password waits to be hashed.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// Why a password could not be hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The password is too short or too long.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The queue is full, or the password has waited too long.
    #[error("Too many people are signing in right now. Try again in a few seconds.")]
    Busy,
    /// Argon2 does not accept the options.
    #[error(
        "Argon2 does not accept auth.argon2_memory_kib, auth.argon2_passes and auth.argon2_lanes together. Set at \
         least 8 KiB per lane, one pass and one lane."
    )]
    Options(#[source] argon2::Error),
    /// Hashing failed, or the stored text is not a hash.
    #[error(
        "The password could not be checked. Try again; if it keeps failing, contact the operator of the server."
    )]
    Failed(#[source] password_hash::Error),
    /// The hashing task panicked or was stopped.
    #[error(
        "The password could not be checked. Try again; if it keeps failing, contact the operator of the server."
    )]
    Aborted(#[source] task::JoinError),
}

/// How soon a password is hashed while others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashRank {
    /// A sign-in at a network from which a user has signed in to the account, not too often.
    Known,
    /// A sign-in at a network that has not failed lately, has not signed in too often, and waits for nothing else.
    Quiet,
    /// Any other sign-in, and a new account.
    Suspect,
}

/// Whom a password is hashed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashTurn {
    /// How soon.
    pub rank: HashRank,
    /// The network of the client, if it is known. Networks of one rank take turns.
    pub network: Option<Network>,
}

impl HashTurn {
    /// For the node itself.
    pub const OF_NODE: Self = Self { rank: HashRank::Known, network: None };
}

impl QueueKey for HashTurn {
    fn rank(&self) -> u8 {
        self.rank as u8
    }
}

/// Hashes and verifies passwords. Clones share the limits.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    /// The hash that is verified if the account does not exist.
    decoy: String,
    /// One place for each hash that may run at the same time.
    queue: FairQueue<HashTurn>,
}

impl Passwords {
    /// The shortest password, in bytes of UTF-8.
    pub const MIN_LENGTH: usize = 8;
    /// The longest password, in bytes of UTF-8.
    pub const MAX_LENGTH: usize = 1024;

    /// Prepares hashing with these options. It hashes once, so it takes as long as a sign-in.
    ///
    /// # Errors
    /// Argon2 does not accept the options, or the system has no random bytes for a salt.
    pub fn new(options: &AuthOptions) -> Result<Self, PasswordError> {
        let (memory, passes) = (options.argon2_memory_kib, options.argon2_passes);
        let params = Params::new(memory, passes, options.argon2_lanes, None)
            .map_err(PasswordError::Options)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash_now(&argon2, "password of no account").map_err(PasswordError::Failed)?;
        let at_once = match options.hashes_at_once {
            // The other half serves the users who are signed in.
            0 => thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            set => set,
        };
        let waiting = options.hashes_waiting;
        // A hash is short, so one network may use every place while no other network waits.
        let bounds = QueueBounds {
            places: at_once,
            share: at_once,
            waiting_of_key: waiting.div_ceil(2),
            waiting,
        };
        Ok(Self(Arc::new(Inner { argon2, decoy, queue: FairQueue::new(bounds) })))
    }

    /// Checks whether an account may have this password.
    ///
    /// # Errors
    /// It is shorter than [`Passwords::MIN_LENGTH`] or longer than [`Passwords::MAX_LENGTH`].
    pub fn check(password: &str) -> Result<(), InvalidInput> {
        if (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&password.len()) {
            return Ok(());
        }
        Err(InvalidInput::new(format!(
            "A password must have {} to {} bytes (one per English letter, up to four per other character). \
             Choose another one.",
            Self::MIN_LENGTH,
            Self::MAX_LENGTH
        )))
    }

    /// Hashes a new password. The result is a PHC string with salt and parameters.
    ///
    /// # Errors
    /// The password is too short or too long, the queue is full, or hashing failed.
    ///
    /// # Cancel safety
    /// A hash that has started runs to its end and keeps its place until then.
    pub async fn hash(&self, turn: HashTurn, password: &str) -> Result<String, PasswordError> {
        Self::check(password)?;
        let password = normalized_password(password).into_owned();
        self.run(turn, move |inner| hash_now(&inner.argon2, &password)).await
    }

    /// Returns whether `password` matches the hash `stored`. Pass `None` if the account does not exist.
    ///
    /// # Errors
    /// The queue is full, or `stored` is not a hash that can be verified.
    ///
    /// # Cancel safety
    /// See [`Passwords::hash`].
    pub async fn verify(
        &self,
        turn: HashTurn,
        password: &str,
        stored: Option<&str>,
    ) -> Result<bool, PasswordError> {
        // No account can have such a password, so the early return reveals nothing about this one.
        if password.len() > Self::MAX_LENGTH {
            return Ok(false);
        }
        let normalized = normalized_password(password).into_owned();
        // Older releases hashed passwords as they were typed.
        let typed = (normalized != password).then(|| password.to_owned());
        let stored = stored.map(str::to_owned);
        self.run(turn, move |inner| {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(&inner.decoy))?;
            for candidate in [Some(normalized), typed].into_iter().flatten() {
                match inner.argon2.verify_password(candidate.as_bytes(), &hash) {
                    Ok(()) => return Ok(stored.is_some()),
                    Err(password_hash::Error::PasswordInvalid) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(false)
        })
        .await
    }

    /// Runs `work` on a blocking thread when it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        turn: HashTurn,
        work: impl FnOnce(&Inner) -> password_hash::Result<T> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let inner = Arc::clone(&self.0);
        let place = inner.queue.acquire_within(turn, MAX_WAIT).await;
        let place = place.map_err(|_refused| PasswordError::Busy)?;
        task::spawn_blocking(move || {
            // The place moves into the closure: dropping the future does not stop the hash.
            let result = work(&inner);
            drop(place);
            result
        })
        .await
        .map_err(PasswordError::Aborted)?
        .map_err(PasswordError::Failed)
    }
}

fn hash_now(argon2: &Argon2<'_>, password: &str) -> password_hash::Result<String> {
    argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use futures_util::poll;

    use super::*;
    use crate::auth::{AccountRegistration, LocalAccounts};

    /// Options that make hashing fast and insecure.
    fn quick() -> AuthOptions {
        AuthOptions {
            secret: None,
            token_life: Duration::from_secs(3600),
            sign_in_life: Duration::from_secs(7200),
            leeway: Duration::ZERO,
            issuer: None,
            audience: None,
            enrol: false,
            issuers: BTreeMap::new(),
            ask: None,
            ask_secret: None,
            ask_over_http: false,
            document_audience: String::new(),
            document_token_life: Duration::from_secs(3600),
            local: LocalAccounts::Auto,
            registration: AccountRegistration::Open,
            unconfirmed_addresses: false,
            guest_life: Duration::from_hours(24),
            guests_per_link: 100,
            argon2_memory_kib: 8,
            argon2_passes: 1,
            argon2_lanes: 1,
            hashes_at_once: 2,
            hashes_waiting: 8,
        }
    }

    fn passwords() -> Passwords {
        Passwords::new(&quick()).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_however_the_keyboard_writes_it() {
        let passwords = passwords();
        let turn = HashTurn::OF_NODE;
        let (composed, decomposed) = ("pass\u{e9}word", "passe\u{301}word");
        for (set, typed) in
            [(composed, decomposed), (decomposed, composed), ("\u{ff41}bcdefgh", "abcdefgh")]
        {
            let hash = passwords.hash(turn, set).await.unwrap();
            assert!(passwords.verify(turn, typed, Some(&hash)).await.unwrap(), "{set} {typed}");
            assert!(!passwords.verify(turn, "passeword", Some(&hash)).await.unwrap());
        }
        // Hashed by an older release.
        let old = hash_now(&passwords.0.argon2, decomposed).unwrap();
        assert!(passwords.verify(turn, decomposed, Some(&old)).await.unwrap());
        assert!(!passwords.verify(turn, decomposed, None).await.unwrap());
    }

    #[tokio::test]
    async fn only_the_exact_password_matches() {
        let passwords = passwords();
        let hash = passwords.hash(HashTurn::OF_NODE, "correct horse").await.unwrap();

        assert!(passwords.verify(HashTurn::OF_NODE, "correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify(HashTurn::OF_NODE, "Correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify(HashTurn::OF_NODE, "", Some(&hash)).await.unwrap());
        assert!(
            !passwords.verify(HashTurn::OF_NODE, &"x".repeat(2000), Some(&hash)).await.unwrap()
        );
    }

    #[tokio::test]
    async fn the_same_password_hashes_differently_each_time() {
        let passwords = passwords();
        let (one, other) = tokio::join!(
            passwords.hash(HashTurn::OF_NODE, "correct horse"),
            passwords.hash(HashTurn::OF_NODE, "correct horse")
        );
        assert_ne!(one.unwrap(), other.unwrap());
    }

    #[tokio::test]
    async fn a_missing_account_costs_as_much_as_an_existing_one() {
        let options = AuthOptions { argon2_memory_kib: 64, argon2_passes: 3, ..quick() };
        let passwords = Passwords::new(&options).unwrap();
        let hash = passwords.hash(HashTurn::OF_NODE, "correct horse").await.unwrap();

        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&hash), "$argon2id$v=19$m=64,t=3,p=1");
        assert_eq!(cost(&passwords.0.decoy), cost(&hash));
        assert!(
            !passwords.verify(HashTurn::OF_NODE, "password of no account", None).await.unwrap()
        );
    }

    #[tokio::test]
    async fn hashes_made_with_other_settings_stay_valid() {
        let hash = passwords().hash(HashTurn::OF_NODE, "correct horse").await.unwrap();
        let stricter = Passwords::new(&AuthOptions { argon2_memory_kib: 32, ..quick() }).unwrap();
        assert!(stricter.verify(HashTurn::OF_NODE, "correct horse", Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn the_length_rule_is_named_when_a_password_breaks_it() {
        let passwords = passwords();
        for password in ["", "1234567", &"x".repeat(1025)] {
            let error = passwords.hash(HashTurn::OF_NODE, password).await.unwrap_err();
            assert!(matches!(error, PasswordError::Invalid(_)), "{error:?}");
            assert!(error.to_string().contains("8 to 1024 bytes"), "{error}");
        }
        for password in ["12345678", "пароль", &"x".repeat(1024)] {
            assert!(passwords.hash(HashTurn::OF_NODE, password).await.is_ok(), "{password}");
        }
    }

    #[tokio::test]
    async fn a_stored_text_that_is_no_hash_is_an_error_and_not_a_wrong_password() {
        let error = passwords()
            .verify(HashTurn::OF_NODE, "correct horse", Some("plain text"))
            .await
            .unwrap_err();
        assert!(matches!(error, PasswordError::Failed(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_the_network_that_fills_it() {
        let options = AuthOptions { hashes_at_once: 1, hashes_waiting: 2, ..quick() };
        let passwords = Passwords::new(&options).unwrap();
        let at = |last| Some(Network::of(std::net::IpAddr::from([192, 0, 2, last])));
        let [mallory, alice, bob] =
            [1, 2, 3].map(|last| HashTurn { rank: HashRank::Quiet, network: at(last) });
        let occupied = passwords.0.queue.acquire(mallory).await.unwrap();
        let verify = |turn| Box::pin(passwords.verify(turn, "correct horse", None));
        let (mut of_mallory, mut of_alice) = (verify(mallory), verify(alice));
        assert!(poll!(&mut of_mallory).is_pending());
        assert!(matches!(verify(mallory).await, Err(PasswordError::Busy)));
        assert!(poll!(&mut of_alice).is_pending());
        // Everyone who waits does so once.
        assert!(matches!(verify(bob).await, Err(PasswordError::Busy)));

        drop(occupied);

        let (mallory, alice) = tokio::join!(of_mallory, of_alice);
        assert!(!mallory.unwrap() && !alice.unwrap());
        assert!(!verify(bob).await.unwrap());
    }

    #[test]
    fn options_that_argon2_does_not_accept_are_refused() {
        let error = Passwords::new(&AuthOptions { argon2_memory_kib: 1, ..quick() }).err().unwrap();
        assert!(matches!(error, PasswordError::Options(_)), "{error:?}");
    }
}
