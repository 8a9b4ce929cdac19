//! Bounds of time in the query of a list: instants, or days in the company's zone.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tandem_domain::instant::Timestamp;
use tandem_store::Db;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Location, Problem, Violation};

/// An instant, or a day, which stands for its first instant in the company's zone.
#[derive(Debug, Clone, Deserialize)]
pub struct Bound(String);

/// The instants that bounds stand for, each given with its parameter's name; whatever is none is refused at once.
pub async fn instants<const N: usize>(
    db: &Db,
    bounds: [(&str, Option<Bound>); N],
) -> Result<[Option<Timestamp>; N], Problem> {
    let names_a_day = bounds
        .iter()
        .any(|(_, bound)| bound.as_ref().is_some_and(Bound::is_day));
    let zone = match names_a_day {
        true => db.rules().await?.company.zone(),
        false => TimeZone::UTC,
    };
    let mut violations = vec![];
    let instants = bounds.map(|(name, bound)| {
        let at = bound.as_ref()?.at(&zone);
        if at.is_none() {
            let detail = "must be an instant such as 2026-01-01T09:00:00Z, or a day such as 2026-01-01";
            violations.push(Violation::new(
                Location::parameter(name),
                "invalid_format",
                detail,
            ));
        }
        at
    });
    if violations.is_empty() {
        Ok(instants)
    } else {
        Err(Problem::invalid_parameters(violations))
    }
}

impl Bound {
    fn is_day(&self) -> bool {
        self.0.len() == "2026-01-01".len()
    }

    fn at(&self, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_day() {
            let day: Date = self.0.parse().ok()?;
            Timestamp::start_of_day(day, zone)
        } else {
            self.0.parse().ok()
        }
    }
}

impl PartialSchema for Bound {
    fn schema() -> RefOr<Schema> {
        // Two formats in one: the pattern leaves no more open than which months have how many days.
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("An instant, or a day: its first instant in the company's time zone"))
            .pattern(Some(concat!(
                r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
                r"([Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?",
                r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$",
            )))
            .max_length(Some(40))
            .examples(["2026-01-01", "2026-01-02T03:04:05.123Z"])
            .into()
    }
}

impl ToSchema for Bound {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_for_its_first_instant_in_the_zone() {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let at = |text: &str| Bound(text.to_owned()).at(&rome).map(|at| at.to_string());

        assert_eq!(at("2026-01-01").as_deref(), Some("2025-12-31T23:00:00.000Z"));
        assert_eq!(at("2026-07-01").as_deref(), Some("2026-06-30T22:00:00.000Z"));
        assert_eq!(
            at("2026-01-01T00:00:00Z").as_deref(),
            Some("2026-01-01T00:00:00.000Z")
        );
        assert_eq!(
            at("2026-01-01T00:00:00+01:00").as_deref(),
            Some("2025-12-31T23:00:00.000Z")
        );
        for none in ["2026-02-29", "9999-12-31", "2026-02-30T00:00:00Z"] {
            assert_eq!(at(none), None, "{none}");
        }
    }
}
