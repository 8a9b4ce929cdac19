//! Weeks, months and quarters in a zone: what reports over time have as rows.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::instant::Timestamp;

/// A division of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    /// From Monday.
    Week,
    /// Of the Gregorian calendar.
    Month,
    /// Three months, from January, April, July and October.
    Quarter,
}

/// The days of a report, half-open, with the instants at which they begin in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// The first day; `None` is the beginning.
    pub first: Option<Date>,
    /// The day after the last one; `None` is the end.
    pub next: Option<Date>,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after them.
    pub to: Timestamp,
}

/// A week, month or quarter: its name and its days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `2026-W05` (ISO 8601), `2026-05` or `2026-Q2`.
    pub name: String,
    /// Its days, cut to those of the report.
    pub days: Days,
}

impl Days {
    /// The days from the first to before the next; a day beyond the years that instants have counts as open. `None`
    /// where they end before they begin.
    pub fn between(first: Option<Date>, next: Option<Date>, zone: &TimeZone) -> Option<Self> {
        let edge = |date: Option<Date>| date.and_then(|date| Timestamp::start_of_day(date, zone));
        let from = edge(first).unwrap_or(Timestamp::from_millis(i64::MIN));
        let to = edge(next).unwrap_or(Timestamp::from_millis(i64::MAX));
        (from <= to).then_some(Self {
            first,
            next,
            from,
            to,
        })
    }

    /// The days before these that they are compared with: as many months where they are whole months, else as many days;
    /// `None` where they have no beginning or no end.
    pub fn before(&self, zone: &TimeZone) -> Option<Self> {
        let (first, next) = (self.first?, self.next?);
        let months = (i64::from(next.year()) - i64::from(first.year())) * 12 + i64::from(next.month())
            - i64::from(first.month());
        let length = if first.day() == 1 && next.day() == 1 {
            months.months()
        } else {
            first.until(next).ok()?
        };
        Self::between(Some(first.checked_sub(length).ok()?), Some(first), zone)
    }

    /// The calendar month of a day.
    pub fn month_of(day: Date, zone: &TimeZone) -> Option<Self> {
        let first = day.first_of_month();
        Self::between(Some(first), Some(first.checked_add(1.month()).ok()?), zone)
    }

    /// The calendar quarter of a day.
    pub fn quarter_of(day: Date, zone: &TimeZone) -> Option<Self> {
        let first = Calendar::Quarter.beginning(day);
        Self::between(Some(first), Some(first.checked_add(3.months()).ok()?), zone)
    }

    /// The calendar year of a day.
    pub fn year_of(day: Date, zone: &TimeZone) -> Option<Self> {
        let first = day.first_of_year();
        Self::between(Some(first), Some(first.checked_add(1.year()).ok()?), zone)
    }

    /// So many months that end before a day, in order. Where the day is none of a month, the month's last one takes its place.
    pub fn months_before(next: Date, count: i32, zone: &TimeZone) -> Vec<Self> {
        let day = |back: i32| next.checked_sub(back.months()).ok();
        let month = |back| Self::between(Some(day(back)?), Some(day(back - 1)?), zone);
        (1..=count).rev().filter_map(month).collect()
    }

    /// These days, as far as they are among others.
    fn within(self, all: &Days) -> Self {
        let (first, from) = if all.from > self.from {
            (all.first, all.from)
        } else {
            (self.first, self.from)
        };
        let (next, to) = if all.to < self.to {
            (all.next, all.to)
        } else {
            (self.next, self.to)
        };
        Self {
            first,
            next,
            from,
            to,
        }
    }
}

impl Calendar {
    fn span(self) -> Span {
        match self {
            Calendar::Week => 1.week(),
            Calendar::Month => 1.month(),
            Calendar::Quarter => 3.months(),
        }
    }

    /// The first day of the division that a day lies in.
    fn beginning(self, day: Date) -> Date {
        let month = day.first_of_month();
        match self {
            Calendar::Week => {
                let back = i64::from(day.weekday().to_monday_zero_offset());
                day.checked_sub(back.days()).unwrap_or(day)
            }
            Calendar::Month => month,
            Calendar::Quarter => {
                let back = i64::from((day.month() - 1) % 3);
                month.checked_sub(back.months()).unwrap_or(month)
            }
        }
    }

