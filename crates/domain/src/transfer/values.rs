//! The values of one row: a mapping applied to its cells, and texts read as dates, amounts and the like.

use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use serde_json::Value;

use super::mapping::{FieldSource, Mapping, Part, parts};
use crate::fault::Fault;
use crate::instant::{Day, Timestamp};
use crate::leads::custom::{CustomField, CustomType, Unfit};
use crate::money::{Currency, Money, NoAmount, plain_number};

/// A mapping with its columns found in the file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The fields with the places of their columns.
    fields: Vec<(String, FieldSource)>,
    places: HashMap<String, usize>,
    key: Option<String>,
    zone: TimeZone,
    /// The latest instant that is plausible.
    latest: Timestamp,
}

/// The years ahead of the import up to which a date is plausible.
const YEARS_AHEAD: i64 = 10;

/// The values of one row, by field; what is blank is not there.
#[derive(Debug, Clone)]
pub struct Values<'p> {
    plan: &'p Plan,
    texts: HashMap<&'p str, String>,
}

impl Plan {
    /// A mapping over these columns, or the columns that the file lacks. `zone` is that of dates without one; dates more
    /// than ten years after `now` are refused.
    pub fn new(
        mapping: &Mapping,
        columns: &[String],
        zone: TimeZone,
        now: Timestamp,
    ) -> Result<Self, Vec<String>> {
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
            latest: now.plus_millis(YEARS_AHEAD * 366 * 86_400_000),
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
                "contains the character NUL",
            )]);
        }
        match &self.key {
            Some(key) if !texts.contains_key(key.as_str()) => Err(vec![Fault::new(
                key,
                "required",
                "is the key and is empty in this row",
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

    /// The instant of a field: RFC 3339, a date, or a date and time in the mapping's zone; or by its format. One before
    /// 1970, or more than ten years ahead, is a slip: `02/03/24` by `%d/%m/%Y` is of the year 24.
    pub fn instant(&self, field: &str, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        let text = self.text(field)?;
        let format = self
            .plan
            .source(field)
            .and_then(|source| source.format.as_deref());
        let Some(at) = instant(text, format, &self.plan.zone) else {
            let detail = match format {
                Some(_) => "does not match the format of dates",
                None => {
                    "is not a date such as 2026-01-02, 2026-01-02 10:30:00 or 2026-01-02T10:30:00Z: state another `format` in the mapping"
                }
            };
            faults.push(Fault::new(field, "invalid_format", detail));
            return None;
        };
        if at < Timestamp::from_millis(0) || at > self.plan.latest {
            let detail =
                "is before 1970 or more than ten years in the future: does the year have four digits?";
            faults.push(Fault::new(field, "out_of_range", detail));
            return None;
        }
        Some(at)
    }

    /// The calendar day of a field.
    pub fn date(&self, field: &str, faults: &mut Vec<Fault>) -> Option<Day> {
        Some(self.day_of(self.instant(field, faults)?))
    }

    /// The calendar day of an instant in the zone of the mapping.
    pub fn day_of(&self, at: Timestamp) -> Day {
        at.day_in(&self.plan.zone)
    }

    /// The amount of a field, exactly; in the base currency where it names none.
    pub fn money(&self, field: &str, base: Currency, faults: &mut Vec<Fault>) -> Option<Money> {
        let read = Money::read(self.text(field)?, base, self.decimal(field));
        read.map_err(|unread| faults.push(Fault::new(field, unread.code(), unread)))
            .ok()
    }

    /// The whole number of a field; decimals of a spreadsheet (`50.0`) are none.
    pub fn whole(&self, field: &str, faults: &mut Vec<Fault>) -> Option<i64> {
        let read = plain_number(self.text(field)?, 0, self.decimal(field));
        let number = match read.map(|number| without_zeros(&number).parse::<i64>()) {
            Ok(Ok(number)) => return Some(number),
            Err(NoAmount::Ambiguous) => Fault::new(field, NoAmount::Ambiguous.code(), NoAmount::Ambiguous),
            Ok(Err(_)) | Err(NoAmount::Unread) => Fault::new(field, "invalid_type", "must be a whole number"),
        };
        faults.push(number);
        None
    }

    /// The value of a field as a declared custom one takes it: numbers by the mapping's `decimal`, days by its `format`.
    pub fn custom(&self, field: &str, declared: &CustomField, faults: &mut Vec<Fault>) -> Option<Value> {
        let text = self.text(field)?;
        let plain = match declared.kind {
            CustomType::Number => plain_number(text, 2, self.decimal(field)),
            CustomType::Integer => {
                plain_number(text, 0, self.decimal(field)).map(|number| without_zeros(&number).to_owned())
            }
            CustomType::Date => self.day(field, text),
            _ => Ok(text.to_owned()),
        };
        let value = match plain {
            Err(NoAmount::Ambiguous) => {
                faults.push(Fault::new(field, NoAmount::Ambiguous.code(), NoAmount::Ambiguous));
                return None;
            }
            // Such as 1e5.
            Err(NoAmount::Unread) if declared.kind == CustomType::Number && self.decimal(field).is_none() => {
                declared.read(text)
            }
            Err(NoAmount::Unread) => Err(Unfit::WrongType),
            Ok(plain) => declared.read(&plain),
        };
        value
            .map_err(|unfit| faults.push(Fault::new(field, "invalid_value", unfit)))
            .ok()
    }

    /// A calendar day as it is written everywhere, of a text by the mapping's format, or by the usual ones.
    fn day(&self, field: &str, text: &str) -> Result<String, NoAmount> {
        let format = self
            .plan
            .source(field)
            .and_then(|source| source.format.as_deref());
        match instant(text, format, &self.plan.zone) {
            Some(at) => Ok(self.day_of(at).to_string()),
            None if format.is_some() => Err(NoAmount::Unread),
            None => Ok(text.to_owned()),
        }
    }

    /// The sign that the mapping says to separate a fraction, if it does.
    fn decimal(&self, field: &str) -> Option<char> {
        self.plan.source(field)?.decimal.as_deref()?.chars().next()
    }
}

/// A number without the zeros behind its point.
fn without_zeros(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
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
    use crate::money::minor_units;
    use proptest::prelude::*;
    use serde_json::json;

    /// The first day of 2026.
    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn plan(mapping: serde_json::Value, columns: &[&str]) -> Plan {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(
            &serde_json::from_value(mapping).unwrap(),
            &columns,
            TimeZone::UTC,
            NOW,
        )
        .unwrap()
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
        let missing = Plan::new(&mapping, &["Name".to_owned()], TimeZone::UTC, NOW).unwrap_err();
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
    fn amounts_are_exact_and_none_is_guessed() {
        use crate::money::NoAmount::{Ambiguous, Unread};
        for (text, digits, decimal, units) in [
            ("1200.50", 2, None, Ok(120_050)),
            ("0.0", 2, None, Ok(0)),
            ("50000000.0", 2, None, Ok(5_000_000_000)),
            ("1.200,50", 2, Some(','), Ok(120_050)),
            ("1,200", 0, None, Ok(1200)),
            ("-3", 2, None, Ok(-300)),
            ("- 1,234,567.8", 2, None, Ok(-123_456_780)),
            ("1,234,567", 2, None, Ok(123_456_700)),
            ("12 345,60", 2, Some(','), Ok(1_234_560)),
            ("1\u{202f}200.50", 2, None, Ok(120_050)),
            ("0.500", 2, None, Ok(50)),
            ("1.5000", 2, None, Ok(150)),
            ("1234.500", 2, None, Ok(123_450)),
            ("1.500", 3, None, Ok(1500)),
            // Two ways to read it, until the mapping says which sign is which.
            ("1.500", 2, None, Err(Ambiguous)),
            ("1,500", 2, None, Err(Ambiguous)),
            ("-12.000", 2, None, Err(Ambiguous)),
            ("1.000", 0, None, Err(Ambiguous)),
            ("1.500", 2, Some('.'), Ok(150)),
            ("1,500", 2, Some('.'), Ok(150_000)),
            ("1.500", 2, Some(','), Ok(150_000)),
            ("1,500", 2, Some(','), Ok(150)),
            // No group begins with a zero.
            ("0.500", 2, Some(','), Err(Unread)),
            ("1,500", 3, None, Err(Ambiguous)),
            ("1,500", 3, Some(','), Ok(1500)),
            ("1.005", 2, None, Err(Ambiguous)),
            // The only way to read it.
            ("0,500", 2, None, Ok(50)),
            ("1200,50", 2, None, Ok(120_050)),
            ("1.200,50", 2, None, Ok(120_050)),
            ("1.200,500", 2, None, Ok(120_050)),
            ("1.234.567", 2, None, Ok(123_456_700)),
            ("1,500", 0, None, Ok(1500)),
            ("1'200.50", 2, None, Ok(120_050)),
            ("1’200’300", 2, None, Ok(120_030_000)),
            // What is written in another country's way is no hundredfold.
            ("1200.50", 2, Some(','), Err(Unread)),
            ("1.50", 2, Some(','), Err(Unread)),
            ("1,2345", 2, None, Err(Unread)),
            ("1234,567", 2, None, Err(Unread)),
            ("1,20,000", 2, None, Err(Unread)),
            (",200", 2, None, Err(Unread)),
            ("1,200,", 2, None, Err(Unread)),
            ("1.5,000", 2, None, Err(Unread)),
            ("12 50", 2, None, Err(Unread)),
            ("1,200 300", 2, None, Err(Unread)),
            ("1'20", 2, None, Err(Unread)),
            ("1.005", 2, Some('.'), Err(Unread)),
            ("1.5", 0, None, Err(Unread)),
            ("", 2, None, Err(Unread)),
            ("1e3", 2, None, Err(Unread)),
            ("99999999999999999999", 2, None, Err(Unread)),
        ] {
            assert_eq!(minor_units(text, digits, decimal), units, "{text} {decimal:?}");
        }
    }

    #[test]
    fn custom_fields_are_read_by_the_mappings_signs_and_formats() {
        let plan = plan(
            json!({"fields": {
                "custom.n": {"column": "n", "decimal": ","}, "custom.i": {"column": "i", "decimal": ","},
                "custom.d": {"column": "d", "format": "%d/%m/%Y"}, "custom.p": "n", "created_at": {"column": "d", "format": "%d/%m/%Y"}}}),
            &["n", "i", "d"],
        );
        let declared = |kind| CustomField {
            name: "f".into(),
            label: "F".into(),
            kind,
            options: vec![],
        };
        for (field, kind, text, value) in [
            ("custom.n", CustomType::Number, "1.234,5", Some(json!(1234.5))),
            ("custom.n", CustomType::Number, "-0,5", Some(json!(-0.5))),
            ("custom.n", CustomType::Number, "1.5", None),
            ("custom.n", CustomType::Number, "1,", None),
            ("custom.i", CustomType::Integer, "1.234", Some(json!(1234))),
            ("custom.i", CustomType::Integer, "12,0", Some(json!(12))),
            ("custom.i", CustomType::Integer, "1,5", None),
            ("custom.p", CustomType::Number, "1.5", Some(json!(1.5))),
            ("custom.p", CustomType::Number, "1,5", Some(json!(1.5))),
            ("custom.p", CustomType::Number, "1e5", Some(json!(100_000.0))),
            ("custom.p", CustomType::Number, "1.500", None),
            ("custom.p", CustomType::Integer, "1,500", Some(json!(1500))),
            ("custom.p", CustomType::Integer, "1.500", None),
            ("custom.p", CustomType::Number, "1e300", None),
            (
                "custom.p",
                CustomType::Date,
                "2024-03-02",
                Some(json!("2024-03-02")),
            ),
            (
                "custom.p",
                CustomType::Date,
                "2024-03-02 00:00:00",
                Some(json!("2024-03-02")),
            ),
            ("custom.p", CustomType::Date, "0024-03-02", None),
            ("custom.p", CustomType::Date, "9999-12-31", None),
            (
                "custom.d",
                CustomType::Date,
                "02/03/1965",
                Some(json!("1965-03-02")),
            ),
            ("custom.d", CustomType::Date, "02/03/24", None),
            ("custom.d", CustomType::Date, "2024-03-02", None),
        ] {
            let cells = cells(&[text, text, text]);
            let values = plan.read(&cells).unwrap();
            let mut faults = vec![];
            assert_eq!(
                values.custom(field, &declared(kind), &mut faults),
                value,
                "{field} {text}"
            );
            assert_eq!(faults.is_empty(), value.is_some(), "{field} {text}");
        }
        for (text, code) in [
            ("02/03/24", Some("out_of_range")),
            ("02/03/2024", None),
            ("02/03/2199", Some("out_of_range")),
            ("31/12/1969", Some("out_of_range")),
        ] {
            let cells = cells(&["", "", text]);
            let mut faults = vec![];
            let at = plan.read(&cells).unwrap().instant("created_at", &mut faults);
            assert_eq!(
                (at.is_none(), faults.first().map(|fault| fault.code)),
                (code.is_some(), code),
                "{text}"
            );
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
            prop_assert_eq!(minor_units(&text, digits, Some('.')), Ok(units));
        }

        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,40}") {
            let _ = instant(&text, None, &TimeZone::UTC);
            let _ = instant(&text, Some("%d/%m/%Y"), &TimeZone::UTC);
            let _ = (minor_units(&text, 2, None), split_name(&text));
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
