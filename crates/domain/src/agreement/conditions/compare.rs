//! Comparisons: an operator with what it compares to, typed, and what follows for a value.

use std::cmp::Ordering;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::registry::FieldType;
use crate::duration::Duration;
use crate::instant::Timestamp;
use crate::leads::fields::is_empty;
use crate::money::Money;

/// The value of a field, as conditions compare it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, not empty.
    Text(String),
    /// A finite number.
    Number(f64),
    /// Money in the base currency.
    Money(Money),
    /// `true` or `false`; of a field that only is there or not, `true`.
    Boolean(bool),
    /// An instant.
    Instant(Timestamp),
}

impl Value {
    /// The value that a stored statement about a field of this type has; `None` where it is missing. Money has to be
    /// converted first ([`crate::money::Rates::convert`]).
    pub fn read(kind: FieldType, json: &Json, zone: &TimeZone) -> Option<Self> {
        if is_empty(json) {
            return None;
        }
        match kind {
            FieldType::Presence => Some(Value::Boolean(true)),
            FieldType::Text => json.as_str().map(|text| Value::Text(text.to_owned())),
            FieldType::Number => json.as_f64().map(Value::Number),
            FieldType::Boolean => json.as_bool().map(Value::Boolean),
            FieldType::Date => instant(json.as_str()?, zone).map(Value::Instant),
            FieldType::Money => serde_json::from_value(json.clone()).ok().map(Value::Money),
        }
    }

    /// The value as JSON, for evidence.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Text(text) => Json::from(text.as_str()),
            // Whole numbers are written as such.
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Json::from(*number as i64)
            }
            Value::Number(number) => Json::from(*number),
            Value::Money(money) => serde_json::json!(money),
            Value::Boolean(is) => Json::from(*is),
            Value::Instant(at) => Json::from(at.to_string()),
        }
    }
}

/// The instant that a text names: RFC 3339, or a calendar day, which counts from its midnight in a zone.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if text.len() == 10 {
        return Timestamp::start_of_day(text.parse::<Date>().ok()?, zone);
    }
    text.parse().ok()
}

macro_rules! operators {
    ($($op:ident = $name:literal;)*) => {
        /// An operator of a comparison.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Op { $(#[doc = concat!("`", $name, "`")] $op,)* }

        impl Op {
            /// The names of all operators.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The operator with this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Op::$op),)* _ => None }
            }
        }
    };
}

operators! {
    Eq = "eq";
    Neq = "neq";
    In = "in";
    NotIn = "not_in";
    Gt = "gt";
    Gte = "gte";
    Lt = "lt";
    Lte = "lte";
    Between = "between";
    Contains = "contains";
    StartsWith = "starts_with";
    EndsWith = "ends_with";
    Matches = "matches";
    Exists = "exists";
    Missing = "missing";
    OlderThan = "older_than";
    Within = "within";
}

impl Op {
    /// Whether values of this type can be compared so.
    pub const fn suits(self, kind: FieldType) -> bool {
        match self {
            Op::Exists | Op::Missing => true,
            Op::Eq | Op::Neq => !matches!(kind, FieldType::Presence),
            Op::In | Op::NotIn => !matches!(kind, FieldType::Presence | FieldType::Boolean),
            Op::Contains | Op::StartsWith | Op::EndsWith | Op::Matches => matches!(kind, FieldType::Text),
            Op::OlderThan | Op::Within => matches!(kind, FieldType::Date),
            Op::Gt | Op::Gte | Op::Lt | Op::Lte | Op::Between => {
                matches!(kind, FieldType::Number | FieldType::Money | FieldType::Date)
            }
        }
    }

    /// What the comparison says of a missing value, unless that passes.
    const fn of_missing(self) -> bool {
        matches!(self, Op::Missing | Op::Neq | Op::NotIn)
    }
}

/// What a value is compared to: one operand, two for `between`, any number for `in` and `not_in`.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// `exists` and `missing` have none.
    None,
    /// Texts, in lower case.
    Texts(Vec<String>),
    /// A regular expression.
    Pattern(Pattern),
    /// Numbers.
    Numbers(Vec<f64>),
    /// Money, all of one currency.
    Money(Vec<Money>),
    /// A boolean.
    Boolean(bool),
    /// Instants.
    Instants(Vec<Timestamp>),
    /// An age.
    Age(Duration),
}

/// A regular expression in RE2's syntax, unanchored and ignoring case, matched in linear time.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The most bytes that a compiled expression may take.
    const MOST_BYTES: usize = 1 << 18;

    /// Compile an expression; `None` if it is invalid or too large.
    pub fn compile(text: &str) -> Option<Self> {
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(true).size_limit(Self::MOST_BYTES);
        builder.dfa_size_limit(Self::MOST_BYTES).build().ok().map(Self)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// An operator with its operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The operator.
    pub op: Op,
    /// What it compares to; of the type that the operator and field demand.
    pub operand: Operand,
    /// Whether a missing value passes (`"unknown": "pass"`).
    pub passes_unknown: bool,
}

/// What a comparison says of a value: the same for good, or within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Whatever the instant.
    Always(bool),
    /// From the first instant on and before the second, in milliseconds.
    Between(i64, i64),
}

