//! Passwords: argon2id on a bounded pool.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::random;

mod guessed;

/// How many callers may wait for a thread; one more is refused.
pub const WAITING: usize = 64;

const SHORTEST: usize = 10;
const LONGEST: usize = 256;

/// How much work one hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// 19 MiB and two passes: the first choice of OWASP's Password Storage Cheat Sheet.
    Owasp,
    /// 64 KiB and one pass: for tests alone.
    Cheap,
}

/// Why a password was neither hashed nor compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Every thread is busy and the queue is full.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The stored text is no PHC string of argon2.
    #[error("the stored password hash cannot be read")]
    Corrupt,
    /// The memory or a thread for the work was not to be had.
    #[error("the password could not be hashed")]
    Failed,
}

/// Why a password is not accepted as a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Fewer than 10 characters.
    #[error("a password has at least 10 characters")]
    TooShort,
    /// More than 256 characters.
    #[error("a password has at most 256 characters")]
    TooLong,
    /// One of those that are guessed first.
    #[error("this is one of the passwords that are guessed first")]
    Common,
}

/// Whether a new password is long enough, not too long, and none of those that are guessed first: the most common ones,
/// rows of the keyboard, repetitions, the product's name, and what is known of its person (`about`: e-mail, name). Its
/// composition is free (NIST SP 800-63B).
pub fn check_policy(password: &str, about: &[&str]) -> Result<(), PolicyError> {
    match password.chars().count() {
        ..SHORTEST => Err(PolicyError::TooShort),
        SHORTEST..=LONGEST if guessed::is_guessed_first(password, about) => Err(PolicyError::Common),
        SHORTEST..=LONGEST => Ok(()),
        _ => Err(PolicyError::TooLong),
    }
}

/// Hashes and compares passwords on a few threads, so that logins can neither exhaust memory nor starve the
/// rest.
#[derive(Clone, Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// A pool that hashes at most `threads` passwords at once (at least one) at the full cost.
    pub fn new(threads: usize) -> Self {
        Self::with_cost(threads, Cost::Owasp)
    }

    /// A pool of a chosen cost.
    pub fn with_cost(threads: usize, cost: Cost) -> Self {
        let threads = threads.max(1);
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()),
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads + WAITING)),
        }
    }

    /// The PHC string of a password under a new salt.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move |argon2| hash(argon2, &password, &random::<16>()))
            .await
    }

    /// Whether a password is the one behind a PHC string, by the cost that the string itself names.
    pub async fn verify(&self, password: String, phc: String) -> Result<bool, PasswordError> {
        self.run(move |argon2| {
            let parsed = PasswordHash::new(&phc).map_err(|_| PasswordError::Corrupt)?;
            match argon2.verify_password(password.as_bytes(), &parsed) {
                Ok(()) => Ok(true),
                Err(HashError::PasswordInvalid) => Ok(false),
                Err(HashError::OutOfMemory) => Err(PasswordError::Failed),
                Err(_) => Err(PasswordError::Corrupt),
            }
        })
        .await
    }

    /// The work of `verify` for an account that does not exist, so that its absence cannot be timed.
    pub async fn verify_nobody(&self, password: String) -> Result<(), PasswordError> {
        self.run(move |argon2| hash(argon2, &password, &[0; 16]).map(drop))
            .await
    }

    /// Take a place, wait for a thread, work. Both are given back when the work ends, not when a caller who
    /// has gone away stops waiting for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Failed)?;
        let argon2 = self.argon2.clone();
        let working = tokio::task::spawn_blocking(move || {
            let result = work(&argon2);
            drop((thread, place));
            result
        });
        working.await.map_err(|_| PasswordError::Failed)?
    }
}

impl Cost {
    fn params(self) -> Params {
        let chosen = match self {
            Self::Owasp => Params::new(19 * 1024, 2, 1, None),
            Self::Cheap => Params::new(64, 1, 1, None),
        };
        chosen.unwrap_or_default()
    }
}

fn hash(argon2: &Argon2<'static>, password: &str, salt: &[u8]) -> Result<String, PasswordError> {
    let hash = argon2.hash_password_with_salt(password.as_bytes(), salt);
    hash.map(|hash| hash.to_string())
        .map_err(|_| PasswordError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Passwords {
        Passwords::with_cost(1, Cost::Cheap)
    }

    #[tokio::test]
    async fn the_right_password_opens_and_the_wrong_one_does_not() {
        let pool = pool();
        let phc = pool.hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert!(pool.verify("correct horse".into(), phc.clone()).await.unwrap());
        assert!(!pool.verify("correct horsf".into(), phc).await.unwrap());
    }

    #[tokio::test]
    async fn the_full_cost_is_what_owasp_says() {
        let phc = Passwords::new(2).hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(pool().verify("correct horse".into(), phc).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let pool = pool();
        let one = pool.hash("correct horse".into()).await.unwrap();
        assert_ne!(one, pool.hash("correct horse".into()).await.unwrap());
    }

    #[tokio::test]
    async fn a_corrupt_hash_is_told_from_a_wrong_password() {
        for phc in [
            "",
            "plain",
            "$argon2id$v=19$m=1,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
            "$bcrypt$x",
        ] {
            let result = pool().verify("correct horse".into(), phc.into()).await;
            assert_eq!(result, Err(PasswordError::Corrupt), "{phc}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_at_once() {
        let pool = pool();
        let all = Arc::clone(&pool.places)
            .try_acquire_many_owned(1 + WAITING as u32)
            .unwrap();
        assert_eq!(
            pool.verify_nobody("correct horse".into()).await,
            Err(PasswordError::Busy)
        );
        drop(all);
        assert_eq!(pool.verify_nobody("correct horse".into()).await, Ok(()));
    }

    #[tokio::test]
    async fn places_come_back_also_from_callers_who_went_away() {
        let pool = pool();
        for _ in 0..200 {
            drop(tokio::time::timeout(std::time::Duration::ZERO, pool.hash("correct horse".into())).await);
        }
        pool.hash("correct horse".into()).await.unwrap();
        while pool.places.available_permits() < 1 + WAITING {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        let long: String = ('\u{4e00}'..).step_by(7).take(257).collect();
        let of = |chars: usize| check_policy(&long.chars().take(chars).collect::<String>(), &[]);
        assert_eq!(of(9), Err(PolicyError::TooShort));
        assert_eq!((of(10), of(256)), (Ok(()), Ok(())));
        assert_eq!(of(257), Err(PolicyError::TooLong));
    }

    #[test]
    fn both_costs_are_valid() {
        assert_eq!(
            (Cost::Owasp.params().m_cost(), Cost::Owasp.params().t_cost()),
            (19_456, 2)
        );
        assert_eq!(
            (Cost::Cheap.params().m_cost(), Cost::Cheap.params().t_cost()),
            (64, 1)
        );
    }
}
