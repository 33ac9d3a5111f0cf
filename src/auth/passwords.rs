//! Passwords: hashed with Argon2id (RFC 9106), never kept.
//!
//! One hash takes a core for some tens of milliseconds and megabytes of memory, so it runs on the blocking
//! threads, a bounded number at a time. The queue before them is bounded as well: past it the answer is
//! [`PasswordError::Busy`], at once, and whoever signs in tries again.
//!
//! Verifying takes the same time whether or not there is such an account, so the time does not tell.

use std::{sync::Arc, thread};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash,
};
use thiserror::Error;
use tokio::{sync::Semaphore, task};

use super::AuthOptions;
use crate::domain::InvalidInput;

/// Why a password could not be hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The password breaks the rule.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// Too many wait already.
    #[error("Too many people are signing in at this moment. Try again in a few seconds.")]
    Busy,
    /// The options make no sense to Argon2.
    #[error(
        "Argon2 cannot work with auth.argon2_memory_kib, auth.argon2_passes and auth.argon2_lanes as they are set. \
         Give it at least 8 KiB for every lane, one pass and one lane."
    )]
    Options(#[source] argon2::Error),
    /// Hashing failed, or what is stored is no hash.
    #[error(
        "The password could not be checked. Try again, and tell whoever runs the server if it stays so."
    )]
    Failed(#[source] password_hash::Error),
    /// Hashing ended without an answer.
    #[error(
        "The password could not be checked. Try again, and tell whoever runs the server if it stays so."
    )]
    Aborted(#[source] task::JoinError),
}

/// Hashes and verifies passwords. Clones share the bounds.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    /// Stands in for the hash of an account that is not there.
    decoy: String,
    /// One permit for each hash that runs.
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    admitted: Arc<Semaphore>,
}

impl Passwords {
    /// The shortest password, in bytes of UTF-8.
    pub const MIN_LENGTH: usize = 8;
    /// The longest password, in bytes of UTF-8.
    pub const MAX_LENGTH: usize = 1024;