impl Comparison {
    /// What the comparison says of a field's value.
    pub fn of(&self, value: Option<&Value>) -> Holds {
        let Some(value) = value else {
            return Holds::Always(self.of_missing());
        };
        let holds = match (&self.operand, value) {
            (Operand::None, _) => self.op == Op::Exists,
            (Operand::Texts(texts), Value::Text(text)) => self.of_text(text, texts),
            (Operand::Pattern(pattern), Value::Text(text)) => pattern.0.is_match(text),
            (Operand::Numbers(numbers), Value::Number(number)) => self.of_ordered(number, numbers),
            (Operand::Money(amounts), Value::Money(money)) => {
                if amounts.iter().any(|amount| amount.currency != money.currency) {
                    return Holds::Always(self.of_missing());
                }
                let amounts: Vec<i64> = amounts.iter().map(|amount| amount.amount).collect();
                self.of_ordered(&money.amount, &amounts)
            }
            (Operand::Boolean(wanted), Value::Boolean(is)) => (self.op == Op::Eq) == (wanted == is),
            (Operand::Instants(instants), Value::Instant(at)) => self.of_ordered(at, instants),
            (Operand::Age(age), Value::Instant(at)) => {
                let over = at.millis().saturating_add(age.millis()).saturating_add(1);
                return match self.op {
                    Op::Within => Holds::Between(at.millis(), over),
                    _ => Holds::Between(over, i64::MAX),
                };
            }
            _ => self.op.of_missing(),
        };
        Holds::Always(holds)
    }

    /// What the comparison says of a property of an event. A property of another type is there, and equals nothing.
    pub fn of_property(&self, property: Option<Property<'_>>) -> bool {
        let Some(property) = property else {
            return self.of_missing();
        };
        match (&self.operand, property) {
            (Operand::None, _) => self.op == Op::Exists,
            (Operand::Texts(texts), Property::Text(text)) => self.of_text(text, texts),
            (Operand::Pattern(pattern), Property::Text(text)) => pattern.0.is_match(text),
            (Operand::Numbers(numbers), Property::Number(number)) => self.of_ordered(&number, numbers),
            (Operand::Boolean(wanted), Property::Boolean(is)) => (self.op == Op::Eq) == (*wanted == is),
            _ => self.op.of_missing(),
        }
    }

    fn of_missing(&self) -> bool {
        self.op.of_missing() || self.passes_unknown && self.op != Op::Exists
    }

    fn of_ordered<T: PartialOrd>(&self, value: &T, operands: &[T]) -> bool {
        let is = |wanted: fn(Ordering) -> bool, place: usize| {
            let order = operands.get(place).and_then(|operand| value.partial_cmp(operand));
            order.is_some_and(wanted)
        };
        match self.op {
            Op::Eq | Op::In => operands.contains(value),
            Op::Neq | Op::NotIn => !operands.contains(value),
            Op::Gt => is(Ordering::is_gt, 0),
            Op::Gte => is(Ordering::is_ge, 0),
            Op::Lt => is(Ordering::is_lt, 0),
            Op::Lte => is(Ordering::is_le, 0),
            Op::Between => is(Ordering::is_ge, 0) && is(Ordering::is_le, 1),
            _ => false,
        }
    }

    /// Most texts are ASCII: these are compared without a copy in lower case.
    fn of_text(&self, text: &str, operands: &[String]) -> bool {
        if text.is_ascii() {
            let text = text.as_bytes();
            return self.of_lower(operands, |op, operand| {
                let operand = operand.as_bytes();
                match op {
                    Op::Contains => text
                        .windows(operand.len().max(1))
                        .any(|part| part.eq_ignore_ascii_case(operand)),
                    Op::StartsWith => text
                        .get(..operand.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(operand)),
                    Op::EndsWith => text
                        .len()
                        .checked_sub(operand.len())
                        .is_some_and(|start| text[start..].eq_ignore_ascii_case(operand)),
                    _ => text.eq_ignore_ascii_case(operand),
                }
            });
        }
        let text = text.to_lowercase();
        self.of_lower(operands, |op, operand| match op {
            Op::Contains => text.contains(operand),
            Op::StartsWith => text.starts_with(operand),
            Op::EndsWith => text.ends_with(operand),
            _ => text == *operand,
        })
    }

    fn of_lower(&self, operands: &[String], is: impl Fn(Op, &str) -> bool) -> bool {
        let any = operands.iter().any(|operand| is(self.op, operand));
        any != matches!(self.op, Op::Neq | Op::NotIn)
    }
}

/// A property of an event, as conditions compare it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Property<'a> {
    /// Text, not empty.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list or an object: it is there, and equals nothing.
    Other,
}

impl<'a> Property<'a> {
    /// The property that a JSON value stands for; `None` where it is missing.
    pub fn read(json: &'a Json) -> Option<Self> {
        match json {
            Json::Null => None,
            Json::Bool(is) => Some(Property::Boolean(*is)),
            Json::Number(number) => number.as_f64().map(Property::Number),
            Json::String(text) => Self::text(text),
            Json::Array(_) | Json::Object(_) => Some(Property::Other),
        }
    }

    /// Text, unless it is empty.
    pub fn text(text: &'a str) -> Option<Self> {
        (!text.is_empty()).then_some(Property::Text(text))
    }
}
