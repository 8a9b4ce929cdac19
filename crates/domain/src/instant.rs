//! Instants: milliseconds UTC on disk, RFC 3339 with milliseconds on the wire. Calendar days: `2026-01-31` on both.

use std::borrow::Cow;
use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z. On the wire within the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 instant of the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant of the years 0001 to 9999")]
pub struct NotAnInstant;

const FIRST: i64 = -62_135_596_800_000; // 0001-01-01T00:00:00.000Z
const LAST: i64 = 253_402_207_200_000; // 9999-12-30T22:00:00.000Z: the last one that every zone can show

impl Timestamp {
    /// The instant this many milliseconds after 1970 began.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 began.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 began, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This many milliseconds later (earlier if negative); stays within the range of `i64`.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The first instant of a calendar day in a zone, or `None` outside the years 0001 to 9999.
    pub fn start_of_day(date: civil::Date, zone: &TimeZone) -> Option<Self> {
        let start = date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
        Some(Self(start.timestamp().as_millisecond())).filter(|at| (FIRST..=LAST).contains(&at.0))
    }

    /// The calendar day of this instant in a zone.
    pub fn day_in(self, zone: &TimeZone) -> Day {
        Day(self.date_in(zone))
    }

    /// [`Self::day_in`], to calculate with.
    pub fn date_in(self, zone: &TimeZone) -> civil::Date {
        zone.to_datetime(self.to_jiff()).date()
    }

    /// The same instant for the time zone library, within the years 0001 to 9999.
    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        let millis = self.0.clamp(FIRST, LAST);
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date_in(&TimeZone::UTC);
        let of_day = self.0.clamp(FIRST, LAST).rem_euclid(86_400_000);
        let (hour, minute, second, milli) = (
            of_day / 3_600_000,
            of_day / 60_000 % 60,
            of_day / 1000 % 60,
            of_day % 1000,
        );
        let (year, month, day) = (date.year(), date.month(), date.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
        )
    }
}

impl std::str::FromStr for Timestamp {
    type Err = NotAnInstant;

    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let bytes = text.as_bytes();
        let is_rfc3339 = bytes.len() >= 20 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
        if !is_rfc3339 {
            return Err(NotAnInstant);
        }
        let at: jiff::Timestamp = text.parse().map_err(|_| NotAnInstant)?;
        let millis = at.as_millisecond();
        if (FIRST..=LAST).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(NotAnInstant)
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            // The pattern says what the format leaves open: the years 0001 to 9999, nothing beyond.
            .pattern(Some(
                r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9:]{5})$",
            ))
            .max_length(Some(40))
            .examples(["2026-01-02T03:04:05.123Z"])
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}

/// A calendar day of the years 0001 to 9999, `2026-01-31` on the wire and on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(civil::Date);

/// The text is not a calendar day of the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2026-06-30")]
pub struct NotADay;

impl Day {
    /// The first day of the year 1.
    pub const FIRST: Day = Day(civil::Date::constant(1, 1, 1));

    /// The day as the calendar knows it.
    pub const fn date(self) -> civil::Date {
        self.0
    }
}

impl TryFrom<civil::Date> for Day {
    type Error = NotADay;

    fn try_from(date: civil::Date) -> Result<Self, NotADay> {
        if date.year() >= 1 {
            Ok(Self(date))
        } else {
            Err(NotADay)
        }
    }
}

impl std::str::FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let date: civil::Date = text.parse().map_err(|_| NotADay)?;
        if text.len() == "2026-01-31".len() {
            date.try_into()
        } else {
            Err(NotADay)
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            // The format takes the year 0000 too.
            .pattern(Some(
                "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}$",
            ))
            .max_length(Some(10))
            .examples(["2026-01-31"])
            .into()
    }
}

impl ToSchema for Day {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Day")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_instant_is_written_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_767_323_045_123).to_string(),
            "2026-01-02T03:04:05.123Z"
        );
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(
            Timestamp::from_millis(FIRST).to_string(),
            "0001-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(LAST).to_string(),
            "9999-12-30T22:00:00.000Z"
        );
    }

    #[test]
    fn offsets_are_read_and_years_outside_are_refused() {
        assert_eq!(
            "2026-01-02T04:04:05.123+01:00".parse(),
            Ok(Timestamp::from_millis(1_767_323_045_123))
        );
        for text in [
            "0000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "2026-01-02",
            "2026-02-30T00:00:00Z",
            "",
            "x",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotAnInstant), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in FIRST..=LAST) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn a_day_has_ten_characters_and_a_year_from_1_on() {
        let day: Day = "2026-01-31".parse().unwrap();
        assert_eq!((day.to_string().as_str(), day.date().day()), ("2026-01-31", 31));
        assert_eq!(
            "0001-01-01".parse::<Day>().map(|day| day.to_string()),
            Ok("0001-01-01".into())
        );
        for text in [
            "0000-12-31",
            "2026-02-29",
            "20260131",
            "2026-01-31T00:00",
            "+002026-01-31",
            "",
            "x",
        ] {
            assert_eq!(text.parse::<Day>(), Err(NotADay), "{text}");
        }
    }
}
