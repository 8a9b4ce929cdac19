//! From the schema walk's errors to violations: one place, one code and one sentence each.

use super::shape::escape;
use super::violation::{Location, Violation};
use crate::edge::openapi::suggest::nearest;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use jsonschema::paths::Location as SchemaLocation;
use jsonschema::{JsonType, JsonTypeSet};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Past this many violations the walk is believed without the rest.
const MOST: usize = 500;

/// How many allowed values a sentence lists.
const MOST_OPTIONS: usize = 40;

/// The member names that an object schema knows, by the schema's JSON pointer in the document.
pub(super) type Names = HashMap<String, Vec<String>>;

/// Every violation behind these errors, sorted by place, without what follows from another one.
pub(super) fn explain<'e>(
    errors: impl Iterator<Item = ValidationError<'e>>,
    names: &Names,
) -> Vec<Violation> {
    let mut explained = Explained {
        names,
        out: Vec::new(),
    };
    for error in errors.take(MOST) {
        explained.add(&error);
    }
    explained.essence()
}

/// The names of the members of every closed object schema, by the schema's pointer.
pub(super) fn collect_names(value: &Value, pointer: &mut String, names: &mut Names) {
    let mut below = |segment: &str, value: &Value, names: &mut Names| {
        let before = pointer.len();
        pointer.push('/');
        pointer.push_str(segment);
        collect_names(value, pointer, names);
        pointer.truncate(before);
    };
    match value {
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| below(&index.to_string(), item, names));
        }
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(key, member)| below(&escape(key), member, names));
            if members.get("additionalProperties") == Some(&Value::Bool(false))
                && let Some(properties) = members.get("properties").and_then(Value::as_object)
            {
                names.insert(pointer.clone(), properties.keys().cloned().collect());
            }
        }
        _ => {}
    }
}

struct Explained<'a> {
    names: &'a Names,
    out: Vec<Violation>,
}

