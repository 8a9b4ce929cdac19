//! The values of one row: a mapping applied to its cells, and texts read as dates, amounts and the like.

use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::mapping::{FieldSource, Mapping, Part, parts};
use crate::fault::Fault;
use crate::instant::{Day, Timestamp};
use crate::money::minor_units;

/// A mapping with its columns found in the file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The fields with the places of their columns.
    fields: Vec<(String, FieldSource)>,
    places: HashMap<String, usize>,
    key: Option<String>,
    zone: TimeZone,
}

/// The values of one row, by field; what is blank is not there.
#[derive(Debug, Clone)]
pub struct Values<'p> {
    plan: &'p Plan,
    texts: HashMap<&'p str, String>,
}

impl Plan {
    /// A mapping over these columns, or the columns that the file lacks. `zone` is that of dates without one.
    pub fn new(mapping: &Mapping, columns: &[String], zone: TimeZone) -> Result<Self, Vec<String>> {
        let places: HashMap<String, usize> = columns
            .iter()
            .enumerate()
            .map(|(place, name)| (name.clone(), place))
            .collect();
        let missing: Vec<String> = mapping
            .columns()
            .into_iter()
            .filter(|name| !places.contains_key(*name))
            .map(str::to_owned)
            .collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let named = mapping
            .timezone
            .as_deref()
            .and_then(|name| TimeZone::get(name).ok());
        Ok(Self {
            fields: mapping
                .fields
                .iter()
                .map(|(field, source)| (field.clone(), source.clone()))
                .collect(),
            places,
            key: mapping.key.clone(),
            zone: named.unwrap_or(zone),
        })
    }

    /// The values of a row, or what is wrong with it as a whole.
    pub fn read(&self, cells: &[String]) -> Result<Values<'_>, Vec<Fault>> {
        let texts: HashMap<&str, String> = self
            .fields
            .iter()
            .filter_map(|(field, source)| Some((field.as_str(), self.text(source, cells)?)))
            .collect();
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.contains('\0')) {
            return Err(vec![Fault::new(
                *field,
                "forbidden_character",
                "holds the character NUL",
            )]);
        }
        match &self.key {
            Some(key) if !texts.contains_key(key.as_str()) => Err(vec![Fault::new(
                key,
                "required",
                "is the key, and this row has none",
            )]),
            _ => Ok(Values { plan: self, texts }),
        }
    }

    fn cell<'c>(&self, column: &str, cells: &'c [String]) -> &'c str {
        let text = self.places.get(column).and_then(|place| cells.get(*place));
        let text = text.map_or("", |text| text.trim());
        // What an export has neutralised for spreadsheets is what it was.
        match text.strip_prefix('\'') {
            Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
            _ => text,
        }
    }

    fn text(&self, source: &FieldSource, cells: &[String]) -> Option<String> {
        let said = match source {
            FieldSource {
                column: Some(column), ..
            } => self.cell(column, cells).to_owned(),
            FieldSource {
                value: Some(value), ..
            } => value.clone(),
            FieldSource {
                template: Some(template),
                ..
            } => self.fill(template, cells).unwrap_or_default(),
            _ => String::new(),
        };
        let mapped = source.map.get(&said).cloned().unwrap_or(said);
        let text = if mapped.is_empty() {
            source.default.clone()?
        } else {
            mapped
        };
        (!text.is_empty()).then_some(text)
    }

    fn fill(&self, template: &str, cells: &[String]) -> Option<String> {
        let mut text = String::new();
        for part in parts(template) {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Column(name) => match self.cell(name, cells) {
                    "" => return None,
                    value => text.push_str(value),
                },
            }
        }
        Some(text)
    }

    fn source(&self, field: &str) -> Option<&FieldSource> {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, source)| source)
    }
}

