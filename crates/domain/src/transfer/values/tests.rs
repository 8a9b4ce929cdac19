//! Values as files have them: amounts, dates, custom fields, names.

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
