//! Durations as agreements write them: a whole number and a unit, such as `24h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A length of time from nothing to 400 days. On the wire `90s`, `30m`, `24h`, `7d`, `2w`: one number, one unit.
///
/// Two durations are equal when they are written alike: in business time `24h` and `1d` are different promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Duration {
    count: u32,
    unit: Unit,
}

/// The unit of a [`Duration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`: 24 hours where time elapses, the next working day in business time.
    Day,
    /// `w`: 7 days.
    Week,
}

/// The text is not a duration such as `24h`, or is longer than 400 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration of at most 400 days such as 90s, 30m, 24h, 7d or 2w")]
pub struct NotADuration;

impl Duration {
    /// The longest duration, in milliseconds: 400 days.
    pub const MAX_MILLIS: i64 = 400 * 86_400_000;

    /// So many units; an error where that is longer than 400 days.
    pub const fn new(count: u32, unit: Unit) -> Result<Self, NotADuration> {
        if count as i64 * unit.millis() > Self::MAX_MILLIS {
            return Err(NotADuration);
        }
        Ok(Self { count, unit })
    }

    /// So many days.
    pub const fn days(count: u8) -> Self {
        Self {
            count: count as u32,
            unit: Unit::Day,
        }
    }

    /// How many units.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The unit in which it is written.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// Elapsed milliseconds, from 0 to [`Self::MAX_MILLIS`]; a day has 24 hours.
    pub const fn millis(self) -> i64 {
        self.count as i64 * self.unit.millis()
    }
}

impl Unit {
    const fn millis(self) -> i64 {
        match self {
            Unit::Second => 1000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => 86_400_000,
            Unit::Week => 7 * 86_400_000,
        }
    }

    const fn letter(self) -> char {
        match self {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
            Unit::Day => 'd',
            Unit::Week => 'w',
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.letter())
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let (digits, unit) = text
            .split_at_checked(text.len().wrapping_sub(1))
            .ok_or(NotADuration)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            _ => return Err(NotADuration),
        };
        let is_canonical =
            digits.bytes().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if !is_canonical {
            return Err(NotADuration);
        }
        Self::new(digits.parse().map_err(|_| NotADuration)?, unit)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl PartialSchema for Duration {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some(
                "A number and a unit (`s`, `m`, `h`, `d`, `w`), at most 400 days.",
            ))
            .pattern(Some("^(0|[1-9][0-9]{0,7})[smhdw]$"))
            .max_length(Some(9))
            .examples(["24h"])
            .into()
    }
}

impl ToSchema for Duration {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("0d", 0),
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("400d", Duration::MAX_MILLIS),
            ("34560000s", Duration::MAX_MILLIS),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!((duration.millis(), duration.to_string()), (millis, text.into()));
        }
        assert_ne!("24h".parse::<Duration>(), "1d".parse());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "h",
            "1",
            "+1h",
            "-1h",
            "01h",
            "00d",
            "1 h",
            " 1h",
            "1h ",
            "1.5h",
            "1H",
            "1d12h",
            "1y",
            "1ms",
            "١h",
            "1é",
            "é",
            "401d",
            "58w",
            "9601h",
            "34560001s",
            "4294967296s",
            "99999999999s",
        ] {
            assert_eq!(text.parse::<Duration>(), Err(NotADuration), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(count in 0u32..=57, unit in prop::sample::select(vec![
            Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week,
        ])) {
            let duration = Duration::new(count, unit).unwrap();
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
