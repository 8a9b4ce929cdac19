//! Which instants are over: nothing that becomes visible later bears one of them.
//!
//! A row is stamped before it can be seen. A reader who goes on behind the newest stamp seen would lose what was stamped
//! earlier and committed later. Three rules prevent that:
//! 1. A transaction registers as a writer, and takes its stamp only then.
//! 2. A reader of a list by stamps reads the clock, then looks which writers are under way, then takes its snapshot. It
//!    shows what is stamped before the horizon: the least of the clock and the stamps under way.
//! 3. One clock stamps all writers: the server's on PostgreSQL, the process's on SQLite, where one process writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tandem_domain::instant::Timestamp;

/// How far the clock may have been set back, in milliseconds, before stamps follow it although readers were further on.
const SET_BACK: i64 = 60_000;

/// Who says what time it is when a transaction begins.
#[derive(Clone, Default)]
pub enum Clock {
    /// Nobody: a transaction bears the instant that its caller gives, and readers see everything.
    #[default]
    Given,
    /// This process, which is the only one that writes.
    Own(Arc<dyn Fn() -> Timestamp + Send + Sync>),
    /// The PostgreSQL server, for any number of processes.
    Server,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Given => "Given",
            Clock::Own(_) => "Own",
            Clock::Server => "Server",
        })
    }
}

/// The instant before which a list by stamps is complete; `None` where nobody writes by a common clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Horizon(pub(crate) Option<Timestamp>);

impl Horizon {
    /// The upper bound of a list as far as one stamp goes: the one asked for, or the horizon where that comes first and the
    /// list is sorted by the stamp or bounded by it.
    pub fn below(
        self,
        is_sorted_by: bool,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Option<Timestamp> {
        if !is_sorted_by && from.is_none() && to.is_none() {
            return None;
        }
        to.into_iter().chain(self.0).min()
    }
}

/// The writers of this process, where it stamps by its own clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The last instant that a reader has seen to its end.
    closed: i64,
    /// How many transactions under way bear a stamp.
    under_way: BTreeMap<i64, usize>,
}

/// A transaction under way. Dropped, it has ended.
#[derive(Debug)]
pub(crate) struct UnderWay {
    writers: Writers,
    stamp: i64,
}

impl Writers {
    /// Register a writer and stamp it: behind every instant that a reader has seen to its end.
    pub(crate) fn enter(&self, now: impl Fn() -> Timestamp) -> (Timestamp, UnderWay) {
        let mut state = self.state();
        let now = now().millis();
        let next = state.closed + 1;
        let stamp = if next - SET_BACK > now { now } else { now.max(next) };
        *state.under_way.entry(stamp).or_default() += 1;
        let under_way = UnderWay {
            writers: self.clone(),
            stamp,
        };
        (Timestamp::from_millis(stamp), under_way)
    }

    /// The horizon for a reader whose snapshot is taken after this. The present millisecond is closed by it, so that it can
    /// be shown.
    pub(crate) fn horizon(&self, now: impl Fn() -> Timestamp) -> Horizon {
        let mut state = self.state();
        let now = now().millis();
        if state.closed - SET_BACK > now {
            state.closed = now;
        }
        state.closed = state.closed.max(now);
        let end = state.closed + 1;
        let oldest = state.under_way.keys().next().copied();
        Horizon(Some(Timestamp::from_millis(
            oldest.map_or(end, |oldest| oldest.min(end)),
        )))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.writers.state();
        if let Some(count) = state.under_way.get_mut(&self.stamp) {
            *count -= 1;
            if *count == 0 {
                state.under_way.remove(&self.stamp);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> impl Fn() -> Timestamp {
        move || Timestamp::from_millis(millis)
    }

    fn horizon(millis: i64) -> Horizon {
        Horizon(Some(Timestamp::from_millis(millis)))
    }

    #[test]
    fn a_reader_sees_the_present_where_nobody_writes() {
        let writers = Writers::default();
        assert_eq!(writers.horizon(at(1000)), horizon(1001));
    }

    #[test]
    fn a_writer_under_way_hides_its_stamp_and_what_is_younger() {
        let writers = Writers::default();
        let (first, one) = writers.enter(at(1000));
        let (second, two) = writers.enter(at(1005));
        assert_eq!((first.millis(), second.millis()), (1000, 1005));
        assert_eq!(writers.horizon(at(1010)), horizon(1000));
        drop(one);
        assert_eq!(writers.horizon(at(1010)), horizon(1005));
        drop(two);
        assert_eq!(writers.horizon(at(1010)), horizon(1011));
    }

    #[test]
    fn what_a_reader_has_seen_to_its_end_gets_no_further_stamp() {
        let writers = Writers::default();
        assert_eq!(writers.horizon(at(1000)), horizon(1001));
        let (same, one) = writers.enter(at(1000));
        let (earlier, two) = writers.enter(at(990));
        assert_eq!((same.millis(), earlier.millis()), (1001, 1001));
        drop((one, two));
        assert_eq!(
            writers.horizon(at(990)),
            horizon(1001),
            "the clock went back a little"
        );
        let (far, _under_way) = writers.enter(at(1000 - 2 * SET_BACK));
        assert_eq!(far.millis(), 1000 - 2 * SET_BACK, "the clock was set back");
    }

    #[test]
    fn the_horizon_bounds_the_stamps_that_a_list_goes_by() {
        let at = Timestamp::from_millis;
        let below = |is_sorted_by, from, to| horizon(10).below(is_sorted_by, from, to);
        assert_eq!(below(false, None, None), None);
        assert_eq!(below(true, None, None), Some(at(10)));
        assert_eq!(below(false, Some(at(3)), None), Some(at(10)));
        assert_eq!(below(false, None, Some(at(5))), Some(at(5)));
        assert_eq!(below(false, None, Some(at(50))), Some(at(10)));
        assert_eq!(Horizon::default().below(true, None, None), None);
    }
}
