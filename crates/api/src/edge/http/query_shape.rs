//! The query string as a typed object: decoded, split and given the types that the document says.

use super::shape::{Shape, escape, reference};
use super::strict::integral;
use super::violation::{Location, Violation};
use percent_encoding::percent_decode;
use serde_json::{Map, Number, Value, json};
use std::collections::{HashMap, HashSet};

/// A query parameter of the document: its name and where its schema stands.
pub(super) struct Parameter<'a> {
    pub(super) name: String,
    schema: &'a Value,
    pointer: String,
    required: bool,
}

/// The shape of one operation's query.
#[derive(Debug)]
pub struct QueryShape {
    shape: Shape,
    kinds: HashMap<String, Kind>,
}

/// What the text of a parameter stands for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    One(Scalar),
    /// A list: with commas in it (style `form`, not exploded), or the parameter once for each item, as some clients send
    /// it.
    List(Scalar),
}

#[derive(Debug, Clone, Copy)]
enum Scalar {
    Text,
    Integer,
    Number,
    Boolean,
}

impl QueryShape {
    pub(super) fn new(shape: Shape, document: &Value, parameters: &[Parameter<'_>]) -> QueryShape {
        let kind = |p: &Parameter<'_>| (p.name.clone(), Kind::of(document, p.schema));
        QueryShape {
            shape,
            kinds: parameters.iter().map(kind).collect(),
        }
    }

    /// The known parameters of a query as an object in the document's types, or everything that is wrong with them. The first
    /// value counts where a parameter is repeated.
    pub fn read_known(&self, query: &str) -> Result<Value, Vec<Violation>> {
        let mut seen = HashSet::new();
        let mut is_first_known = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            decode(name).is_some_and(|name| self.kinds.contains_key(&name) && seen.insert(name))
        };
        let known: Vec<&str> = query.split('&').filter(|pair| is_first_known(pair)).collect();
        self.read(&known.join("&"))
    }

    /// The query as an object in the document's types, or everything that is wrong with it.
    pub fn read(&self, query: &str) -> Result<Value, Vec<Violation>> {
        let (mut object, mut violations) = (Map::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name) else {
                violations.push(unreadable(name));
                continue;
            };
            let Some(text) = decode(text) else {
                violations.push(unreadable(&name));
                continue;
            };
            let kind = self.kinds.get(&name);
            if let (Some(Kind::List(scalar)), Some(Value::Array(items))) = (kind, object.get_mut(&name)) {
                items.extend(separated(&text).map(|item| scalar.read(item)));
                continue;
            }
            if object.contains_key(&name) {
                let place = Location::parameter(&name);
                violations.push(Violation::new(
                    place,
                    "duplicate_parameter",
                    "is given more than once",
                ));
                continue;
            }
            let value = kind.map_or(Value::Null, |kind| kind.read(text));
            object.insert(name, value);
        }
        let value = Value::Object(object);
        let reported: Vec<_> = violations.iter().map(|v: &Violation| v.place.clone()).collect();
        let walked = self.shape.check(&value).into_iter().map(of_parameter);
        violations.extend(walked.filter(|v| !reported.contains(&v.place)));
        violations.sort();
        violations.dedup();
        if violations.is_empty() {
            Ok(value)
        } else {
            Err(violations)
        }
    }
}

/// The query parameters of an operation, those of its path included.
pub(super) fn parameters<'a>(document: &'a Value, path: &str, method: &str) -> Vec<Parameter<'a>> {
    let item = format!("/paths/{}", escape(path));
    let lists = [
        format!("{item}/parameters"),
        format!("{item}/{method}/parameters"),
    ];
    let mut found = Vec::new();
    for list in lists {
        let entries = document
            .pointer(&list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for (index, entry) in entries.enumerate() {
            let pointer = match entry.get("$ref").and_then(Value::as_str) {
                Some(component) => component.trim_start_matches('#').to_owned(),
                None => format!("{list}/{index}"),
            };
            let Some(parameter) = document.pointer(&pointer) else {
                continue;
            };
            if let (Some("query"), Some(name), Some(schema)) = (
                parameter["in"].as_str(),
                parameter["name"].as_str(),
                parameter.get("schema"),
            ) {
                let required = parameter["required"] == true;
                found.push(Parameter {
                    name: name.to_owned(),
                    schema,
                    pointer: format!("{pointer}/schema"),
                    required,
                });
            }
        }
    }
    found
}