    fn name(self, first: Date) -> String {
        match self {
            Calendar::Week => {
                let week = first.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Calendar::Month => format!("{:04}-{:02}", first.year(), first.month()),
            Calendar::Quarter => format!("{:04}-Q{}", first.year(), (first.month() + 2) / 3),
        }
    }

    /// The first day of the newest divisions, `most` of them, up to the instant `last`.
    pub fn beginning_of_newest(self, last: Timestamp, zone: &TimeZone, most: usize) -> Option<Date> {
        let back = self.span().checked_mul(i64::try_from(most).ok()? - 1).ok()?;
        self.beginning(last.date_in(zone)).checked_sub(back).ok()
    }

    /// The divisions that cover the instants from the first to the last, without gap, cut to the days of a report;
    /// `None` where there are more than `most`.
    pub fn buckets(
        self,
        first: Timestamp,
        last: Timestamp,
        days: &Days,
        zone: &TimeZone,
        most: usize,
    ) -> Option<Vec<Bucket>> {
        let mut date = self.beginning(first.date_in(zone));
        let mut buckets = vec![];
        loop {
            let next = date.checked_add(self.span()).ok();
            let own = Days::between(Some(date), next, zone)?;
            if own.from > last {
                return Some(buckets);
            }
            if buckets.len() == most {
                return None;
            }
            buckets.push(Bucket {
                name: self.name(date),
                days: own.within(days),
            });
            let Some(next) = next else {
                return Some(buckets);
            };
            date = next;
        }
    }
}

/// The whole months that cover the instants from the first to the last; none where there are more than `most`.
pub fn months(first: Timestamp, last: Timestamp, zone: &TimeZone, most: usize) -> Vec<Bucket> {
    let always = Days::between(None, None, zone);
    let months = always.and_then(|always| Calendar::Month.buckets(first, last, &always, zone, most));
    months.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn always() -> Days {
        Days::between(None, None, &TimeZone::UTC).unwrap()
    }

    fn names(calendar: Calendar, first: &str, last: &str) -> Vec<String> {
        let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
        let buckets = calendar.buckets(first, last, &always(), &zone("Europe/Rome"), 100);
        buckets.unwrap().into_iter().map(|bucket| bucket.name).collect()
    }

    #[test]
    fn divisions_follow_the_zone() {
        // The first instant is already March in Rome, the last already 29 March.
        let (first, last) = ("2026-02-28T23:30:00Z", "2026-03-31T22:00:00Z");
        assert_eq!(names(Calendar::Month, first, last), ["2026-03", "2026-04"]);
        assert_eq!(names(Calendar::Quarter, first, last), ["2026-Q1", "2026-Q2"]);
        assert_eq!(
            names(Calendar::Week, "2026-12-27T22:59:59.999Z", "2026-12-27T23:00:00Z"),
            ["2026-W52", "2026-W53"],
            "weeks begin on Monday"
        );
    }

    #[test]
    fn a_day_of_a_clock_change_is_as_long_as_it_is() {
        let day = |text: &str| Some(text.parse().unwrap());
        let hours = |first, next| {
            let days = Days::between(day(first), day(next), &zone("Europe/Rome")).unwrap();
            (days.to.millis() - days.from.millis()) / 3_600_000
        };
        assert_eq!(hours("2026-03-29", "2026-03-30"), 23);
        assert_eq!(hours("2026-10-25", "2026-10-26"), 25);
        assert_eq!(
            Days::between(day("2026-02-02"), day("2026-02-01"), &TimeZone::UTC),
            None
        );
    }

    #[test]
    fn whole_months_are_compared_with_whole_months() {
        let day = |text: &str| Some(text.parse().unwrap());
        let before = |first, next| {
            let days = Days::between(day(first), day(next), &TimeZone::UTC).unwrap();
            let before = days.before(&TimeZone::UTC).unwrap();
            (before.first, before.next)
        };
        assert_eq!(
            before("2026-03-01", "2026-04-01"),
            (day("2026-02-01"), day("2026-03-01"))
        );
        assert_eq!(
            before("2026-01-01", "2027-01-01"),
            (day("2025-01-01"), day("2026-01-01"))
        );
        assert_eq!(
            before("2026-03-02", "2026-03-09"),
            (day("2026-02-23"), day("2026-03-02"))
        );
        let open = Days::between(None, day("2026-03-09"), &TimeZone::UTC).unwrap();
        assert_eq!(open.before(&TimeZone::UTC), None);
    }

    #[test]
    fn the_first_and_the_last_are_cut_to_the_days_asked_for() {
        let rome = zone("Europe/Rome");
        let (first, next) = ("2026-03-10".parse().unwrap(), "2026-05-02".parse().unwrap());
        let days = Days::between(Some(first), Some(next), &rome).unwrap();
        let buckets = Calendar::Month
            .buckets(days.from, days.to.plus_millis(-1), &days, &rome, 3)
            .unwrap();
        let edges: Vec<_> = buckets.iter().map(|b| (b.days.first, b.days.next)).collect();
        let (april, may) = ("2026-04-01".parse().unwrap(), "2026-05-01".parse().unwrap());
        assert_eq!(
            edges,
            [
                (Some(first), Some(april)),
                (Some(april), Some(may)),
                (Some(may), Some(next))
            ]
        );
        assert_eq!(
            Calendar::Month.buckets(days.from, days.to.plus_millis(-1), &days, &rome, 2),
            None
        );
    }

    proptest! {
        #[test]
        fn the_newest_divisions_are_as_many_as_asked_for(last in 0i64..4_000_000_000_000, most in 1usize..700, which in 0usize..3) {
            let zone = zone("Europe/Rome");
            let calendar = [Calendar::Week, Calendar::Month, Calendar::Quarter][which];
            let last = Timestamp::from_millis(last);
            let first = calendar.beginning_of_newest(last, &zone, most).unwrap();
            let from = Timestamp::start_of_day(first, &zone).unwrap();
            let buckets = calendar.buckets(from, last, &always(), &zone, most).unwrap();
            prop_assert_eq!((buckets.len(), buckets[0].days.first), (most, Some(first)));
        }

        #[test]
        fn divisions_join_without_gap(start in -60_000_000_000_000i64..250_000_000_000_000, length in 0i64..2000, which in 0usize..3) {
            let zone = zone("America/Sao_Paulo");
            let calendar = [Calendar::Week, Calendar::Month, Calendar::Quarter][which];
            let (first, last) = (Timestamp::from_millis(start), Timestamp::from_millis(start + length * 86_400_000));
            let buckets = calendar.buckets(first, last, &always(), &zone, 1000).unwrap();
            prop_assert!(buckets.first().unwrap().days.from <= first && last < buckets.last().unwrap().days.to);
            prop_assert!(buckets.windows(2).all(|pair| pair[0].days.to == pair[1].days.from && pair[0].days.next == pair[1].days.first));
        }
    }
}
