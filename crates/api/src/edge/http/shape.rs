//! The published schemas as validators: what the document says of a request is what is checked.

use super::explain::{Names, collect_names, explain};
use super::query_shape::{parameters, schema};
use super::violation::Violation;
use crate::edge::openapi::pass::operations;
use jsonschema::{Draft, Keyword, PatternOptions, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub use super::query_shape::QueryShape;

/// The document's name among the validators.
const DOCUMENT: &str = "urn:tandem";

/// The media types of bodies, the more particular one last.
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// A value of more parts than this is explained by its beginning.
const LARGE: usize = 50_000;

/// An object is shown whole up to this many members, so that none seems to be missing.
const LARGE_OBJECT: usize = 1_000;

/// The shapes of all operations' bodies and queries, compiled once at the start.
///
/// The key of an operation is its method and its path template: `POST /v1/leads/{lead_id}/moves`.
#[derive(Debug, Default)]
pub struct Shapes {
    bodies: HashMap<String, Shape>,
    queries: HashMap<String, QueryShape>,
}

/// The shape of one value.
#[derive(Debug)]
pub struct Shape {
    validator: Validator,
    names: Arc<Names>,
}

/// A schema of the document that cannot be compiled: its operation and why.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {operation} does not compile: {reason}")]
pub struct ShapeError {
    /// The operation's key, or the document as a whole.
    pub operation: String,
    /// What the compiler says.
    pub reason: String,
}

impl Shapes {
    /// Compile the shapes of every operation of a finished document.
    pub fn compile(document: &Value) -> Result<Shapes, ShapeError> {
        let whole = |error: jsonschema::ReferencingError| fault("the document", error);
        let registry = Registry::new()
            .draft(Draft::Draft202012)
            .add(DOCUMENT, document.clone())
            .map_err(whole)?;
        let registry = registry.prepare().map_err(whole)?;
        let options = options(&registry);
        let mut names = Names::new();
        collect_names(document, &mut String::new(), &mut names);
        let names = Arc::new(names);

        let mut shapes = Shapes::default();
        for (path, method, operation) in operations(document) {
            let key = format!("{} {path}", method.to_uppercase());
            let pointer = format!("/paths/{}/{method}", escape(path));
            let compile = |schema: &Value| options.build(schema).map_err(|error| fault(&key, error));

            let content = operation.pointer("/requestBody/content");
            if let Some(media) =
                content.and_then(|content| MEDIA_TYPES.iter().find(|media| content.get(media).is_some()))
            {
                let body = reference(&format!("{pointer}/requestBody/content/{}/schema", escape(media)));
                let shape = Shape {
                    validator: compile(&body)?,
                    names: names.clone(),
                };
                shapes.bodies.insert(key.clone(), shape);
            }

            let parameters = parameters(document, path, method);
            let validator = compile(&schema(&parameters))?;
            let known = parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect();
            let shape = Shape {
                validator,
                names: Arc::new(Names::from([(String::new(), known)])),
            };
            shapes
                .queries
                .insert(key, QueryShape::new(shape, document, &parameters));
        }
        Ok(shapes)
    }

    /// The shape of the operation's body, if it has one.
    pub fn body(&self, key: &str) -> Option<&Shape> {
        self.bodies.get(key)
    }

    /// The shape of the operation's query; every operation of the document has one, if only an empty one.
    pub fn query(&self, key: &str) -> Option<&QueryShape> {
        self.queries.get(key)
    }
}

impl Shape {
    /// All violations of `value`, sorted by place; none when it is as the document says.
    pub fn check(&self, value: &Value) -> Vec<Violation> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        match trimmed(value) {
            None => explain(self.validator.iter_errors(value), &self.names),
            Some(part) => {
                let first = self.validator.validate(value).err();
                explain(self.validator.iter_errors(&part).chain(first), &self.names)
            }
        }
    }
}

/// The beginning of a value that is absurdly large: each violation costs memory, and only the first are reported.
fn trimmed(value: &Value) -> Option<Value> {
    fn size(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
            Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
            _ => 1,
        }
    }
    fn begin(value: &Value, room: &mut usize) -> Value {
        *room = room.saturating_sub(1);
        match value {
            Value::Array(items) => {
                let mut kept = Vec::new();
                for item in items {
                    if *room == 0 {
                        break;
                    }
                    kept.push(begin(item, room));
                }
                Value::Array(kept)
            }
            Value::Object(members) => {
                let kept = members.iter().take((*room).max(LARGE_OBJECT));
                Value::Object(
                    kept.map(|(key, member)| (key.clone(), begin(member, room)))
                        .collect(),
                )
            }
            other => other.clone(),
        }
    }
    (size(value) > LARGE).then(|| {
        let mut room = LARGE;
        begin(value, &mut room)
    })
}

fn fault(operation: &str, reason: impl ToString) -> ShapeError {
    ShapeError {
        operation: operation.to_owned(),
        reason: reason.to_string(),
    }
}

fn options<'r>(registry: &'r Registry<'r>) -> ValidationOptions<'r> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .with_keyword("readOnly", |_, value, _| {
            Ok(Box::new(ReadOnly(value == &Value::Bool(true))))
        })
        .offline()
        .with_registry(registry)
}

pub(super) fn reference(pointer: &str) -> Value {
    json!({"$ref": format!("{DOCUMENT}#{}", pointer.replace('{', "%7B").replace('}', "%7D"))})
}

