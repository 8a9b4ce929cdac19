//! How often who may call: per key or user, per form key, per address. Kept in memory, shared among live replicas.
//!
//! Time is the limiter's own monotonic clock, since nothing here is kept or reported for longer than seconds.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tandem_domain::access::Actor;
use uuid::Uuid;

use super::address;
use crate::edge::caller::Identity;
use crate::edge::crypto;
use crate::edge::http::problem::{Code, Problem};

const MINUTE: Duration = Duration::from_secs(60);
/// The part of a minute's limit that may come at once: in no minute more than 1.1 times the limit passes.
const BURST: u32 = 10;
/// After so many requests what says nothing any more is thrown away, should no job do it.
const TIDY_EVERY: u64 = 1 << 14;

/// Rate limits in requests a minute over all replicas; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Each secret key, and each user.
    pub per_key: u32,
    /// Each form key or tracking key.
    pub per_form: u32,
    /// Each address that calls without a user or secret key.
    pub per_address: u32,
    /// What pages report with each tracking key, in KiB.
    pub collected_per_key: u32,
    /// What pages report from each address, in KiB.
    pub collected_per_address: u32,
}

/// The limits of this process.
#[derive(Debug)]
pub struct Limits {
    rates: Rates,
    asked: AtomicU64,
    current: RwLock<Limiters>,
}

#[derive(Debug)]
struct Limiters {
    replicas: u64,
    by_address: Option<Limiter<IpAddr>>,
    by_caller: Option<Limiter<Uuid>>,
    by_form: Option<Limiter<[u8; 32]>>,
    collected_by_key: Option<Limiter<[u8; 32]>>,
    collected_by_address: Option<Limiter<IpAddr>>,
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// One limit; `q` requests in `w` seconds, of which `r` are left, full again in `t`.
#[derive(Debug)]
struct Limiter<K: Clone + Hash + Eq> {
    name: &'static str,
    quota: Quota,
    keyed: Keyed<K>,
}

/// What a limit says to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    policy: Option<String>,
    state: Option<String>,
    retry_after: Option<u32>,
}

impl Verdict {
    /// The problem of a request that came too soon.
    pub fn refusal(&self) -> Option<Problem> {
        self.retry_after
            .map(|seconds| Problem::new(Code::TooManyRequests).retry_after(seconds))
    }

    fn admit(&self) -> Result<(), Problem> {
        self.refusal().map_or(Ok(()), Err)
    }

    /// Tell the limit and what is left of it (draft-ietf-httpapi-ratelimit-headers).
    pub fn tell(&self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: &Option<String>| {
            if let Some(value) = value
                .as_deref()
                .and_then(|value| HeaderValue::from_str(value).ok())
            {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("ratelimit-policy", &self.policy);
        set("ratelimit", &self.state);
    }
}

impl Limits {
    /// Limits in requests a minute; 0 is none. One replica is assumed until the heartbeat says otherwise.
    pub fn new(rates: &Rates) -> Self {
        Self {
            rates: *rates,
            asked: AtomicU64::new(0),
            current: RwLock::new(Limiters::new(rates, 1)),
        }
    }

    /// So many replicas live: each gets its share. The counts start again if the number changed.
    pub fn set_replicas(&self, replicas: u64) {
        let replicas = replicas.max(1);
        if self.read().replicas != replicas {
            let limiters = Limiters::new(&self.rates, replicas);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = limiters;
        }
    }

    /// A request of somebody who is not known, from an address.
    pub fn admit_address(&self, address: IpAddr) -> Verdict {
        let address = address::counted(address);
        self.counted()
            .by_address
            .as_ref()
            .map_or_else(Verdict::default, |limiter| limiter.ask(&address))
    }

    /// A request of a user or a key.
    pub fn admit_caller(&self, identity: &Identity) -> Verdict {
        let id = match &identity.actor {
            Actor::User(person) => person.id.uuid(),
            Actor::Key { id, .. } => id.uuid(),
            Actor::Form(_) | Actor::System(_) => return Verdict::default(),
        };
        self.counted()
            .by_caller
            .as_ref()
            .map_or_else(Verdict::default, |limiter| limiter.ask(&id))
    }

    /// A submission to the form behind a publishable key.
    pub fn admit_form(&self, form_key: &str) -> Result<(), Problem> {
        let key = crypto::sha256(form_key.as_bytes());
        let verdict = self.counted().by_form.as_ref().map(|limiter| limiter.ask(&key));
        verdict.and_then(|verdict| verdict.refusal()).map_or(Ok(()), Err)
    }

    /// So many bytes that a page reports with a tracking key, from an address. What the limit of its address refuses does not
    /// count against the key, which others use too.
    pub fn admit_bytes(&self, key: &str, address: IpAddr, bytes: usize) -> Result<(), Problem> {
        let cells = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let cells = NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN);
        let (key, address) = (crypto::sha256(key.as_bytes()), address::counted(address));
        let current = self.counted();
        if let Some(limiter) = &current.collected_by_address {
            limiter.ask_for(&address, cells).admit()?;
        }
        if let Some(limiter) = &current.collected_by_key {
            limiter.ask_for(&key, cells).admit()?;
        }
        Ok(())
    }

    /// Remove counters of callers that have not called for so long that their limit is restored.
    pub fn tidy(&self) {
        self.read().tidy();
    }

    fn counted(&self) -> RwLockReadGuard<'_, Limiters> {
        let current = self.read();
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            current.tidy();
        }
        current
    }

    fn read(&self) -> RwLockReadGuard<'_, Limiters> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiters {
    fn new(rates: &Rates, replicas: u64) -> Self {
        Self {
            replicas,
            by_address: Limiter::new("address", rates.per_address, replicas),
            by_caller: Limiter::new("caller", rates.per_key, replicas),
            by_form: Limiter::new("form", rates.per_form, replicas),
            collected_by_key: Limiter::new("collected", rates.collected_per_key, replicas),
            collected_by_address: Limiter::new("collected", rates.collected_per_address, replicas),
        }
    }

    fn tidy(&self) {
        for limiter in [&self.by_address, &self.collected_by_address]
            .into_iter()
            .flatten()
        {
            limiter.keyed.retain_recent();
        }
        if let Some(limiter) = &self.by_caller {
            limiter.keyed.retain_recent();
        }
        for limiter in [&self.by_form, &self.collected_by_key].into_iter().flatten() {
            limiter.keyed.retain_recent();
        }
    }
}

