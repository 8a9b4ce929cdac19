//! The strict JSON parser: refuses what serde_json would let pass in silence.

use super::problem::{Code, Location, Problem, Violation};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// How deep objects and arrays may stand in each other.
pub const DEEPEST: usize = 32;

/// The largest integer that every JSON parser keeps exactly (RFC 7493): 2^53 - 1.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// Parse a body.
///
/// Duplicate keys, NUL, nesting over [`DEEPEST`] and everything that is not JSON are problems (400) that name
/// the place. A float without a fraction becomes an integer, as JSON Schema counts it.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refusal(
            Code::MalformedJson,
            Location::body(),
            "The body is empty",
        ));
    }
    let (path, fault) = (RefCell::new(Vec::new()), RefCell::new(None));
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = Seed {
        room: DEEPEST,
        path: &path,
        fault: &fault,
    }
    .deserialize(&mut json)
    .and_then(|value| json.end().map(|()| value));
    parsed.map_err(|error| match fault.take() {
        Some(code) => refusal(code, Location::at(path.take()), code.detail()),
        None => {
            let (line, column) = (error.line(), error.column());
            refusal(
                Code::MalformedJson,
                Location::body(),
                format!("The body is not JSON: line {line}, column {column}"),
            )
        }
    })
}

/// Parse a body with a `list` of independent items. An item that [`parse`] refuses is replaced by 0, and its error is
/// returned by its index. Any other error refuses the whole body, and so does a body that is not JSON.
pub fn parse_apart(bytes: &[u8], list: &str) -> Result<(Value, BTreeMap<usize, Code>), Problem> {
    let refused = match parse(bytes) {
        Ok(body) => return Ok((body, BTreeMap::new())),
        Err(refused) => refused,
    };
    let mut mended = bytes.to_vec();
    let mut codes = BTreeMap::new();
    for (index, item) in items(bytes, list).into_iter().enumerate() {
        let text = item.get().as_bytes();
        let Err(problem) = parse(text) else { continue };
        // An item is a part of the body, so that this is its place in it.
        let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
        let place = mended.get_mut(start..start + text.len());
        if let Some([first, rest @ ..]) = place {
            *first = b'0';
            rest.fill(b' ');
        }
        codes.insert(index, problem.code());
    }
    match codes.is_empty() {
        true => Err(refused),
        false => parse(&mended).map(|body| (body, codes)),
    }
}

/// The items of a list as they are written, if there is such a list. Their texts may be no texts yet: a character that
/// is only half there (`\ud83d`) and a number without end are JSON by its grammar.
fn items<'a>(bytes: &'a [u8], list: &str) -> Vec<&'a RawValue> {
    let members = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes).unwrap_or_default();
    let items = members.get(list).map(|items| serde_json::from_str(items.get()));
    items.and_then(Result::ok).unwrap_or_default()
}

/// A float without a fraction within +-(2^53 - 1) as an integer, any other number as it is.
pub(super) fn integral(number: Number) -> Number {
    match number
        .as_f64()
        .filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= SAFE)
    {
        Some(float) => Number::from(float as i64),
        None => number,
    }
}

fn refusal(code: Code, place: Location, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::new(code)
        .detail(detail.clone())
        .errors(vec![Violation::new(place, code.name(), detail)])
}

/// Builds one value; `room` is how many levels may still open below it.
#[derive(Clone, Copy)]
struct Seed<'a> {
    room: usize,
    path: &'a RefCell<Vec<String>>,
    fault: &'a RefCell<Option<Code>>,
}