/// A name as one segment of a JSON pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// `readOnly: true` in a request: the member must not be there.
struct ReadOnly(bool);

impl<'i> Keyword<'i> for ReadOnly {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.0 {
            Err(ValidationError::custom("read only"))
        } else {
            Ok(())
        }
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::http::violation::Location;

    /// The violations of a value against one schema, as `place: code`.
    fn check(schema: Value, value: Value) -> Vec<String> {
        let body = json!({"content": {"application/json": {"schema": schema}}});
        let document = json!({"openapi": "3.1.0", "paths": {"/v1/x/{id}": {"post": {"requestBody": body}}}});
        let shapes = Shapes::compile(&document).unwrap();
        let violations = shapes.body("POST /v1/x/{id}").unwrap().check(&value);
        let text = |place: &Location| match place {
            Location::Pointer(pointer) => pointer.clone(),
            other => format!("{other:?}"),
        };
        violations
            .iter()
            .map(|v| format!("{}: {}", text(&v.place), v.code))
            .collect()
    }

    fn tagged() -> Value {
        let variant = |tag: &str, member: &str| {
            json!({"type": "object", "required": ["type", member], "additionalProperties": false,
                "properties": {"type": {"enum": [tag]}, member: {"type": "integer"}}})
        };
        json!({"type": "object", "properties": {"act": {"oneOf": [variant("call", "minutes"), variant("mail", "words")]}}})
    }

    #[test]
    fn the_tag_chooses_the_branch() {
        let call = json!({"act": {"type": "call", "minutes": "x", "words": 1}});

        assert_eq!(
            check(tagged(), call),
            ["#/act/minutes: invalid_type", "#/act/words: unknown_field"]
        );
    }

    #[test]
    fn a_tag_that_is_missing_or_unknown_is_named() {
        assert_eq!(
            check(tagged(), json!({"act": {"minutes": 1}})),
            ["#/act/type: required"]
        );
        assert_eq!(
            check(tagged(), json!({"act": {"type": "fax"}})),
            ["#/act/type: invalid_variant"]
        );
        assert_eq!(check(tagged(), json!({"act": 5})), ["#/act: invalid_type"]);
    }

    #[test]
    fn a_nullable_object_is_explained_by_the_object() {
        let schema = json!({"oneOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]});

        assert_eq!(check(schema.clone(), json!({})), ["#/a: required"]);
        assert_eq!(check(schema.clone(), json!("x")), ["#: invalid_type"]);
        assert_eq!(check(schema, json!(null)), [""; 0]);
    }

    #[test]
    fn every_rule_has_its_word() {
        let member = |schema: Value, value: Value| check(schema, value).join(" ");
        for (schema, value, code) in [
            (json!({"maxLength": 2}), json!("éèà"), "too_long"),
            (json!({"exclusiveMaximum": 2}), json!(2), "out_of_range"),
            (json!({"multipleOf": 5}), json!(7), "multiple_of"),
            (json!({"const": 1}), json!(2), "not_allowed"),
            (json!({"minItems": 1}), json!([]), "too_few_items"),
            (json!({"maxItems": 1}), json!([1, 2]), "too_many_items"),
            (json!({"uniqueItems": true}), json!([1, 1]), "duplicate_items"),
            (
                json!({"format": "date-time"}),
                json!("2026-01-02"),
                "invalid_format",
            ),
            (json!({"format": "uuid"}), json!("x"), "invalid_format"),
            (
                json!({"type": ["string", "null"], "pattern": "^a"}),
                json!("b"),
                "invalid_format",
            ),
            (json!({"type": "string", "enum": ["a"]}), json!(1), "invalid_type"),
            (json!({"maxProperties": 0}), json!({"a": 1}), "too_many_items"),
        ] {
            assert_eq!(member(schema, value), format!("#: {code}"));
        }
    }

    #[test]
    fn a_read_only_member_hides_what_else_is_wrong_with_it() {
        let schema =
            json!({"properties": {"score": {"readOnly": true, "type": "object", "required": ["a"]}}});

        assert_eq!(
            check(schema.clone(), json!({"score": {}})),
            ["#/score: read_only_field"]
        );
        assert_eq!(
            check(schema.clone(), json!({"score": 1})),
            ["#/score: read_only_field"]
        );
        assert_eq!(check(schema, json!({})), [""; 0]);
    }

    #[test]
    fn names_are_escaped_in_places() {
        let schema = json!({"properties": {"a": {"additionalProperties": false, "properties": {}}}});

        assert_eq!(
            check(schema, json!({"a": {"x/y": 1, "ü": 1}})),
            ["#/a/%C3%BC: unknown_field", "#/a/x~1y: unknown_field"]
        );
    }

    #[test]
    fn a_hostile_body_is_answered_in_bounded_time() {
        let items = json!({"type": "array", "maxItems": 500, "items": {"type": "string"}});

        let violations = check(items, vec![0; 500_000].into());

        assert!(violations.contains(&"#/0: invalid_type".to_owned()));
        assert!(violations.len() <= 501, "{}", violations.len());
    }

    #[test]
    fn a_schema_that_does_not_compile_names_its_operation() {
        let body = json!({"content": {"application/json": {"schema": {"type": "nonsense"}}}});
        let document = json!({"paths": {"/x": {"put": {"requestBody": body}}}});

        assert!(
            Shapes::compile(&document)
                .unwrap_err()
                .to_string()
                .contains("PUT /x")
        );
    }
}