    /// Hashing as the options say. Hashes once, which takes as long as signing in does.
    ///
    /// # Errors
    /// Argon2 cannot work with the options, or the system gave no random salt.
    pub fn new(options: &AuthOptions) -> Result<Self, PasswordError> {
        let (memory, passes) = (options.argon2_memory_kib, options.argon2_passes);
        let params = Params::new(memory, passes, options.argon2_lanes, None)
            .map_err(PasswordError::Options)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash_now(&argon2, "nobody's password").map_err(PasswordError::Failed)?;
        let at_once = match options.hashes_at_once {
            // Whoever has signed in already needs the other half.
            0 => thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            set => set.min(Semaphore::MAX_PERMITS),
        };
        let all = at_once.saturating_add(options.hashes_waiting).min(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            argon2,
            decoy,
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(all)),
        })))
    }

    /// Whether an account may have this password.
    ///
    /// # Errors
    /// It is shorter than [`Passwords::MIN_LENGTH`] or longer than [`Passwords::MAX_LENGTH`].
    pub fn check(password: &str) -> Result<(), InvalidInput> {
        if (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&password.len()) {
            return Ok(());
        }
        Err(InvalidInput::new(format!(
            "A password has {} to {} bytes (a letter is one byte, or up to four outside English); choose another one.",
            Self::MIN_LENGTH,
            Self::MAX_LENGTH
        )))
    }

    /// The hash of a new password, as a PHC string that holds its salt and parameters.
    ///
    /// # Errors
    /// The password breaks the rule, too many wait, or hashing failed.
    ///
    /// # Cancel safety
    /// A hash that has begun runs to its end, and counts as running until then.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        Self::check(password)?;
        let password = password.to_owned();
        self.run(move |inner| hash_now(&inner.argon2, &password)).await
    }

    /// Whether `password` is the one that `stored` was made of; `None` if there is no such account.
    ///
    /// # Errors
    /// Too many wait, or `stored` is not a hash that can be checked.
    ///
    /// # Cancel safety
    /// As for [`Passwords::hash`].
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<bool, PasswordError> {
        // No account has such a password, whichever account it is.
        if password.len() > Self::MAX_LENGTH {
            return Ok(false);
        }
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.run(move |inner| {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(&inner.decoy))?;
            match inner.argon2.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(stored.is_some()),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Does `work` on a blocking thread when its turn comes.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> password_hash::Result<T> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let inner = Arc::clone(&self.0);
        let admitted = Arc::clone(&inner.admitted)
            .try_acquire_owned()
            .map_err(|_none_left| PasswordError::Busy)?;
        let running =
            Arc::clone(&inner.running).acquire_owned().await.expect("nobody closes the semaphore");
        task::spawn_blocking(move || {
            // The permits go along: whoever stops waiting does not stop the hash.
            let result = work(&inner);
            drop((running, admitted));
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
    use std::time::Duration;

    use futures_util::poll;

    use super::*;

    /// Options that make hashing quick and good for nothing else.
    fn quick() -> AuthOptions {
        AuthOptions {
            secret: None,
            token_life: Duration::from_secs(3600),
            leeway: Duration::ZERO,
            issuer: None,
            audience: None,
            enrol: false,
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
    async fn only_the_password_itself_is_verified() {
        let passwords = passwords();
        let hash = passwords.hash("correct horse").await.unwrap();

        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("Correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("", Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&"x".repeat(2000), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn the_same_password_hashes_differently_each_time() {
        let passwords = passwords();
        let (one, other) =
            tokio::join!(passwords.hash("correct horse"), passwords.hash("correct horse"));
        assert_ne!(one.unwrap(), other.unwrap());
    }

    #[tokio::test]
    async fn an_account_that_is_not_there_costs_as_much_as_one_that_is() {
        let options = AuthOptions { argon2_memory_kib: 64, argon2_passes: 3, ..quick() };
        let passwords = Passwords::new(&options).unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();

        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&hash), "$argon2id$v=19$m=64,t=3,p=1");
        assert_eq!(cost(&passwords.0.decoy), cost(&hash));
        assert!(!passwords.verify("nobody's password", None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_made_with_other_settings_stay_good() {
        let hash = passwords().hash("correct horse").await.unwrap();
        let dearer = Passwords::new(&AuthOptions { argon2_memory_kib: 32, ..quick() }).unwrap();
        assert!(dearer.verify("correct horse", Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn the_rule_is_named_when_it_is_broken() {
        let passwords = passwords();
        for password in ["", "1234567", &"x".repeat(1025)] {
            let error = passwords.hash(password).await.unwrap_err();
            assert!(matches!(error, PasswordError::Invalid(_)), "{error:?}");
            assert!(error.to_string().contains("8 to 1024 bytes"), "{error}");
        }
        for password in ["12345678", "пароль", &"x".repeat(1024)] {
            assert!(passwords.hash(password).await.is_ok(), "{password}");
        }
    }

    #[tokio::test]
    async fn a_stored_hash_that_is_none_is_an_error_and_not_a_wrong_password() {
        let error = passwords().verify("correct horse", Some("plain text")).await.unwrap_err();
        assert!(matches!(error, PasswordError::Failed(_)), "{error:?}");
    }

    #[tokio::test]
    async fn past_the_queue_the_answer_is_busy_and_the_queue_moves_on() {
        let options = AuthOptions { hashes_at_once: 1, hashes_waiting: 1, ..quick() };
        let passwords = Passwords::new(&options).unwrap();
        let occupied = Arc::clone(&passwords.0.running).acquire_owned().await.unwrap();
        let mut first = Box::pin(passwords.verify("correct horse", None));
        let mut second = Box::pin(passwords.verify("correct horse", None));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());

        let third = passwords.verify("correct horse", None).await;

        assert!(matches!(third, Err(PasswordError::Busy)));
        drop(occupied);
        assert!(!first.await.unwrap());
        assert!(!second.await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }

    #[test]
    fn options_that_argon2_cannot_take_are_refused() {
        let error = Passwords::new(&AuthOptions { argon2_memory_kib: 1, ..quick() }).err().unwrap();
        assert!(matches!(error, PasswordError::Options(_)), "{error:?}");
    }
}
