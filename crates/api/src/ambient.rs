//! The clock and the chance of the process: the only place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::id::{Ids, RequestId, splitmix64};
use tandem_domain::instant::Timestamp;

/// What time it is, and where seeds come from. Cloned handles share both.
#[derive(Debug, Clone)]
pub struct Ambient {
    clock: Clock,
    seed: u64,
    drawn: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Clock {
    System,
    Manual(Arc<AtomicI64>),
}

impl Ambient {
    /// The system's clock and chance.
    pub fn system() -> Self {
        let mut seed = [0u8; 8];
        // Without chance the seed is the start's instant: ids stay unique by their instant and counter.
        if SystemRandom::new().fill(&mut seed).is_err() {
            seed = read_system_clock().to_le_bytes();
        }
        Self {
            clock: Clock::System,
            seed: u64::from_le_bytes(seed),
            drawn: Arc::default(),
        }
    }

    /// A clock that is turned by hand and seeds that repeat: for tests and for data made under a given clock.
    pub fn manual(now: Timestamp, seed: u64) -> Self {
        Self {
            clock: Clock::Manual(Arc::new(AtomicI64::new(now.millis()))),
            seed,
            drawn: Arc::default(),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::System => Timestamp::from_millis(read_system_clock()),
            Clock::Manual(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Whether it is the system's clock, which other machines share more or less.
    pub fn is_system(&self) -> bool {
        matches!(self.clock, Clock::System)
    }

    /// Turn a manual clock by this many milliseconds; the system's clock goes by itself.
    pub fn advance(&self, millis: i64) {
        if let Clock::Manual(now) = &self.clock {
            now.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// A seed that no other call of this process gets.
    pub fn seed(&self) -> u64 {
        splitmix64(self.seed.wrapping_add(self.drawn.fetch_add(1, Ordering::Relaxed)))
    }

    /// What a part of Tandem itself does now, by name.
    pub fn act(&self, name: &'static str) -> Act {
        let now = self.now();
        let request: RequestId = Ids::new(now, self.seed()).next();
        Act::new(Actor::System(name), request.to_string(), now, self.seed())
    }

    /// The same clock with other seeds: two replicas in one test share the time, not the ids.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self {
            clock: self.clock.clone(),
            seed,
            drawn: Arc::default(),
        }
    }
}

/// How long something takes: by a monotonic timer, because that is a wait and not a fact.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Start it.
    #[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long it has run.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
fn read_system_clock() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.map_or(0, |elapsed| elapsed.as_millis() as i64)
}
