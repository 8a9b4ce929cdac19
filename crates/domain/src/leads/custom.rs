//! Custom fields: declared by the company, checked when stated.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The type of a custom field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomType {
    /// Text of up to 4,000 characters.
    Text,
    /// A whole number within +-(2^53-1).
    Integer,
    /// A number within +-(2^53-1).
    Number,
    /// `true` or `false`.
    Boolean,
    /// A calendar day of the years 1900 to 2199, `2026-01-02`.
    Date,
    /// One of the declared options.
    Choice,
}

/// A declared custom field of leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomField {
    /// The name under `custom`.
    #[schema(pattern = "^[a-z][a-z0-9_]{0,62}$", max_length = 63, example = "segment")]
    pub name: String,
    /// The label that people see.
    #[schema(min_length = 1, max_length = 200, example = "Business segment")]
    pub label: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: CustomType,
    /// The options of a `choice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 500, inline)]
    pub options: Vec<String>,
}

/// Why a stated value does not fit its declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Another type of value.
    #[error("has another type than the field was declared with")]
    WrongType,
    /// Longer than 4,000 characters.
    #[error("must have at most 4000 characters")]
    TooLong,
    /// Outside +-(2^53-1).
    #[error("must be within +-(2^53-1)")]
    OutOfRange,
    /// Not a calendar day, or one of a year that is more likely a slip (`0024`, `9999`).
    #[error("must be a calendar day such as 2026-01-02, of the years 1900 to 2199")]
    NotADate,
    /// Not one of the options.
    #[error("must be one of the declared options")]
    NotAnOption,
}

impl CustomField {
    /// Whether a value fits; `null` always does.
    pub fn check(&self, value: &Value) -> Result<(), Unfit> {
        match (self.kind, value) {
            (_, Value::Null) => Ok(()),
            (CustomType::Text, Value::String(text)) if text.chars().count() <= 4000 => Ok(()),
            (CustomType::Text, Value::String(_)) => Err(Unfit::TooLong),
            (CustomType::Integer, Value::Number(number)) => match number.as_i64() {
                Some(whole) if (-(1i64 << 53) + 1..1i64 << 53).contains(&whole) => Ok(()),
                Some(_) => Err(Unfit::OutOfRange),
                None => Err(Unfit::WrongType),
            },
            (CustomType::Number, Value::Number(number)) => {
                let is_sound = number
                    .as_f64()
                    .is_some_and(|number| number.abs() < (1i64 << 53) as f64);
                if is_sound { Ok(()) } else { Err(Unfit::OutOfRange) }
            }
            (CustomType::Boolean, Value::Bool(_)) => Ok(()),
            (CustomType::Date, Value::String(text)) => {
                let is_plausible = |date: Date| (1900..2200).contains(&date.year());
                let is_day = text.len() == 10 && text.parse().is_ok_and(is_plausible);
                if is_day { Ok(()) } else { Err(Unfit::NotADate) }
            }
            (CustomType::Choice, Value::String(text)) => {
                if self.options.contains(text) {
                    Ok(())
                } else {
                    Err(Unfit::NotAnOption)
                }
            }
            _ => Err(Unfit::WrongType),
        }
    }

    /// The value that a text of a form stands for, if it fits.
    pub fn read(&self, text: &str) -> Result<Value, Unfit> {
        let value = match self.kind {
            CustomType::Text | CustomType::Date | CustomType::Choice => Value::from(text),
            CustomType::Integer => text
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| Unfit::WrongType)?,
            CustomType::Number => serde_json::from_str(text).map_err(|_| Unfit::WrongType)?,
            CustomType::Boolean => yes_or_no(text).map(Value::Bool).ok_or(Unfit::WrongType)?,
        };
        self.check(&value).map(|()| value)
    }
}

/// Why a set of declarations is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDeclaration {
    /// The name is declared twice.
    #[error("the name is declared twice")]
    Twice,
    /// A choice without options, or options without a choice.
    #[error("a choice needs options, and only a choice has them")]
    Options,
    /// The field exists with another type.
    #[error("the type of a declared field cannot change")]
    TypeChanged,
}

/// The faults of a new set of declarations, each with the index of the field.
pub fn faults(fields: &[CustomField], before: &[CustomField]) -> Vec<(usize, BadDeclaration)> {
    let mut found = vec![];
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.name == field.name) {
            found.push((index, BadDeclaration::Twice));
        }
        if (field.kind == CustomType::Choice) == field.options.is_empty() {
            found.push((index, BadDeclaration::Options));
        }
        if before
            .iter()
            .any(|old| old.name == field.name && old.kind != field.kind)
        {
            found.push((index, BadDeclaration::TypeChanged));
        }
    }
    found
}

/// What is meant by the words that pages, files and people have for yes and no.
pub fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(kind: CustomType) -> CustomField {
        CustomField {
            name: "f".into(),
            label: "F".into(),
            kind,
            options: vec!["a".into()],
        }
    }

    #[test]
    fn values_fit_their_declared_type() {
        use CustomType::*;
        for (kind, value, fits) in [
            (Text, json!("x"), true),
            (Text, json!(1), false),
            (Integer, json!(1), true),
            (Integer, json!(1.5), false),
            (Integer, json!(1u64 << 53), false),
            (Integer, json!(i64::MIN), false),
            (Number, json!(1.5), true),
            (Number, json!(-1e15), true),
            (Number, json!(1e300), false),
            (Boolean, json!(true), true),
            (Boolean, json!("true"), false),
            (Date, json!("2026-02-28"), true),
            (Date, json!("2026-02-30"), false),
            (Date, json!("1931-05-04"), true),
            (Date, json!("0024-03-02"), false),
            (Date, json!("9999-12-31"), false),
            (Date, json!("2026-02-28T00:00:00Z"), false),
            (Choice, json!("a"), true),
            (Choice, json!("b"), false),
            (Choice, json!(null), true),
        ] {
            assert_eq!(field(kind).check(&value).is_ok(), fits, "{kind:?} {value}");
        }
    }

    #[test]
    fn a_declared_type_stays() {
        let before = [CustomField {
            options: vec![],
            ..field(CustomType::Text)
        }];
        let after = [CustomField {
            options: vec![],
            ..field(CustomType::Integer)
        }];
        assert_eq!(faults(&after, &before), [(0, BadDeclaration::TypeChanged)]);
        assert_eq!(faults(&before, &before), []);
    }
}