/// The schema of the query as an object.
pub(super) fn schema(parameters: &[Parameter<'_>]) -> Value {
    let properties: Map<_, _> = parameters
        .iter()
        .map(|p| (p.name.clone(), reference(&p.pointer)))
        .collect();
    let required: Vec<_> = parameters
        .iter()
        .filter(|p| p.required)
        .map(|p| p.name.as_str())
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

impl Kind {
    fn of(document: &Value, schema: &Value) -> Kind {
        let mut types = Vec::new();
        let items = types_of(document, schema, 8, &mut types);
        match items {
            Some(items) if types.contains(&"array") => {
                let mut types = Vec::new();
                types_of(document, items, 8, &mut types);
                Kind::List(Scalar::of(&types))
            }
            _ => Kind::One(Scalar::of(&types)),
        }
    }

    fn read(self, text: String) -> Value {
        match self {
            Kind::One(scalar) => scalar.read(text),
            Kind::List(scalar) => separated(&text).map(|item| scalar.read(item)).collect(),
        }
    }
}

impl Scalar {
    /// Text wins where the schema leaves a choice.
    fn of(types: &[&str]) -> Scalar {
        let has = |wanted: &str| types.contains(&wanted);
        match () {
            () if has("string") => Scalar::Text,
            () if has("number") => Scalar::Number,
            () if has("integer") => Scalar::Integer,
            () if has("boolean") => Scalar::Boolean,
            () => Scalar::Text,
        }
    }

    /// What the text stands for; text that stands for nothing of the kind is left for the walk to refuse.
    fn read(self, text: String) -> Value {
        let read = match self {
            Scalar::Text => None,
            Scalar::Integer => number(&text, "-"),
            Scalar::Number => number(&text, "-."),
            Scalar::Boolean => text.parse().ok().map(Value::Bool),
        };
        read.unwrap_or(Value::String(text))
    }
}

/// A number of digits and these signs. Ordinary clients write nothing else: `limit=1e2`, `limit=1.0` and `limit=%205` are
/// attempts to evade a limit.
fn number(text: &str, signs: &str) -> Option<Value> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || signs.contains(c));
    let read = is_plain.then(|| serde_json::from_str::<Number>(text).ok())?;
    read.map(|number| Value::Number(integral(number)))
}

/// The items of a list, separated by commas. A backslash escapes a comma or another backslash.
fn separated(text: &str) -> impl Iterator<Item = String> {
    let (mut items, mut item) = (vec![], String::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ',' => items.push(std::mem::take(&mut item)),
            '\\' => item.push(rest.next_if(|next| matches!(next, ',' | '\\')).unwrap_or(c)),
            c => item.push(c),
        }
    }
    items.push(item);
    items.into_iter()
}

/// Gather the types that a schema takes, through references and branches; returns the schema of its items.
fn types_of<'a>(
    document: &'a Value,
    schema: &'a Value,
    depth: usize,
    types: &mut Vec<&'a str>,
) -> Option<&'a Value> {
    if depth == 0 {
        return None;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return types_of(
            document,
            document.pointer(target.trim_start_matches('#'))?,
            depth - 1,
            types,
        );
    }
    match schema.get("type") {
        Some(Value::String(one)) => types.push(one),
        Some(Value::Array(several)) => types.extend(several.iter().filter_map(Value::as_str)),
        _ => {}
    }
    let mut items = schema.get("items");
    for branches in ["oneOf", "anyOf", "allOf"]
        .iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array())
    {
        for branch in branches {
            items = types_of(document, branch, depth - 1, types).or(items);
        }
    }
    items
}

/// Decode percent escapes and `+`; `None` if what comes out is not text or holds NUL.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

fn unreadable(name: &str) -> Violation {
    Violation::new(
        Location::parameter(name),
        "invalid_format",
        "must be percent-encoded UTF-8 without NUL",
    )
}

/// A violation of the query's object as one of the parameter that it stands for.
fn of_parameter(violation: Violation) -> Violation {
    let Violation { place, code, detail } = violation;
    let place = match place {
        Location::Pointer(pointer) => {
            let segment = pointer
                .trim_start_matches("#/")
                .split('/')
                .next()
                .unwrap_or_default();
            let name = percent_decode(segment.as_bytes())
                .decode_utf8_lossy()
                .replace("~1", "/")
                .replace("~0", "~");
            Location::parameter(&name)
        }
        other => other,
    };
    match code {
        "unknown_field" => Violation::new(
            place,
            "unknown_parameter",
            detail.replace("unknown field", "unknown parameter"),
        ),
        _ => Violation { place, code, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::separated;

    #[test]
    fn a_comma_behind_a_backslash_belongs_to_the_item() {
        for (text, expected) in [
            ("a,b", vec!["a", "b"]),
            ("", vec![""]),
            (r"Example\, Ltd,b", vec!["Example, Ltd", "b"]),
            (r"a\\,b", vec![r"a\", "b"]),
            (r"C:\x,b\", vec![r"C:\x", r"b\"]),
            (",", vec!["", ""]),
        ] {
            assert_eq!(separated(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