impl<K: Clone + Hash + Eq> Limiter<K> {
    fn new(name: &'static str, per_minute: u32, replicas: u64) -> Option<Self> {
        let quota = quota(per_minute, replicas)?;
        let keyed = RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        Some(Self { name, quota, keyed })
    }

    fn ask(&self, key: &K) -> Verdict {
        self.ask_for(key, NonZeroU32::MIN)
    }

    /// One request that counts as several; as what may come at once where it is more.
    fn ask_for(&self, key: &K, cells: NonZeroU32) -> Verdict {
        let Self { name, quota, keyed } = self;
        let at_once = quota.burst_size().get();
        let cells = cells.min(quota.burst_size());
        let seconds = |requests: u32| (quota.replenish_interval() * requests).as_secs_f64().ceil() as u64;
        let asked = keyed.check_key_n(key, cells);
        // No more than the burst is asked for.
        let Ok(asked) = asked else {
            return Verdict::default();
        };
        let (left, retry_after) = match asked {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refused) => {
                let wait = refused.wait_time_from(DefaultClock::default().now());
                (0, Some((wait.as_secs_f64().ceil() as u32).max(1)))
            }
        };
        Verdict {
            policy: Some(format!("\"{name}\";q={at_once};w={}", seconds(at_once).max(1))),
            state: Some(format!(
                "\"{name}\";r={left};t={}",
                seconds(at_once - left.min(at_once))
            )),
            retry_after,
        }
    }
}

/// A minute's limit, divided among replicas, a tenth of it at once.
fn quota(per_minute: u32, replicas: u64) -> Option<Quota> {
    if per_minute == 0 {
        return None;
    }
    let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    let interval = MINUTE.saturating_mul(replicas) / per_minute;
    let at_once = NonZeroU32::new(per_minute / replicas / BURST).unwrap_or(NonZeroU32::MIN);
    Some(Quota::with_period(interval.max(Duration::from_nanos(1)))?.allow_burst(at_once))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        per_key: 600,
        per_form: 0,
        per_address: 60,
        collected_per_key: 0,
        collected_per_address: 600,
    };

    #[test]
    fn a_minute_never_sees_more_than_eleven_tenths() {
        for (per_minute, replicas, at_once, millis) in [
            (600, 1, 60, 100),
            (600, 3, 20, 300),
            (60, 1, 6, 1000),
            (5, 1, 1, 12_000),
            (1, 2, 1, 120_000),
        ] {
            let quota = quota(per_minute, replicas).unwrap();
            assert_eq!(quota.burst_size().get(), at_once);
            assert_eq!(quota.replenish_interval(), Duration::from_millis(millis));
        }
        assert_eq!(quota(0, 1), None);
    }

    #[test]
    fn whoever_comes_too_often_is_told_when_to_come_back() {
        let limits = Limits::new(&RATES);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = limits.admit_address(address);
        assert_eq!(first.policy.as_deref(), Some("\"address\";q=6;w=6"));
        assert_eq!(first.state.as_deref(), Some("\"address\";r=5;t=1"));
        for _ in 0..5 {
            assert!(limits.admit_address(address).refusal().is_none());
        }
        let refused = limits.admit_address(address);
        assert_eq!(
            (refused.retry_after, refused.state.as_deref()),
            (Some(1), Some("\"address\";r=0;t=6"))
        );
        assert!(
            limits
                .admit_address("192.0.2.2".parse().unwrap())
                .refusal()
                .is_none()
        );
    }

    #[test]
    fn bytes_are_counted_by_address() {
        let limits = Limits::new(&RATES);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let taken = (0..100).filter(|_| limits.admit_bytes("tdm_pk_x", one, 10_000).is_ok());
        assert_eq!(taken.count(), 6, "60 KiB at once");
        assert!(
            limits.admit_bytes("tdm_pk_x", other, 1_000_000).is_ok(),
            "one that is larger is let through"
        );
        assert!(limits.admit_bytes("tdm_pk_x", other, 1).is_err());
    }

    #[test]
    fn bytes_that_an_address_may_not_send_do_not_count_against_the_key() {
        let limits = Limits::new(&Rates {
            collected_per_key: 120,
            collected_per_address: 60,
            ..RATES
        });
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let admitted = |address: IpAddr| {
            let is_admitted = |_: &i32| limits.admit_bytes("tdm_pk_x", address, 1).is_ok();
            (0..100).filter(is_admitted).count()
        };
        assert_eq!((admitted(one), admitted(other)), (6, 6));
    }

    #[test]
    fn no_limit_says_nothing() {
        let limits = Limits::new(&RATES);
        for _ in 0..10_000 {
            assert!(limits.admit_form("fk_x").is_ok());
        }
    }

    #[test]
    fn a_share_shrinks_with_the_replicas() {
        let limits = Limits::new(&RATES);
        limits.set_replicas(3);
        let verdict = limits.admit_address("192.0.2.1".parse().unwrap());
        assert_eq!(verdict.policy.as_deref(), Some("\"address\";q=2;w=6"));
        limits.tidy();
    }
}
