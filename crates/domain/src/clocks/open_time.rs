//! Open time between instants, and the instants at which it has run.
//!
//! Between two changes of a zone's offset the wall clock is a straight line, on which open time is the same every week but
//! for the holidays. So a span costs a look at each change of the offset within it, whatever its length.

use crate::instant::Timestamp;

use super::calendar::{Calendar, DAY};

/// Beyond all instants, in milliseconds; small enough to calculate with.
const FOREVER: i64 = 1_000_000_000_000_000;

/// A span between two changes of the zone's offset, half-open, in milliseconds.
struct Stretch {
    from: i64,
    to: i64,
    offset: i64,
}

impl Stretch {
    /// What the wall clock shows at its beginning, and just before its end.
    fn local(&self) -> (i64, i64) {
        (self.from + self.offset, self.to + self.offset)
    }
}

impl Calendar {
    /// Whether an instant is working time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = self.wall_clock(at);
        let of_day = local.rem_euclid(DAY);
        let mut hours = self.hours(local.div_euclid(DAY)).iter();
        hours.any(|hours| (hours.opens..hours.closes).contains(&of_day))
    }

    /// Open milliseconds between two instants; 0 where the second is not later.
    pub fn worked(&self, from: Timestamp, to: Timestamp) -> i64 {
        self.stretches(from)
            .take_while(|stretch| stretch.from < to.millis())
            .map(|stretch| {
                let (begin, end) = stretch.local();
                self.opened(end.min(to.millis() + stretch.offset)) - self.opened(begin)
            })
            .sum()
    }

    /// The earliest instant by which so many open milliseconds have run: a closing instant, not the next opening.
    pub(super) fn after(&self, from: Timestamp, open: i64) -> Timestamp {
        let mut left = open;
        for stretch in self.stretches(from) {
            let (begin, end) = stretch.local();
            let here = self.opened(end) - self.opened(begin);
            if left <= here {
                return Timestamp::from_millis(self.reached(begin, left) - stretch.offset);
            }
            left -= here;
        }
        Timestamp::from_millis(FOREVER)
    }

    /// The n-th later day with open hours (n from 1) at the time of day of `from`, at the latest at that day's closing.
    /// A local time that the zone skips is the first instant after the gap, one that it repeats the earlier.
    pub(super) fn working_days_after(&self, from: Timestamp, n: u32) -> Timestamp {
        let start = self.wall_clock(from);
        let day = self.nth_working_day(from, n);
        let closing = self.hours(day).last().map_or(DAY, |hours| hours.closes);
        let local = day * DAY + closing.min(start.rem_euclid(DAY));
        self.first_showing(from, local)
    }

    /// The n-th day after that of `from` that has an open instant, counted from 1970-01-01. A day that the zone skips has
    /// none.
    fn nth_working_day(&self, from: Timestamp, n: u32) -> i64 {
        let mut left = n;
        let mut last = self.wall_clock(from).div_euclid(DAY);
        for stretch in self.stretches(from) {
            let (begin, end) = stretch.local();
            let mut day = self.day_open_from(begin.div_euclid(DAY).max(last + 1));
            while day * DAY < end {
                if self.opened(begin.max(day * DAY)) < self.opened(end.min((day + 1) * DAY)) {
                    last = day;
                    left -= 1;
                }
                if left == 0 {
                    return day;
                }
                day = self.day_open_from(day + 1);
            }
        }
        FOREVER / DAY
    }

    /// The first instant from `from` on at which the wall clock shows a local time or a later one.
    fn first_showing(&self, from: Timestamp, local: i64) -> Timestamp {
        let at = self.stretches(from).find_map(|stretch| {
            let (begin, end) = stretch.local();
            (local < end).then(|| begin.max(local) - stretch.offset)
        });
        Timestamp::from_millis(at.unwrap_or(FOREVER))
    }

    fn wall_clock(&self, at: Timestamp) -> i64 {
        at.millis() + offset_millis(self.zone.to_offset(at.to_jiff()))
    }

    /// The stretches from an instant on; the last one does not end.
    fn stretches(&self, from: Timestamp) -> impl Iterator<Item = Stretch> {
        let offset = self.zone.to_offset(from.to_jiff());
        let mut changes = self.zone.following(from.to_jiff());
        let mut next = Some((from.millis(), offset_millis(offset)));
        std::iter::from_fn(move || {
            let (from, offset) = next.take()?;
            next = changes.next().map(|change| {
                (
                    change.timestamp().as_millisecond(),
                    offset_millis(change.offset()),
                )
            });
            let to = next.map_or(FOREVER, |(at, _)| at);
            Some(Stretch { from, to, offset })
        })
    }

    /// Open milliseconds on the wall clock before a local time, as [`Calendar::open_before`] counts them.
    fn opened(&self, local: i64) -> i64 {
        let (day, of_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let today = self
            .hours(day)
            .iter()
            .map(|hours| (of_day.min(hours.closes) - hours.opens).max(0));
        self.open_before(day) + today.sum::<i64>()
    }

    /// The earliest local time by which so many open milliseconds have run since another one, on a wall clock that is
    /// never changed.
    fn reached(&self, from: i64, open: i64) -> i64 {
        if open == 0 {
            return from;
        }
        let goal = self.opened(from) + open;
        let day = self.day_reaching(from.div_euclid(DAY), goal);
        let mut left = goal - self.open_before(day);
        for hours in self.hours(day) {
            let length = hours.closes - hours.opens;
            if left <= length {
                return day * DAY + hours.opens + left;
            }
            left -= length;
        }
        (day + 1) * DAY
    }

    /// The first day from a day on that has hours.
    fn day_open_from(&self, day: i64) -> i64 {
        self.day_reaching(day, self.open_before(day) + 1)
    }

    /// The day on whose wall clock the open time reaches a goal that it has not reached when `from` begins: by doubled
    /// steps, then by halves.
    fn day_reaching(&self, from: i64, goal: i64) -> i64 {
        let (mut day, mut step) = (from, 1);
        while self.open_before(day + step) < goal {
            day += step;
            step *= 2;
        }
        while step > 1 {
            let half = step / 2;
            if self.open_before(day + half) < goal {
                day += half;
                step -= half;
            } else {
                step = half;
            }
        }
        day
    }
}

fn offset_millis(offset: jiff::tz::Offset) -> i64 {
    i64::from(offset.seconds()) * 1000
}
