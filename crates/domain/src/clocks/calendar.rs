//! A calendar of working hours: how it is written, what is wrong with it, and its days.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fault::Fault;
use crate::instant::Timestamp;

pub(super) const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// Working hours, of the agreement or of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarDocument {
    /// The IANA time zone of the hours and holidays.
    #[schema(min_length = 1, max_length = 64, example = "Europe/Rome")]
    pub timezone: String,
    /// The hours of each weekday.
    pub week: Week,
    /// Dates without working hours.
    #[serde(default)]
    #[schema(max_items = 5000, example = json!(["2026-12-25"]))]
    pub holidays: Vec<String>,
}

/// The working hours of a week. Each interval is `[opens, closes]` in local time, such as `["09:00", "13:00"]`; `24:00`
/// ends a day, and no interval passes midnight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Week {
    /// Monday.
    #[schema(max_items = 24)]
    pub mon: Vec<[String; 2]>,
    /// Tuesday.
    #[schema(max_items = 24)]
    pub tue: Vec<[String; 2]>,
    /// Wednesday.
    #[schema(max_items = 24)]
    pub wed: Vec<[String; 2]>,
    /// Thursday.
    #[schema(max_items = 24)]
    pub thu: Vec<[String; 2]>,
    /// Friday.
    #[schema(max_items = 24)]
    pub fri: Vec<[String; 2]>,
    /// Saturday.
    #[schema(max_items = 24)]
    pub sat: Vec<[String; 2]>,
    /// Sunday.
    #[schema(max_items = 24)]
    pub sun: Vec<[String; 2]>,
}

/// A calendar of working hours, compiled. An instant is working time when its local wall clock lies in [opens, closes)
/// on a day that is no holiday: a repeated hour counts twice, a skipped one not. It is open at some time of every week
/// without holidays.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub(super) zone: TimeZone,
    /// From Monday; ascending and apart.
    week: [Vec<Interval>; 7],
    /// Open milliseconds of a week before each weekday; the last one is the whole week.
    before: [i64; 8],
    /// The holidays that fall on a working day, ascending.
    holidays: Vec<Holiday>,
}

/// Milliseconds of a local day, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) opens: i64,
    pub(super) closes: i64,
}

#[derive(Debug, Clone, Copy)]
struct Holiday {
    /// Days since 1970-01-01.
    day: i64,
    /// Open milliseconds that this holiday and those before it cancel.
    cancelled: i64,
}

impl Calendar {
    /// The compiled calendar, or all that is wrong with the document, with pointers into it.
    pub fn new(document: &CalendarDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = vec![];
        let zone = TimeZone::get(&document.timezone).unwrap_or_else(|_| {
            faults.push(Fault::new(
                "/timezone",
                "invalid_format",
                "is not an IANA time zone such as Europe/Rome",
            ));
            TimeZone::UTC
        });
        let week = document
            .week
            .days()
            .map(|(name, texts)| hours_of_day(name, texts, &mut faults));
        let mut before = [0; 8];
        for (weekday, hours) in week.iter().enumerate() {
            before[weekday + 1] = before[weekday] + open_time(hours);
        }
        if before[7] == 0 && faults.is_empty() {
            faults.push(Fault::new("/week", "invalid_value", "is never open"));
        }
        let holidays = holidays(&document.holidays, &week, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            zone,
            week,
            before,
            holidays,
        })
    }

    /// The open milliseconds of the longest day of the week.
    pub fn longest_day(&self) -> i64 {
        self.week.iter().map(|hours| open_time(hours)).max().unwrap_or(0)
    }

    /// The local date of an instant.
    pub fn date(&self, at: Timestamp) -> Date {
        at.date_in(&self.zone)
    }

    /// The hours of a day, counted from 1970-01-01; none on a holiday.
    pub(super) fn hours(&self, day: i64) -> &[Interval] {
        match self.holidays.binary_search_by_key(&day, |holiday| holiday.day) {
            Ok(_) => &[],
            Err(_) => &self.week[weekday(day)],
        }
    }

    /// Open milliseconds on the wall clock before a day begins, counted from an arbitrary day: only differences count.
    pub(super) fn open_before(&self, day: i64) -> i64 {
        let past = self.holidays.partition_point(|holiday| holiday.day < day);
        let cancelled = past
            .checked_sub(1)
            .map_or(0, |last| self.holidays[last].cancelled);
        week_number(day) * self.before[7] + self.before[weekday(day)] - cancelled
    }
}

