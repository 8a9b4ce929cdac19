//! Reading a comparison: its operator, and the operand that suits what is compared.

use serde_json::{Map, Value as Json};

use super::TouchProperty;
use super::compare::{Comparison, Op, Operand, Pattern, instant};
use super::known::Known;
use super::registry::{Field, FieldType, Standard};
use crate::agreement::reader::{Reader, below};
use crate::id::UserId;
use crate::leads::custom::CustomField;
use crate::money::Money;
use crate::stage::{Stage, Voice};

const MAX_OPTIONS: usize = 500;
const MAX_CHARS: usize = 1000;
/// The greatest threshold for scores, in points.
const MAX_POINTS: i64 = 1_000_000;

/// What is compared.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Field(&'a Field),
    Property,
    OfTouch(TouchProperty),
    Score,
}

impl Subject<'_> {
    fn suits(self, op: Op) -> bool {
        match self {
            Subject::Field(field) => op.suits(field.kind()),
            Subject::Property => op.suits(FieldType::Text) || op.suits(FieldType::Number),
            Subject::OfTouch(property) => op.suits(kind_of_touch(property)),
            Subject::Score => op.suits(FieldType::Number) && !matches!(op, Op::Exists | Op::Missing),
        }
    }
}

/// The comparison of an object with `op`, `value` and `unknown`; `None` after a fault.
pub(super) fn comparison(
    map: &Map<String, Json>,
    at: &str,
    subject: Subject<'_>,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<Comparison> {
    let passes_unknown = map.get("unknown");
    let passes_unknown = passes_unknown.map_or(Some(false), |json| {
        reader.word(json, &below(at, "unknown"), &["pass"]).map(|_| true)
    });
    let op_at = below(at, "op");
    let op = reader.required(map, at, "op");
    let op = op.and_then(|json| reader.word(json, &op_at, Op::NAMES))?;
    let op = Op::named(op)?;
    if !subject.suits(op) {
        reader.fault(op_at, "not_allowed", "does not suit the type of what it compares");
        return None;
    }
    let value_at = below(at, "value");
    let operand = match (op, map.get("value")) {
        (Op::Exists | Op::Missing, None) => Operand::None,
        (Op::Exists | Op::Missing, Some(_)) => {
            reader.fault(
                value_at,
                "not_allowed",
                "must not be given with exists and missing",
            );
            return None;
        }
        (_, None) => {
            reader.required(map, at, "value");
            return None;
        }
        (_, Some(json)) => operand(op, json, &value_at, subject, known, reader)?,
    };
    Some(Comparison {
        op,
        operand,
        passes_unknown: passes_unknown?,
    })
}

fn operand(
    op: Op,
    json: &Json,
    at: &str,
    subject: Subject<'_>,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<Operand> {
    if matches!(op, Op::OlderThan | Op::Within) {
        return reader.duration(json, at).map(Operand::Age);
    }
    if op == Op::Matches {
        let pattern = Pattern::compile(reader.text(json, at, MAX_CHARS)?);
        if pattern.is_none() {
            reader.fault(
                at,
                "invalid_format",
                "must be a regular expression in RE2's syntax, and not too large",
            );
        }
        return pattern.map(Operand::Pattern);
    }
    let many = matches!(op, Op::In | Op::NotIn | Op::Between);
    let items: Vec<(String, &Json)> = if many {
        let items = reader.list(json, at, MAX_OPTIONS)?;
        items
            .iter()
            .enumerate()
            .map(|(place, json)| (below(at, place), json))
            .collect()
    } else {
        vec![(at.to_owned(), json)]
    };
    if items.is_empty() || op == Op::Between && items.len() != 2 {
        let (code, detail) = if op == Op::Between {
            (
                "invalid_format",
                "must be a list of the least and the greatest value",
            )
        } else {
            ("too_few_items", "must have at least 1 items")
        };
        reader.fault(at, code, detail);
        return None;
    }
    let kind = match subject {
        Subject::Field(field) => field.kind(),
        Subject::Score => FieldType::Number,
        Subject::OfTouch(property) => kind_of_touch(property),
        Subject::Property => kind_of_property(op, items[0].1, &items[0].0, reader)?,
    };
    let operand = match kind {
        FieldType::Presence => return None,
        FieldType::Text => {
            let texts = each(&items, |json, at| text(op, json, at, subject, known, reader))?;
            Operand::Texts(texts)
        }
        FieldType::Number if matches!(subject, Subject::Score) => {
            let points = each(&items, |json, at| reader.whole(json, at, 0..=MAX_POINTS))?;
            Operand::Numbers(points.into_iter().map(|points| points as f64).collect())
        }
        FieldType::Number => Operand::Numbers(each(&items, |json, at| {
            reader.number(json, at, f64::MIN..=f64::MAX)
        })?),
        FieldType::Money => Operand::Money(each(&items, |json, at| money(json, at, known, reader))?),
        FieldType::Boolean => Operand::Boolean(reader.boolean(json, at)?),
        FieldType::Date => Operand::Instants(each(&items, |json, at| {
            let found = json.as_str().and_then(|text| instant(text, known.zone));
            if found.is_none() {
                reader.fault(
                    at,
                    "invalid_format",
                    "must be a day such as 2026-01-02 or an RFC 3339 instant",
                );
            }
            found
        })?),
    };
    let is_upside_down = op == Op::Between
        && match &operand {
            Operand::Numbers(ends) => ends[0] > ends[1],
            Operand::Money(ends) => ends[0].amount > ends[1].amount,
            Operand::Instants(ends) => ends[0] > ends[1],
            _ => false,
        };
    if is_upside_down {
        reader.fault(at, "out_of_range", "must name the least value first");
        return None;
    }
    Some(operand)
}