impl Explained<'_> {
    fn add(&mut self, error: &ValidationError<'_>) {
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                self.unknown(error, unexpected);
            }
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => self.branches(error, context),
            Kind::Required { property } => {
                let place = below(error.instance_path(), property.as_str().unwrap_or_default());
                self.put(place, "required", "is missing");
            }
            kind => {
                let (code, detail) = sentence(kind);
                self.put(place(error.instance_path()), code, detail);
            }
        }
    }

    fn put(&mut self, place: Location, code: &'static str, detail: impl Into<String>) {
        if self.out.len() < MOST {
            self.out.push(Violation::new(place, code, detail));
        }
    }

    fn unknown(&mut self, error: &ValidationError<'_>, unexpected: &[String]) {
        let schema = error
            .absolute_keyword_location()
            .and_then(|uri| uri.fragment())
            .map_or_else(
                || error.schema_path().as_str().to_owned(),
                |fragment| {
                    percent_decode_str(fragment.as_str())
                        .decode_utf8_lossy()
                        .into_owned()
                },
            );
        let schema = schema.rsplit_once('/').map_or("", |(parent, _)| parent);
        let known = self.names.get(schema).map_or(&[][..], Vec::as_slice);
        for name in unexpected.iter().take(MOST) {
            let detail = match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("unknown field; did you mean `{meant}`?"),
                None => "unknown field".to_owned(),
            };
            self.put(below(error.instance_path(), name), "unknown_field", detail);
        }
    }

    /// Explain a `oneOf` or `anyOf` by the one branch that was meant: the value's type and its tag tell
    /// which.
    fn branches(&mut self, error: &ValidationError<'_>, context: &[Vec<ValidationError<'_>>]) {
        let here = error.instance_path();
        let of_type: Vec<_> = context
            .iter()
            .filter(|branch| !branch.iter().any(|e| wrong_type(e, here)))
            .collect();
        let meant: Vec<_> = match of_type[..] {
            [_] => of_type.clone(),
            _ => of_type
                .iter()
                .copied()
                .filter(|branch| !branch.iter().any(|e| wrong_tag(e, here)))
                .collect(),
        };
        match (&of_type[..], &meant[..]) {
            ([], _) => {
                let types = context
                    .iter()
                    .flatten()
                    .filter(|e| wrong_type(e, here))
                    .flat_map(types_of);
                self.put(
                    place(here),
                    "invalid_type",
                    format!("must be {}", type_names(types.collect())),
                );
            }
            (_, [one]) => one.iter().for_each(|e| self.add(e)),
            (tagged, []) => {
                let tags = tagged
                    .iter()
                    .filter_map(|branch| branch.iter().find(|e| wrong_tag(e, here)));
                let (mut at, mut options) = (place(here), Vec::new());
                for tag in tags {
                    at = place(tag.instance_path());
                    options.extend(options_of(tag.kind()));
                }
                self.put(at, "invalid_variant", one_of(&options));
            }
            (_, several) => match several
                .iter()
                .map(|branch| missing(branch, here))
                .reduce(|a, b| &a & &b)
            {
                Some(tags) if !tags.is_empty() => {
                    tags.iter()
                        .for_each(|tag| self.put(below(here, tag), "required", "is missing"));
                }
                _ => self.put(
                    place(here),
                    "invalid_variant",
                    "fits none of the documented variants",
                ),
            },
        }
    }

    /// Without what follows from another violation: rules about a value of the wrong type, or about a value
    /// that should not be there at all.
    fn essence(self) -> Vec<Violation> {
        let places = |code| -> BTreeSet<Location> {
            self.out
                .iter()
                .filter(|v| v.code == code)
                .map(|v| v.place.clone())
                .collect()
        };
        let (mistyped, read_only) = (places("invalid_type"), places("read_only_field"));
        let follows = |v: &Violation| match v.code {
            "read_only_field" => false,
            "invalid_type" => read_only.contains(&v.place),
            _ => mistyped.contains(&v.place) || read_only.iter().any(|place| holds(place, &v.place)),
        };
        let mut essence: Vec<_> = self.out.iter().filter(|v| !follows(v)).cloned().collect();
        essence.sort();
        // A pattern and a format may refuse the same text: once is enough.
        essence.dedup_by(|a, b| (&a.place, a.code) == (&b.place, b.code));
        essence
    }
}