impl Values<'_> {
    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.texts.get(field).map(String::as_str)
    }

    /// Every field with its text, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(field, text)| (*field, text.as_str()))
    }

    /// The system that the external ids of a field belong to.
    pub fn system(&self, field: &str) -> &str {
        self.plan
            .source(field)
            .and_then(|source| source.system.as_deref())
            .unwrap_or_default()
    }

    /// The instant of a field: RFC 3339, a date, or a date and time in the mapping's zone; or by its format.
    pub fn instant(&self, field: &str, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        let text = self.text(field)?;
        let format = self
            .plan
            .source(field)
            .and_then(|source| source.format.as_deref());
        let at = instant(text, format, &self.plan.zone);
        if at.is_none() {
            let detail = match format {
                Some(_) => "is not a date as its format says",
                None => "is not a date such as 2026-01-02, 2026-01-02 10:30:00 or 2026-01-02T10:30:00Z",
            };
            faults.push(Fault::new(field, "invalid_format", detail));
        }
        at
    }

    /// The calendar day of a field.
    pub fn date(&self, field: &str, faults: &mut Vec<Fault>) -> Option<Day> {
        Some(self.instant(field, faults)?.day_in(&self.plan.zone))
    }

    /// The amount of a field in units of a currency with this many digits behind the point, exactly.
    pub fn amount(&self, field: &str, digits: u32, faults: &mut Vec<Fault>) -> Option<i64> {
        let text = self.text(field)?;
        let comma = self
            .plan
            .source(field)
            .and_then(|source| source.decimal.as_deref())
            == Some(",");
        let amount = minor_units(text, digits, comma);
        if amount.is_none() {
            let detail = "is not an amount such as 1200.50, with no more digits than the currency has";
            faults.push(Fault::new(field, "invalid_format", detail));
        }
        amount
    }
}