/// Read every item, so that all faults are found.
fn each<T>(items: &[(String, &Json)], mut read: impl FnMut(&Json, &str) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = items.iter().map(|(at, json)| read(json, at)).collect();
    read.into_iter().collect()
}

const fn kind_of_touch(property: TouchProperty) -> FieldType {
    match property {
        TouchProperty::At => FieldType::Date,
        _ => FieldType::Text,
    }
}

/// The type of a property: that of the value to which it is compared.
fn kind_of_property(op: Op, json: &Json, at: &str, reader: &mut Reader) -> Option<FieldType> {
    let kind = match json {
        Json::String(_) => FieldType::Text,
        Json::Number(_) => FieldType::Number,
        Json::Bool(_) => FieldType::Boolean,
        _ => {
            reader.fault(at, "invalid_type", "must be a string, a number or a boolean");
            return None;
        }
    };
    if !op.suits(kind) {
        reader.fault(
            at,
            "invalid_type",
            "has a type that the operator does not compare",
        );
        return None;
    }
    Some(kind)
}

fn text(
    op: Op,
    json: &Json,
    at: &str,
    subject: Subject<'_>,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<String> {
    let text = reader.text(json, at, MAX_CHARS)?;
    if let (Subject::Field(field), Op::Eq | Op::Neq | Op::In | Op::NotIn) = (subject, op)
        && let Some(detail) = misfit(field, text, known)
    {
        reader.fault(at, "not_allowed", detail);
        return None;
    }
    Some(text.to_lowercase())
}

/// Why a field can never have this value.
fn misfit(field: &Field, text: &str, known: &Known<'_>) -> Option<&'static str> {
    let (is_fit, detail) = match field {
        Field::Standard(Standard::Country | Standard::CompanyCountry) => (
            text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_alphabetic()),
            "must be a country's code of two letters, ISO 3166-1",
        ),
        Field::Standard(Standard::Owner | Standard::CompanyOwner) => {
            (text.parse::<UserId>().is_ok(), "must be the id of a user")
        }
        Field::Standard(Standard::CompanyStage) => (Stage::named(text).is_some(), "must be a stage"),
        Field::Standard(Standard::Voice) => (Voice::named(text).is_some(), "must be marketing or sales"),
        Field::Custom { name, .. } => {
            let declared = known.custom.iter().find(|field| field.name == *name);
            let fits = |field: &CustomField| field.check(&Json::from(text)).is_ok();
            (declared.is_none_or(fits), "must be one of the declared options")
        }
        Field::Standard(_) => (true, ""),
    };
    (!is_fit).then_some(detail)
}

fn money(json: &Json, at: &str, known: &Known<'_>, reader: &mut Reader) -> Option<Money> {
    let map = reader.object(json, at, &["amount", "currency"])?;
    let amount = reader.required(map, at, "amount");
    let amount =
        amount.and_then(|json| reader.whole(json, &below(at, "amount"), 0..=crate::money::MAX_AMOUNT));
    let currency = reader.required(map, at, "currency");
    let base = known.currency.code();
    currency.and_then(|json| reader.word(json, &below(at, "currency"), &[base]))?;
    Some(Money {
        amount: amount?,
        currency: known.currency,
    })
}