impl CalendarDocument {
    /// Day and night, every day.
    pub fn always(timezone: &str) -> Self {
        let day = vec![["00:00".to_owned(), "24:00".to_owned()]];
        let [mon, tue, wed, thu, fri, sat, sun] = std::array::from_fn(|_| day.clone());
        Self {
            timezone: timezone.to_owned(),
            week: Week {
                mon,
                tue,
                wed,
                thu,
                fri,
                sat,
                sun,
            },
            holidays: vec![],
        }
    }
}

impl Week {
    fn days(&self) -> [(&'static str, &[[String; 2]]); 7] {
        [
            ("mon", &self.mon),
            ("tue", &self.tue),
            ("wed", &self.wed),
            ("thu", &self.thu),
            ("fri", &self.fri),
            ("sat", &self.sat),
            ("sun", &self.sun),
        ]
    }
}

/// 1970-01-01 was a Thursday: three days after a Monday.
fn weekday(day: i64) -> usize {
    (day + 3).rem_euclid(7) as usize
}

fn week_number(day: i64) -> i64 {
    (day + 3).div_euclid(7)
}

fn open_time(hours: &[Interval]) -> i64 {
    hours.iter().map(|hours| hours.closes - hours.opens).sum()
}

fn hours_of_day(name: &str, texts: &[[String; 2]], faults: &mut Vec<Fault>) -> Vec<Interval> {
    let mut hours: Vec<(Interval, usize)> = vec![];
    for (index, [opens, closes]) in texts.iter().enumerate() {
        let pointer = format!("/week/{name}/{index}");
        let mut edge = |place, text, last| {
            let millis = time_of_day(text, last);
            if millis.is_none() {
                let detail = format!(
                    "is not a time from 00:00 to {}",
                    if last == DAY { "24:00" } else { "23:59" }
                );
                faults.push(Fault::new(format!("{pointer}/{place}"), "invalid_format", detail));
            }
            millis
        };
        let (opens, closes) = (edge(0, opens, DAY - MINUTE), edge(1, closes, DAY));
        match (opens, closes) {
            (Some(opens), Some(closes)) if opens < closes => hours.push((Interval { opens, closes }, index)),
            (Some(_), Some(_)) => faults.push(Fault::new(
                pointer,
                "invalid_value",
                "closes before it opens; an interval does not pass midnight",
            )),
            _ => {}
        }
    }
    hours.sort();
    let mut longest: Option<(Interval, usize)> = None;
    for &(hours, index) in &hours {
        if let Some((_, other)) = longest.filter(|(longest, _)| hours.opens < longest.closes) {
            let pointer = format!("/week/{name}/{}", index.max(other));
            faults.push(Fault::new(
                pointer,
                "invalid_value",
                "overlaps another interval of the day",
            ));
        }
        if longest.is_none_or(|(longest, _)| longest.closes < hours.closes) {
            longest = Some((hours, index));
        }
    }
    hours.into_iter().map(|(hours, _)| hours).collect()
}

/// `HH:MM` in milliseconds of the day.
fn time_of_day(text: &str, last: i64) -> Option<i64> {
    let &[h1, h2, b':', m1, m2] = text.as_bytes() else {
        return None;
    };
    let number = |tens: u8, ones: u8| {
        let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        are_digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let minutes = number(m1, m2).filter(|minutes| *minutes < 60)?;
    let millis = (number(h1, h2)? * 60 + minutes) * MINUTE;
    (millis <= last).then_some(millis)
}

fn holidays(texts: &[String], week: &[Vec<Interval>; 7], faults: &mut Vec<Fault>) -> Vec<Holiday> {
    let mut days = vec![];
    for (index, text) in texts.iter().enumerate() {
        let is_written_out = text.len() == 10 && text.bytes().filter(u8::is_ascii_digit).count() == 8;
        match text.parse::<Date>() {
            Ok(date) if is_written_out => days.push(days_since_1970(date)),
            _ => faults.push(Fault::new(
                format!("/holidays/{index}"),
                "invalid_format",
                "is not a date such as 2026-12-25",
            )),
        }
    }
    days.sort_unstable();
    days.dedup();
    let mut cancelled = 0;
    let mut holiday = |day| {
        cancelled += open_time(&week[weekday(day)]);
        Holiday { day, cancelled }
    };
    days.into_iter().map(&mut holiday).collect()
}

fn days_since_1970(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24
}
