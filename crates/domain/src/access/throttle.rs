//! How often somebody may try a password: attempts are counted before the work is done, and pauses grow.

use crate::instant::Timestamp;

const MINUTE: i64 = 60_000;
const FIRST_PAUSE: i64 = MINUTE / 2;
const LONGEST_PAUSE: i64 = 15 * MINUTE;

/// How many attempts there are before pauses begin, and after how much quiet they are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many attempts are free.
    pub attempts: i64,
    /// So many milliseconds after the first one, or after the last pause, the count starts again.
    pub window: i64,
}

/// For one account from one address: 10 in a quarter of an hour.
pub const PER_PAIR: Allowance = Allowance {
    attempts: 10,
    window: 15 * MINUTE,
};
/// For one account from all addresses together that have never logged in to it: 100 in a quarter of an hour. It does not
/// apply to the others, so that nobody can lock a user out by guessing.
pub const PER_ACCOUNT: Allowance = Allowance {
    attempts: 100,
    window: 15 * MINUTE,
};
/// For how many milliseconds an address is remembered that has logged in: 90 days.
pub const REMEMBERED: i64 = 90 * 24 * 60 * MINUTE;
/// For one address: 100 in a quarter of an hour, since an office shares one.
pub const PER_ADDRESS: Allowance = Allowance {
    attempts: 100,
    window: 15 * MINUTE,
};

/// The attempts that were made so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// How many in this window.
    pub count: i64,
    /// When the window began.
    pub window_started_at: Timestamp,
    /// No attempt before this instant.
    pub blocked_until: Timestamp,
}

/// No attempt is allowed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no attempt is allowed yet")]
pub struct Pause {
    /// When the next one is.
    pub until: Timestamp,
}

impl Throttle {
    /// Nothing was tried yet.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            count: 0,
            window_started_at: now,
            blocked_until: now,
        }
    }

    /// Count one attempt, or refuse it; a refused one counts for nothing, so that nobody is kept out for ever.
    ///
    /// The last free attempt starts a pause of 30 seconds, each further one doubles it, up to 15 minutes. A pause that would
    /// last longer was begun before the clock was set back: it is over.
    pub fn attempt(self, allowance: Allowance, now: Timestamp) -> Result<Self, Pause> {
        let has_pause = self.count >= allowance.attempts;
        if has_pause && now < self.blocked_until && self.blocked_until <= now.plus_millis(LONGEST_PAUSE) {
            return Err(Pause {
                until: self.blocked_until,
            });
        }
        let quiet_since = self.window_started_at.max(self.blocked_until);
        let was_set_back = quiet_since > now.plus_millis(LONGEST_PAUSE);
        let is_over = was_set_back || now >= quiet_since.plus_millis(allowance.window);
        let current = if is_over { Self::new(now) } else { self };
        let count = current.count + 1;
        let beyond = count - allowance.attempts;
        let pause = if beyond < 0 {
            0
        } else {
            (FIRST_PAUSE << beyond.min(20)).min(LONGEST_PAUSE)
        };
        Ok(Self {
            count,
            blocked_until: now.plus_millis(pause),
            ..current
        })
    }

    /// Take one attempt back that turned out to be right.
    pub fn forgive(self, allowance: Allowance, now: Timestamp) -> Self {
        let count = (self.count - 1).max(0);
        let blocked_until = if count < allowance.attempts {
            now
        } else {
            self.blocked_until
        };
        Self {
            count,
            blocked_until,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn after(attempts: i64, now: Timestamp) -> Throttle {
        (0..attempts).fold(Throttle::new(now), |throttle, _| {
            throttle.attempt(PER_PAIR, now).unwrap()
        })
    }

    #[test]
    fn ten_attempts_are_free_and_the_eleventh_waits() {
        let ten = after(10, at(0));
        assert_eq!(ten.attempt(PER_PAIR, at(0)), Err(Pause { until: at(30) }));
        assert_eq!(ten.attempt(PER_PAIR, at(29)), Err(Pause { until: at(30) }));
        assert!(ten.attempt(PER_PAIR, at(30)).is_ok());
    }

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let (mut throttle, mut now, mut pauses) = (after(10, at(0)), at(0), vec![]);
        for _ in 0..8 {
            pauses.push((throttle.blocked_until.millis() - now.millis()) / 1000);
            now = throttle.blocked_until;
            throttle = throttle.attempt(PER_PAIR, now).unwrap();
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn quiet_forgets() {
        assert_eq!(after(9, at(0)).attempt(PER_PAIR, at(900)).unwrap().count, 1);
        assert_eq!(after(9, at(0)).attempt(PER_PAIR, at(899)).unwrap().count, 10);
        let blocked = after(10, at(0));
        assert_eq!(blocked.attempt(PER_PAIR, at(929)).unwrap().count, 11);
        assert_eq!(blocked.attempt(PER_PAIR, at(930)).unwrap().count, 1);
    }

    #[test]
    fn a_right_attempt_is_taken_back() {
        let ten = after(10, at(0));
        let forgiven = ten.forgive(PER_PAIR, at(1));
        assert_eq!((forgiven.count, forgiven.blocked_until), (9, at(1)));
        assert_eq!(Throttle::new(at(0)).forgive(PER_PAIR, at(1)).count, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let day = at(86_400);
        let free = Throttle::new(day).attempt(PER_PAIR, day).unwrap();
        for back in [1, 299, 901, 86_400] {
            let now = at(86_400 - back);
            assert!(free.attempt(PER_PAIR, now).is_ok(), "{back} s");
        }
        let paused = after(10, day);
        let waits = |now: Timestamp| paused.attempt(PER_PAIR, now).err().map(|pause| pause.until);
        assert_eq!(
            waits(at(86_400 - 60)),
            Some(at(86_430)),
            "a pause is at most a quarter of an hour"
        );
        assert_eq!(waits(at(0)), None);
        assert_eq!(paused.attempt(PER_PAIR, at(0)).unwrap().count, 1);
    }
}
