//! Limits in the document: every integer, string and list has one, so that clients can size what they store.

use super::pass::{for_each_operation, request_schemas};
use serde_json::{Map, Value, json};

/// The largest integer that every JSON parser keeps exactly (RFC 7493): 2^53 - 1.
const SAFE: i64 = 9_007_199_254_740_991;

/// The limits of one direction.
#[derive(Clone, Copy)]
struct Limits {
    text: u32,
    items: u32,
}

const REQUEST: Limits = Limits {
    text: 8_192,
    items: 500,
};
const RESPONSE: Limits = Limits {
    text: 65_536,
    items: 1_000,
};

/// Attach a limit wherever a schema of the document has none.
///
/// A component that requests can hold has their limits, also where an answer holds it.
pub(super) fn attach(document: &mut Value) {
    let requests = request_schemas(document);
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    for (name, schema) in schemas {
        bound(
            schema,
            if requests.contains(name) {
                REQUEST
            } else {
                RESPONSE
            },
        );
    }
    for (kind, limits) in [
        ("parameters", REQUEST),
        ("headers", RESPONSE),
        ("responses", RESPONSE),
    ] {
        let members = document["components"]
            .get_mut(kind)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten();
        members.for_each(|(_, member)| bound_within(member, limits));
    }
    for_each_operation(document, |_, _, operation| {
        for (part, limits) in [
            ("requestBody", REQUEST),
            ("parameters", REQUEST),
            ("responses", RESPONSE),
        ] {
            if let Some(part) = operation.get_mut(part) {
                bound_within(part, limits);
            }
        }
    });
}

/// Bound the schemas that stand in a parameter, body, header or response.
fn bound_within(value: &mut Value, limits: Limits) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| bound_within(item, limits)),
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "schema" => bound(member, limits),
                    "example" | "examples" => {}
                    _ => bound_within(member, limits),
                }
            }
        }
        _ => {}
    }
}

fn bound(schema: &mut Value, limits: Limits) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if !object.contains_key("enum") && !object.contains_key("const") {
        if has_type(object, "integer") {
            integer(object);
        } else if has_type(object, "number") {
            between(object, -SAFE, SAFE);
        }
        if has_type(object, "string") {
            string(object, limits);
        }
        if has_type(object, "array") {
            object.entry("maxItems").or_insert(json!(limits.items));
        }
    }
    for (keyword, value) in object.iter_mut() {
        match keyword.as_str() {
            "properties" | "$defs" | "patternProperties" => {
                value
                    .as_object_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|(_, member)| bound(member, limits));
            }
            "oneOf" | "anyOf" | "allOf" | "prefixItems" => {
                value
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|branch| bound(branch, limits));
            }
            "items" | "additionalProperties" | "propertyNames" | "unevaluatedProperties" => {
                bound(value, limits)
            }
            _ => {}
        }
    }
}

fn has_type(schema: &Map<String, Value>, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(several)) => several.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

fn integer(schema: &mut Map<String, Value>) {
    match schema.get("format").and_then(Value::as_str) {
        Some("int32") => between(schema, i32::MIN.into(), i32::MAX.into()),
        _ => between(schema, -SAFE, SAFE),
    }
}

fn between(schema: &mut Map<String, Value>, least: i64, most: i64) {
    if !schema.contains_key("exclusiveMinimum") {
        schema.entry("minimum").or_insert(json!(least));
    }
    if !schema.contains_key("exclusiveMaximum") {
        schema.entry("maximum").or_insert(json!(most));
    }
}

fn string(schema: &mut Map<String, Value>, limits: Limits) {
    let most = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => 35,
        Some("date") => 10,
        Some("time") => 21,
        Some("uuid") => 36,
        Some("email") => 320,
        Some("hostname") => 253,
        Some("uri" | "uri-reference") => 2_048,
        Some("binary" | "byte") => return,
        Some(_) => limits.text,
        None if schema.contains_key("pattern") => return,
        None => limits.text,
    };
    schema.entry("maxLength").or_insert(json!(most));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::openapi::sample::document;

    #[test]
    fn everything_has_a_limit_and_a_limit_that_is_there_stays() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let lead = &schemas["CreateLead"]["properties"];

        assert_eq!(
            (&lead["seats"]["minimum"], &lead["seats"]["maximum"]),
            (&json!(1), &json!(i32::MAX))
        );
        assert_eq!(lead["score"]["minimum"], json!(-SAFE));
        assert_eq!(lead["email"]["maxLength"], 320);
        assert_eq!(lead["first_name"]["maxLength"], 20);
        assert_eq!(lead["notes"]["maxItems"], 3);
        assert_eq!(lead["custom"]["additionalProperties"]["maxLength"], 8_192);
        assert!(
            schemas["Company"]["properties"]["domain"]
                .get("maxLength")
                .is_none()
        );
        assert_eq!(schemas["EventViewEmailOpen"]["properties"]["at"]["maxLength"], 35);
        assert_eq!(schemas["LeadView"]["properties"]["id"]["maxLength"], 65_536);
        assert_eq!(schemas["LeadView"]["properties"]["events"]["maxItems"], 1_000);
    }

    #[test]
    fn inline_schemas_have_limits_too() {
        let document = document();
        let leads = &document["paths"]["/v1/leads"]["get"];
        let batch = &document["paths"]["/v1/leads/batch"]["post"];

        assert_eq!(
            batch["requestBody"]["content"]["application/json"]["schema"]["maxItems"],
            500
        );
        assert_eq!(
            batch["responses"]["200"]["content"]["application/json"]["schema"]["maxItems"],
            1_000
        );
        let parameters = leads["parameters"].as_array().unwrap();
        let stage = parameters.iter().find(|p| p["name"] == "stage").unwrap();
        assert_eq!(
            (&stage["schema"]["maxItems"], &stage["explode"]),
            (&json!(500), &json!(false))
        );
        let share = parameters.iter().find(|p| p["name"] == "share").unwrap();
        assert_eq!(share["schema"]["maximum"], json!(SAFE));
    }
}