/// The instant that a text stands for.
pub fn instant(text: &str, format: Option<&str>, zone: &TimeZone) -> Option<Timestamp> {
    if let Some(format) = format {
        let broken = jiff::fmt::strtime::parse(format, text).ok()?;
        if let Ok(at) = broken.to_timestamp() {
            return within(at);
        }
        if let Ok(at) = broken.to_datetime() {
            return local(at, zone);
        }
        return Timestamp::start_of_day(broken.to_date().ok()?, zone);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let begins_with_a_year = text.len() >= 10 && text.is_char_boundary(10) && text.as_bytes()[4] == b'-';
    if !begins_with_a_year {
        return None;
    }
    if text.len() == 10 {
        return Timestamp::start_of_day(text.parse().ok()?, zone);
    }
    // A zone that is written out was read above: what follows the time here would be passed over in silence.
    let is_plain = text[10..]
        .bytes()
        .all(|b| b.is_ascii_digit() || b"T :.".contains(&b));
    let at = is_plain.then(|| text.replacen(' ', "T", 1).parse::<DateTime>().ok())??;
    local(at, zone)
}

fn local(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    within(at.to_zoned(zone.clone()).ok()?.timestamp())
}

fn within(at: jiff::Timestamp) -> Option<Timestamp> {
    // The years that the wire can show.
    Timestamp::from_millis(at.as_millisecond())
        .to_string()
        .parse()
        .ok()
}

/// First and last name of a full one: `Ada Maria Lovelace` and `Lovelace, Ada Maria` alike.
pub fn split_name(name: &str) -> (Option<&str>, Option<&str>) {
    let some = |text: &'_ str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::len);
    let (first, last) = match name.split_once(',') {
        Some((last, first)) => (first.trim(), last.trim()),
        None => name
            .trim()
            .rsplit_once(char::is_whitespace)
            .unwrap_or((name.trim(), "")),
    };
    (some(first).map(|_| first.trim()), some(last).map(|_| last.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn plan(mapping: serde_json::Value, columns: &[&str]) -> Plan {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(&serde_json::from_value(mapping).unwrap(), &columns, TimeZone::UTC).unwrap()
    }

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn columns_constants_patterns_and_maps_become_values() {
        let plan = plan(
            json!({"fields": {
                "first_touch.source": {"column": "origin", "map": {"ppc": "paid_search"}, "default": "unknown"},
                "email": {"template": "{login}@example.com"}, "country": {"value": "BR"}, "note": "note"}}),
            &["login", "origin", "note"],
        );
        let row = |texts: &[&str]| {
            let cells = cells(texts);
            let values = plan.read(&cells).unwrap();
            let text = |field: &str| values.text(field).map(str::to_owned);
            [
                text("email"),
                text("first_touch.source"),
                text("country"),
                text("note"),
            ]
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            row(&["ada", " ppc ", "'=1"]),
            [
                some("ada@example.com"),
                some("paid_search"),
                some("BR"),
                some("=1")
            ]
        );
        assert_eq!(
            row(&["", "", "it's"]),
            [None, some("unknown"), some("BR"), some("it's")]
        );
    }

    #[test]
    fn a_column_that_is_missing_is_named() {
        let mapping = serde_json::from_value(json!({"fields": {"email": "Mail", "name": "Name"}})).unwrap();
        let missing = Plan::new(&mapping, &["Name".to_owned()], TimeZone::UTC).unwrap_err();
        assert_eq!(missing, ["Mail"]);
    }

    #[test]
    fn a_row_without_its_key_is_refused() {
        let plan = plan(json!({"key": "email", "fields": {"email": "mail"}}), &["mail"]);
        assert!(plan.read(&cells(&["a@example.com"])).is_ok());
        assert_eq!(plan.read(&cells(&[" "])).unwrap_err()[0].code, "required");
        assert_eq!(
            plan.read(&cells(&["a\0"])).unwrap_err()[0].code,
            "forbidden_character"
        );
    }

    #[test]
    fn dates_are_read_in_their_zone() {
        let zone = TimeZone::get("America/Sao_Paulo").unwrap();
        for (text, format, read) in [
            ("2018-02-01", None, Some("2018-02-01T02:00:00.000Z")),
            ("2018-02-26 19:58:54", None, Some("2018-02-26T22:58:54.000Z")),
            ("2018-02-26T19:58", None, Some("2018-02-26T22:58:00.000Z")),
            ("2018-02-26T19:58:54Z", None, Some("2018-02-26T19:58:54.000Z")),
            // Midnight of this day does not exist there: summer time begins.
            ("2017-10-15", None, Some("2017-10-15T03:00:00.000Z")),
            ("26/02/2018", Some("%d/%m/%Y"), Some("2018-02-26T03:00:00.000Z")),
            (
                "26/02/2018 19:58",
                Some("%d/%m/%Y %H:%M"),
                Some("2018-02-26T22:58:00.000Z"),
            ),
            ("2018-02-30", None, None),
            ("26/02/2018", None, None),
            ("2018-02-26 19:58:54 PST", None, None),
            ("", None, None),
            ("tomorrow", None, None),
        ] {
            let at = instant(text, format, &zone).map(|at| at.to_string());
            assert_eq!(at.as_deref(), read, "{text}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        for (text, digits, comma, units) in [
            ("1200.50", 2, false, Some(120_050)),
            ("0.0", 2, false, Some(0)),
            ("50000000.0", 2, false, Some(5_000_000_000)),
            ("1.200,50", 2, true, Some(120_050)),
            ("1,200", 0, false, Some(1200)),
            ("-3", 2, false, Some(-300)),
            ("- 1,234,567.8", 2, false, Some(-123_456_780)),
            ("12 345,60", 2, true, Some(1_234_560)),
            ("1\u{202f}200.50", 2, false, Some(120_050)),
            // What is written in another country's way is no hundredfold.
            ("1200,50", 2, false, None),
            ("1200.50", 2, true, None),
            ("1.50", 2, true, None),
            ("1,2345", 2, false, None),
            ("1234,567", 2, false, None),
            ("1,20,000", 2, false, None),
            (",200", 2, false, None),
            ("1,200,", 2, false, None),
            ("1.200,500", 2, false, None),
            ("1.5,000", 2, false, None),
            ("12 50", 2, false, None),
            ("1,200 300", 2, false, None),
            ("1'200", 2, false, None),
            ("1.005", 2, false, None),
            ("1.5", 0, false, None),
            ("", 2, false, None),
            ("1e3", 2, false, None),
            ("99999999999999999999", 2, false, None),
        ] {
            assert_eq!(minor_units(text, digits, comma), units, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_that_is_written_is_read(units in -1_000_000_000_000i64..1_000_000_000_000, digits in 0u32..4) {
            let scale = 10i64.pow(digits);
            let sign = if units < 0 { "-" } else { "" };
            let (whole, rest) = ((units / scale).abs(), (units % scale).abs());
            let text = match digits {
                0 => format!("{sign}{whole}"),
                _ => format!("{sign}{whole}.{rest:0width$}", width = digits as usize),
            };
            prop_assert_eq!(minor_units(&text, digits, false), Some(units));
        }

        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,40}") {
            let _ = instant(&text, None, &TimeZone::UTC);
            let _ = instant(&text, Some("%d/%m/%Y"), &TimeZone::UTC);
            let _ = (minor_units(&text, 2, false), split_name(&text));
        }
    }

    #[test]
    fn a_name_is_split() {
        for (name, first, last) in [
            ("Ada Maria Lovelace", Some("Ada Maria"), Some("Lovelace")),
            ("Lovelace, Ada", Some("Ada"), Some("Lovelace")),
            ("Ada", Some("Ada"), None),
            (" ", None, None),
        ] {
            assert_eq!(split_name(name), (first, last));
        }
    }
}
