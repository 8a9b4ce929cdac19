//! The published document as a contract: every answer is checked against it, taken as closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::{Draft, PatternOptions, Registry, Validator};
use serde_json::{Map, Value, json};
use tandem_api::edge::openapi::pass::operations;

/// What problems are answered as.
const PROBLEM: &str = "application/problem+json";
/// Headers that mean something to callers: one that is answered must be documented.
const HEADERS: &[&str] =
    &["etag", "location", "link", "retry-after", "www-authenticate", "idempotent-replayed", "ratelimit"];
/// Headers that are there on every answer for which they are documented.
const PROMISED: &[&str] = &["ETag", "Location", "X-Request-Id"];

/// The document of this build as a contract.
pub fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| Contract::of(tandem_api::program::app::document()))
}

/// The document, and its response schemas as validators, compiled when first asked for.
pub struct Contract {
    /// The published document.
    pub document: Arc<Value>,
    registry: Registry<'static>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// What came back, as far as the contract cares.
pub struct Seen<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The body; `None` where there is none, text that is no JSON as a string.
    pub body: Option<&'a Value>,
}

impl Seen<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn media_type(&self) -> Option<&str> {
        self.header("content-type").map(|value| value.split(';').next().unwrap_or(value).trim())
    }
}

impl Contract {
    fn of(document: Arc<Value>) -> Self {
        let mut closed = Value::clone(&document);
        close(&mut closed);
        let registry = Registry::new().draft(Draft::Draft202012).add("urn:tandem", closed).unwrap();
        let registry = registry.prepare().unwrap();
        Self { document, registry, validators: Mutex::default() }
    }

    /// The operation that a request reaches: its path template and the operation itself.
    pub fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let asked: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let same = |(part, segment): (&&str, &&str)| part.starts_with('{') || part == segment;
            parts.len() == asked.len() && parts.iter().zip(&asked).all(same)
        };
        let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        operations(&self.document)
            .filter(|(template, known, _)| *known == method && fits(template))
            .min_by_key(|(template, ..)| template.matches('{').count())
            .map(|(template, _, operation)| (template, operation))
    }

    /// Everything in which an answer departs from the document.
    pub fn departures(&self, seen: &Seen<'_>) -> Vec<String> {
        let is_page = seen.path == "/openapi.json" || seen.path.starts_with("/docs");
        let Some((template, operation)) = self.operation(seen.method, seen.path) else {
            return match seen.status {
                _ if is_page || seen.method == "OPTIONS" => vec![],
                400.. => self.problem(seen),
                _ => vec!["is answered, but undocumented".into()],
            };
        };
        let status = seen.status.to_string();
        let Some(response) = operation["responses"].get(&status) else {
            return vec![format!("{template}: status {status} is undocumented")];
        };
        let mut pointer = format!("/paths/{}/{}/responses/{status}", escape(template), method(seen.method));
        let mut response = response;
        if let Some(reference) = response["$ref"].as_str() {
            pointer = reference[1..].to_owned();
            response = self.document.pointer(&pointer).unwrap();
        }
        let mut found = headers(seen, response);
        found.extend(self.content(seen, response, &pointer));
        // Where a page is documented, a person reads it in the place of the problem.
        if seen.status >= 400 && seen.media_type() != Some("text/html") {
            found.extend(self.problem(seen));
        }
        found
    }

    fn content(&self, seen: &Seen<'_>, response: &Value, pointer: &str) -> Vec<String> {
        let documented = response["content"].as_object().filter(|content| !content.is_empty());
        match (documented, seen.body) {
            (None, None) => vec![],
            (None, Some(_)) => vec!["has a body, but none is documented".into()],
            (Some(_), None) if seen.method == "HEAD" => vec![],
            (Some(_), None) => vec!["has no body".into()],
            (Some(content), Some(body)) => {
                let kind = seen.media_type().unwrap_or_default();
                if !content.contains_key(kind) {
                    return vec![format!("media type {kind:?} is undocumented")];
                }
                self.mismatches(&format!("{pointer}/content/{}/schema", escape(kind)), body)
            }
        }
    }

    /// What every failure is, documented at its operation or not.
    fn problem(&self, seen: &Seen<'_>) -> Vec<String> {
        let Some(body) = seen.body.filter(|_| seen.method != "HEAD") else {
            return vec![];
        };
        if seen.media_type() != Some(PROBLEM) {
            return vec![format!("a failure must be {PROBLEM}, not {:?}", seen.media_type())];
        }
        let mut found = self.mismatches("/components/schemas/Problem", body);
        if body["status"] != seen.status {
            found.push("the problem names another status".into());
        }
        if body["request_id"].as_str() != seen.header("x-request-id") {
            found.push("the problem names another request id".into());
        }
        found
    }

    fn mismatches(&self, pointer: &str, body: &Value) -> Vec<String> {
        let compile = || {
            let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({"$ref": format!("urn:tandem#{fragment}")});
            let options = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .with_pattern_options(PatternOptions::regex())
                .offline()
                .with_registry(&self.registry)
                .build(&schema);
            Arc::new(options.unwrap_or_else(|error| panic!("{pointer}: {error}")))
        };
        let mut validators = self.validators.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let validator = validators.entry(pointer.to_owned()).or_insert_with(compile).clone();
        drop(validators);
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

fn method(method: &str) -> String {
    if method == "HEAD" { "get".into() } else { method.to_lowercase() }
}

fn headers(seen: &Seen<'_>, response: &Value) -> Vec<String> {
    let empty = Map::new();
    let documented = response["headers"].as_object().unwrap_or(&empty);
    let is_documented = |name: &str| documented.keys().any(|known| known.eq_ignore_ascii_case(name));
    let undocumented = HEADERS
        .iter()
        .filter(|name| seen.header(name).is_some() && !is_documented(name))
        // A 304 repeats the entity tag that the 200 documents.
        .filter(|name| !(seen.status == 304 && **name == "etag"))
        .map(|name| format!("header {name} is undocumented"));
    let missing = PROMISED
        .iter()
        .filter(|name| is_documented(name) && seen.header(name).is_none())
        .map(|name| format!("header {name} is documented, but missing"));
    undocumented.chain(missing).collect()
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Refuse members that no schema names, everywhere where the document does not allow them expressly.
fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if !matches!(name.as_str(), "example" | "examples" | "default" | "enum" | "const") {
                    close(member);
                }
            }
            let is_object = members.get("properties").is_some_and(Value::is_object)
                && members.get("type").is_none_or(|kind| kind == "object" || kind.is_array());
            if is_object && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".into(), json!(false));
            }
        }
        _ => {}
    }
}
