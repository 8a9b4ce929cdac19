//! The gate: who may come in, known from the database at most a second ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tandem_domain::access::Person;
use tandem_domain::access::session::Session;
use tandem_domain::id::{KeyId, SessionId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store::access::{keys, sessions, teams, users};
use tandem_store::{Db, StoreError};

use super::signing::KeyRing;
use crate::edge::core::Core;
use crate::edge::crypto::hex;
use crate::edge::crypto::jwt::Claims;
use crate::edge::job::JobRun;

/// How old anything here may be, in milliseconds: a change of rights takes effect on every replica within a second,
/// the reading of it included.
pub const MOST_AGE: i64 = 800;

/// The most entries of one cache; a full one is emptied.
const MOST_ENTRIES: usize = 20_000;

const MINUTE: i64 = 60_000;

/// What is known about those who call. Driven by the clock that callers hand in; it has no tasks of its own.
///
/// Whatever this process changes empties it at once; what other replicas change shows after [`MOST_AGE`].
#[derive(Debug)]
pub struct Gate {
    /// Who issues the access tokens.
    pub(super) issuer: String,
    people: Cache<UserId, Option<Arc<Account>>>,
    sessions: Cache<SessionId, Option<Arc<Session>>>,
    secrets: Cache<[u8; 32], Option<Arc<keys::KeyMatch>>>,
    pub(super) signing: Cache<(), Arc<KeyRing>>,
    /// What access tokens say whose signature was verified, by their hash. No token outlives its key: only its times are
    /// checked again, and its session and user as always.
    verified: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
    pub(super) asked_again_at: Mutex<Option<Timestamp>>,
    uses: Mutex<HashMap<KeyId, Use>>,
}

/// A user as far as rights go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who, with its rights.
    pub person: Person,
    /// Whether it may not come in any more.
    pub is_disabled: bool,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    minute: Timestamp,
    is_kept: bool,
}

impl Gate {
    /// A gate that knows nothing yet, and whose tokens are issued in this name.
    pub fn new(issuer: String) -> Self {
        Self {
            issuer,
            people: Cache::new(),
            sessions: Cache::new(),
            secrets: Cache::new(),
            signing: Cache::new(),
            verified: Mutex::default(),
            asked_again_at: Mutex::new(None),
            uses: Mutex::default(),
        }
    }

    /// Somebody's rights, password, session or key changed here: know nothing any more. To be called after the commit.
    pub fn forget(&self) {
        self.people.clear();
        self.sessions.clear();
        self.secrets.clear();
        self.signing.clear();
        locked(&self.verified).clear();
    }

    /// What a token says whose signature was verified before.
    pub(super) fn verified(&self, token: &[u8; 32]) -> Option<Arc<Claims>> {
        locked(&self.verified).get(token).cloned()
    }

    /// Remember what a token says whose signature was verified.
    pub(super) fn remember(&self, token: [u8; 32], claims: Arc<Claims>) {
        let mut verified = locked(&self.verified);
        if verified.len() >= MOST_ENTRIES {
            verified.clear();
        }
        verified.insert(token, claims);
    }

    /// A user with the rights of this second.
    pub(super) async fn account(
        &self,
        db: &Db,
        id: UserId,
        now: Timestamp,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        self.people.get(id, now, load_account(db, id)).await
    }

    /// A session as it is in this second.
    pub(super) async fn session(
        &self,
        db: &Db,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let load = async { Ok(sessions::find(db, id).await?.map(Arc::new)) };
        self.sessions.get(id, now, load).await
    }