/// The code and sentence of a rule that needs no look at its surroundings.
fn sentence(kind: &Kind) -> (&'static str, String) {
    match kind {
        Kind::Type { kind } => ("invalid_type", format!("must be {}", type_names(set_of(kind)))),
        Kind::MinLength { limit: 1 } => ("too_short", "must not be empty".into()),
        Kind::MinLength { limit } => ("too_short", format!("must have at least {limit} characters")),
        Kind::MaxLength { limit } => ("too_long", format!("must have at most {limit} characters")),
        Kind::Minimum { limit } => ("out_of_range", format!("must be at least {limit}")),
        Kind::Maximum { limit } => ("out_of_range", format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => ("out_of_range", format!("must be more than {limit}")),
        Kind::ExclusiveMaximum { limit } => ("out_of_range", format!("must be less than {limit}")),
        Kind::MultipleOf { multiple_of } => ("multiple_of", format!("must be a multiple of {multiple_of}")),
        Kind::Enum { .. } | Kind::Constant { .. } => ("not_allowed", one_of(&options_of(kind))),
        Kind::Format { format } => ("invalid_format", format!("must be {}", format_name(format))),
        Kind::Pattern { pattern } => ("invalid_format", format!("must match the pattern {pattern}")),
        Kind::MinItems { limit } => ("too_few_items", format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => ("too_many_items", format!("must have at most {limit} items")),
        Kind::AdditionalItems { limit } => ("too_many_items", format!("must have at most {limit} items")),
        Kind::MinProperties { limit } => ("too_few_items", format!("must have at least {limit} members")),
        Kind::MaxProperties { limit } => ("too_many_items", format!("must have at most {limit} members")),
        Kind::UniqueItems => ("duplicate_items", "must not contain the same item twice".into()),
        Kind::PropertyNames { .. } => (
            "invalid_format",
            "has a member with a name that is not allowed".into(),
        ),
        Kind::OneOfMultipleValid { .. } => (
            "invalid_variant",
            "fits several of the documented variants".into(),
        ),
        Kind::Custom { keyword, .. } if keyword == "readOnly" => {
            ("read_only_field", "is set by the service; omit it".into())
        }
        Kind::FalseSchema | Kind::Not { .. } => ("not_allowed", "must not be given".into()),
        _ => ("invalid_format", "does not have the documented form".into()),
    }
}

fn wrong_type(error: &ValidationError<'_>, here: &SchemaLocation) -> bool {
    matches!(error.kind(), Kind::Type { .. }) && error.instance_path() == here
}

/// Whether a fixed value one step below `here`, the tag of a variant, is another one.
fn wrong_tag(error: &ValidationError<'_>, here: &SchemaLocation) -> bool {
    matches!(error.kind(), Kind::Enum { .. } | Kind::Constant { .. })
        && error.instance_path().segments().count() == here.segments().count() + 1
}

/// The members that a branch misses at this place.
fn missing(branch: &[ValidationError<'_>], here: &SchemaLocation) -> BTreeSet<String> {
    let missing = branch
        .iter()
        .filter(|e| e.instance_path() == here)
        .filter_map(|e| match e.kind() {
            Kind::Required { property } => property.as_str(),
            _ => None,
        });
    missing.map(str::to_owned).collect()
}

fn types_of(error: &ValidationError<'_>) -> Vec<JsonType> {
    match error.kind() {
        Kind::Type { kind } => set_of(kind),
        _ => Vec::new(),
    }
}

fn set_of(kind: &TypeKind) -> Vec<JsonType> {
    match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(set) => JsonTypeSet::iter(set).collect(),
    }
}

fn type_names(mut types: Vec<JsonType>) -> String {
    types.sort_by_key(|kind| (*kind == JsonType::Null, *kind));
    types.dedup();
    let names = types.into_iter().map(|kind| match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    });
    names.collect::<Vec<_>>().join(" or ")
}

fn options_of(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
        Kind::Constant { expected_value } => vec![Value::clone(expected_value)],
        _ => Vec::new(),
    }
}

fn one_of(options: &[Value]) -> String {
    let word = |option: &Value| option.as_str().map_or_else(|| option.to_string(), str::to_owned);
    match options {
        [] => "is not an allowed value".to_owned(),
        [one] => format!("must be {}", word(one)),
        _ => {
            let words: Vec<_> = options.iter().take(MOST_OPTIONS).map(word).collect();
            let more = if options.len() > MOST_OPTIONS { ", ..." } else { "" };
            format!("must be one of: {}{more}", words.join(", "))
        }
    }
}

fn format_name(format: &str) -> String {
    match format {
        "email" => "an e-mail address".into(),
        "date-time" => "an instant such as 2026-01-02T03:04:05.123Z".into(),
        "date" => "a date such as 2026-01-02".into(),
        "time" => "a time such as 03:04:05Z".into(),
        "uuid" => "a UUID".into(),
        "uri" => "an absolute URI".into(),
        "hostname" | "idn-hostname" => "a host name".into(),
        "ipv4" | "ipv6" => "an IP address".into(),
        other => format!("of the format {other}"),
    }
}

fn place(path: &SchemaLocation) -> Location {
    Location::at(path.segments().map(|segment| segment.to_string()))
}

fn below(path: &SchemaLocation, name: &str) -> Location {
    Location::at(
        path.segments()
            .map(|segment| segment.to_string())
            .chain([name.to_owned()]),
    )
}

/// Whether `inner` is `outer` or lies in it.
fn holds(outer: &Location, inner: &Location) -> bool {
    match (outer, inner) {
        (Location::Pointer(outer), Location::Pointer(inner)) => inner
            .strip_prefix(outer.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        (outer, inner) => outer == inner,
    }
}