impl Seed<'_> {
    /// End the parse; the path stays where it is and names the place.
    fn refuse<E: Error>(self, code: Code) -> E {
        self.fault.replace(Some(code));
        E::custom(code.name())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            Err(self.refuse(Code::ForbiddenCharacter))
        } else {
            Ok(())
        }
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        match self.room.checked_sub(1) {
            Some(room) => Ok(Seed { room, ..self }),
            None => Err(self.refuse(Code::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(integral(number))),
            None => Err(self.refuse(Code::MalformedJson)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.text(value)?;
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.text(&value)?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut out = Vec::new();
        self.path.borrow_mut().push("0".to_owned());
        while let Some(item) = items.next_element_seed(below)? {
            out.push(item);
            if let Some(index) = self.path.borrow_mut().last_mut() {
                *index = out.len().to_string();
            }
        }
        self.path.borrow_mut().pop();
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.path.borrow_mut().push(key.clone());
            self.text(&key)?;
            if out.contains_key(&key) {
                return Err(self.refuse(Code::DuplicateKey));
            }
            out.insert(key, members.next_value_seed(below)?);
            self.path.borrow_mut().pop();
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(text: impl AsRef<[u8]>) -> (&'static str, String) {
        let problem = parse(text.as_ref()).unwrap_err();
        let Location::Pointer(pointer) = problem.violations()[0].place.clone() else {
            panic!("a place in the body")
        };
        (problem.code().name(), pointer)
    }

    #[test]
    fn json_comes_through_whole() {
        let text = r#" {"a": [1, -2, 2.5, true, null, "x\u00e9\ud83d\ude00"], "b": {"c": {}}} "#;

        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            json!({"a": [1, -2, 2.5, true, null, "xé😀"], "b": {"c": {}}})
        );
    }

    #[test]
    fn floats_without_a_fraction_become_integers() {
        let value = parse(b"[1.0, 1e2, -0.0, 1.5, 1e20, 9007199254740991.0]").unwrap();

        assert_eq!(value.to_string(), "[1,100,0,1.5,1e+20,9007199254740991]");
    }

    #[test]
    fn a_key_stands_once_however_it_is_spelt() {
        assert_eq!(refused(r#"{"a": 1, "a": 1}"#), ("duplicate_key", "#/a".into()));
        assert_eq!(
            refused(r#"{"x": [{}, {"email": 1, "em\u0061il": 2}]}"#),
            ("duplicate_key", "#/x/1/email".into())
        );
    }

    #[test]
    fn nul_is_refused_in_values_and_in_keys() {
        assert_eq!(
            refused(r#"{"a": ["", "\u0000"]}"#),
            ("forbidden_character", "#/a/1".into())
        );
        assert_eq!(
            refused(r#"{"a\u0000": 1}"#),
            ("forbidden_character", "#/a%00".into())
        );
    }

    #[test]
    fn nesting_ends_at_the_limit_without_touching_the_stack() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();

        assert!(parse(&nested(32)).is_ok());
        assert_eq!(refused(nested(33)), ("too_deep", format!("#{}", "/0".repeat(32))));
        assert_eq!(refused(b"[".repeat(1 << 20)).0, "too_deep");
        assert_eq!(refused(b"{\"a\":".repeat(200_000)).0, "too_deep");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let lone = [
            r#"{"a": "\ud800"}"#,
            r#"{"a": "\udc00\ud800"}"#,
            r#"{"\ud83d": 1}"#,
        ];
        let broken = [
            "",
            " \n",
            "{",
            "{} {}",
            "1e400",
            "-1e400",
            "\u{feff}{}",
            "nul",
            "'a'",
            "[1,]",
            "NaN",
            "01",
            "\"\n\"",
        ];

        for text in lone.into_iter().chain(broken) {
            assert_eq!(refused(text), ("malformed_json", "#".into()), "{text:?}");
        }
        assert_eq!(refused(b"\"\xff\"").0, "malformed_json");
        assert_eq!(refused(b"{\"\xc3\x28\": 1}").0, "malformed_json");
    }

    /// The body with what was refused of its items, by place and code.
    type Apart = (Value, Vec<(usize, &'static str)>);

    fn apart(text: &str) -> Result<Apart, &'static str> {
        let (body, codes) =
            parse_apart(text.as_bytes(), "events").map_err(|problem| problem.code().name())?;
        let codes = codes.iter().map(|(index, code)| (*index, code.name()));
        Ok((body, codes.collect()))
    }

    #[test]
    fn an_item_that_is_refused_refuses_no_other() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        for (item, code) in [
            (r#"{"a": "\u0000"}"#, "forbidden_character"),
            (r#"{"a": "\ud83d"}"#, "malformed_json"),
            (r#"{"a": 1, "a": 2}"#, "duplicate_key"),
            ("1e400", "malformed_json"),
            (deep.as_str(), "too_deep"),
        ] {
            let text = format!(r#"{{"v": 1, "events": [{{"b": "ü"}}, {item} , 2]}}"#);

            let expected = json!({"v": 1, "events": [{"b": "ü"}, 0, 2]});
            assert_eq!(apart(&text), Ok((expected, vec![(1, code)])), "{code}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_body_itself_refuses_all_of_it() {
        for (text, code) in [
            (
                r#"{"events": [1, "\u0000"], "v": "\u0000"}"#,
                "forbidden_character",
            ),
            (
                r#"{"events": ["\u0000"], "events": ["\u0000"]}"#,
                "forbidden_character",
            ),
            (r#"{"events": "\u0000"}"#, "forbidden_character"),
            (r#"{"events": ["\u0000"}"#, "forbidden_character"),
            (r#"["\u0000"]"#, "forbidden_character"),
            ("", "malformed_json"),
        ] {
            assert_eq!(apart(text), Err(code), "{text}");
        }
    }

    #[test]
    fn the_refusal_repeats_nothing_of_the_input() {
        let problem = parse(b"{\"a\": secret}").unwrap_err();

        assert!(!problem.document("r").to_string().contains("secret"));
    }
}