    /// The key behind the hash of a secret, as it is in this second.
    pub(super) async fn key(
        &self,
        db: &Db,
        secret: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Arc<keys::KeyMatch>>, StoreError> {
        let load = async { Ok(keys::find_by_secret(db, &hex(&secret)).await?.map(Arc::new)) };
        self.secrets.get(secret, now, load).await
    }

    /// Note that a key was used, to the minute; [`Gate::flush_uses`] writes it down.
    pub(super) fn note_use(&self, id: KeyId, now: Timestamp) {
        let minute = Timestamp::from_millis(now.millis() - now.millis().rem_euclid(MINUTE));
        let mut uses = locked(&self.uses);
        if uses.get(&id).is_none_or(|known| known.minute < minute) {
            uses.insert(
                id,
                Use {
                    minute,
                    is_kept: false,
                },
            );
        }
    }

    /// Write down which keys were used since the last time.
    pub(super) async fn flush_uses(&self, core: &Core, turn: &JobRun) -> Result<(), StoreError> {
        let news: Vec<(KeyId, Timestamp)> = {
            let uses = locked(&self.uses);
            uses.iter()
                .filter(|(_, known)| !known.is_kept)
                .map(|(id, known)| (*id, known.minute))
                .collect()
        };
        let hour_ago = turn.now.plus_millis(-60 * MINUTE);
        if !news.is_empty() {
            let tx = turn.begin(core).await?;
            keys::used(&tx, &news).await?;
            tx.commit().await?;
        }
        let mut uses = locked(&self.uses);
        for (id, minute) in news {
            if let Some(known) = uses.get_mut(&id).filter(|known| known.minute == minute) {
                known.is_kept = true;
            }
        }
        uses.retain(|_, known| !known.is_kept || known.minute > hour_ago);
        Ok(())
    }
}

async fn load_account(db: &Db, id: UserId) -> Result<Option<Arc<Account>>, StoreError> {
    let Some(user) = users::find(db, id).await? else {
        return Ok(None);
    };
    let teams = teams::of_user(db, id).await?;
    let person = Person {
        id,
        role: user.role,
        admin: user.admin,
        teams,
    };
    Ok(Some(Arc::new(Account {
        person,
        is_disabled: user.disabled_at.is_some(),
    })))
}

/// Values by key, each for [`MOST_AGE`] at most.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    entries: Mutex<HashMap<K, (Timestamp, V)>>,
    generation: AtomicU64,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    fn new() -> Self {
        Self {
            entries: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// The value, loaded where it is not known or too old. What is loaded while the cache is emptied is not kept: it
    /// may be from before the change.
    pub(super) async fn get<E>(
        &self,
        key: K,
        now: Timestamp,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let is_fresh = |at: Timestamp| (0..MOST_AGE).contains(&(now.millis() - at.millis()));
        if let Some((_, value)) = locked(&self.entries).get(&key).filter(|(at, _)| is_fresh(*at)) {
            return Ok(value.clone());
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let value = load.await?;
        let mut entries = locked(&self.entries);
        if self.generation.load(Ordering::SeqCst) != generation {
            return Ok(value);
        }
        if entries.len() >= MOST_ENTRIES {
            entries.clear();
        }
        entries.insert(key, (now, value.clone()));
        Ok(value)
    }

    /// Know nothing any more.
    pub(super) fn clear(&self) {
        let mut entries = locked(&self.entries);
        self.generation.fetch_add(1, Ordering::SeqCst);
        entries.clear();
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    async fn read(cache: &Cache<u8, u8>, now: i64, value: u8) -> u8 {
        cache
            .get(1, at(now), async { Ok::<u8, ()>(value) })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_value_is_known_for_less_than_its_most_age() {
        let cache = Cache::new();
        assert_eq!(read(&cache, 0, 1).await, 1);
        assert_eq!(read(&cache, MOST_AGE - 1, 2).await, 1);
        assert_eq!(read(&cache, MOST_AGE, 2).await, 2);
        assert_eq!(
            read(&cache, MOST_AGE - 1, 3).await,
            3,
            "a clock that was set back proves nothing"
        );
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = Cache::new();
        let load = async {
            cache.clear();
            Ok::<u8, ()>(1)
        };
        assert_eq!(cache.get(1, at(0), load).await, Ok(1));
        assert_eq!(read(&cache, 0, 2).await, 2);
    }

    #[tokio::test]
    async fn a_full_cache_begins_anew() {
        let cache = Cache::new();
        for key in 0..MOST_ENTRIES + 10 {
            cache.get(key, at(0), async { Ok::<(), ()>(()) }).await.unwrap();
        }
        assert_eq!(locked(&cache.entries).len(), 10);
    }
}
