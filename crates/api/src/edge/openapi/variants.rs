//! Tagged enums in the document: closed in requests, named, and distinguished by a discriminator.

use super::pass::request_schemas;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

/// Undo two habits of the generator: a description that is joined to an inlined schema as if it were an
/// object of its own, and the items of generics that are written out although they are a component.
pub(super) fn untangle(document: &mut Value) {
    unjoin(document);
    let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) else {
        return;
    };
    let known: HashMap<String, String> = schemas
        .iter()
        .filter(|(_, schema)| schema.get("properties").is_some() || schema.get("oneOf").is_some())
        .map(|(name, schema)| (schema.to_string(), format!("#/components/schemas/{name}")))
        .collect();
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    schemas.for_each(|(_, schema)| refer_below(schema, &known));
    if let Some(paths) = document.get_mut("paths") {
        refer_below(paths, &known);
    }
}

fn unjoin(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(unjoin),
        Value::Object(members) => members.values_mut().for_each(unjoin),
        _ => {}
    }
    let Some([_, note]) = value["allOf"].as_array().map(Vec::as_slice) else {
        return;
    };
    let only_notes = note["type"] == "object" && note.as_object().is_some_and(|note| note.len() == 2);
    if let (true, Some(text)) = (only_notes, note.get("description").cloned()) {
        let mut schema = value["allOf"][0].take();
        schema["description"] = text;
        *value = schema;
    }
}

/// Replace every schema inside `value` that is a component written out.
fn refer_below(value: &mut Value, known: &HashMap<String, String>) {
    let refer = |member: &mut Value| match member
        .is_object()
        .then(|| known.get(&member.to_string()))
        .flatten()
    {
        Some(reference) => *member = json!({"$ref": reference}),
        None => refer_below(member, known),
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(refer),
        Value::Object(members) => members.values_mut().for_each(refer),
        _ => {}
    }
}

/// Close the objects that requests can hold, variants included, and give every internally tagged enum among
/// the components named variants and a discriminator.
pub(super) fn lift(document: &mut Value) {
    let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in &names {
        let Some(schema) = schemas.get_mut(name) else {
            continue;
        };
        let Some(tag) = tag_of(schema) else { continue };
        let mut lifted = Map::new();
        let mut mapping = Map::new();
        for branch in schema["oneOf"].as_array_mut().into_iter().flatten() {
            let Some(value) = tag_value(branch, &tag).map(str::to_owned) else {
                continue;
            };
            let mut component = format!("{name}{}", pascal(&value));
            if names.contains(&component) {
                component.push_str("Variant");
            }
            let reference = format!("#/components/schemas/{component}");
            lifted.insert(component, std::mem::replace(branch, json!({"$ref": reference})));
            mapping.insert(value, reference.into());
        }
        schema["discriminator"] = json!({"propertyName": tag, "mapping": mapping});
        schemas.extend(lifted);
    }
    let (requests, mut joined) = (request_schemas(document), BTreeSet::new());
    collect_joined(document, &mut joined);
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    for (name, schema) in schemas {
        if requests.contains(name) && !joined.contains(&format!("#/components/schemas/{name}")) {
            close(schema);
        }
    }
    super::pass::for_each_operation(document, |_, _, operation| {
        if let Some(body) = operation.get_mut("requestBody") {
            let content = body
                .get_mut("content")
                .and_then(Value::as_object_mut)
                .into_iter()
                .flatten();
            content
                .filter_map(|(_, media)| media.get_mut("schema"))
                .for_each(close);
        }
    });
}

/// Request schemas that no value can satisfy: `allOf` of a closed body and its tag, which a newtype variant
/// makes.
pub(super) fn unsatisfiable(document: &Value) -> Vec<String> {
    let closed = |schema: &Value| {
        let target = schema["$ref"]
            .as_str()
            .and_then(|reference| document.pointer(&reference[1..]));
        target.unwrap_or(schema)["additionalProperties"] == false
    };
    let schemas = request_schemas(document).into_iter();
    schemas
        .filter(|name| {
            let schema = &document["components"]["schemas"][name];
            let own = schema["allOf"].as_array();
            let branches = schema["oneOf"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|b| b["allOf"].as_array());
            own.into_iter()
                .chain(branches)
                .any(|parts| parts.len() > 1 && parts.iter().any(closed))
        })
        .map(|name| format!("schema {name} joins a closed object with further members: use struct variants"))
        .collect()
}

/// Gather what is referred to as a part of an `allOf`.
fn collect_joined(value: &Value, joined: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_joined(item, joined)),
        Value::Object(members) => {
            let parts = members
                .get("allOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            joined.extend(parts.filter_map(|part| part["$ref"].as_str().map(str::to_owned)));
            members.values().for_each(|member| collect_joined(member, joined));
        }
        _ => {}
    }
}

/// Close every object that names its members, wherever it stands in a request's schema. The parts of an
/// `allOf` stay open, as each sees only its own members; the whole is closed by `unevaluatedProperties`.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.contains_key("allOf") {
        object
            .entry("unevaluatedProperties")
            .or_insert(Value::Bool(false));
    } else if object.contains_key("properties") && !object.contains_key("unevaluatedProperties") {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (keyword, value) in object.iter_mut() {
        match keyword.as_str() {
            "properties" => value
                .as_object_mut()
                .into_iter()
                .flatten()
                .for_each(|(_, member)| close(member)),
            "oneOf" | "anyOf" | "prefixItems" => value.as_array_mut().into_iter().flatten().for_each(close),
            "items" | "additionalProperties" => close(value),
            _ => {}
        }
    }
}

/// The member that distinguishes the branches of a `oneOf`: each fixes it to one value of its own.
fn tag_of(schema: &Value) -> Option<String> {
    let branches = schema["oneOf"].as_array().filter(|branches| branches.len() > 1)?;
    let mut candidates = own_properties(branches.first()?).into_iter().flatten();
    let tag = candidates.find(|(name, _)| {
        let mut values: Vec<_> = branches
            .iter()
            .filter_map(|branch| tag_value(branch, name))
            .collect();
        values.sort_unstable();
        values.dedup();
        values.len() == branches.len()
    });
    tag.map(|(name, _)| name.clone())
}

/// The one value that an inline branch allows for the member `tag`.
fn tag_value<'a>(branch: &'a Value, tag: &str) -> Option<&'a str> {
    let member = own_properties(branch)?.get(tag)?;
    match member["enum"].as_array().map(Vec::as_slice) {
        Some([one]) => one.as_str(),
        _ => member["const"].as_str(),
    }
}

/// The members that a branch itself names: an object's, or those of the object inside an `allOf`.
fn own_properties(branch: &Value) -> Option<&Map<String, Value>> {
    match branch["allOf"].as_array() {
        Some(parts) => parts.iter().find_map(|part| part["properties"].as_object()),
        None => branch["properties"].as_object(),
    }
}

/// `first_touch` as `FirstTouch`.
fn pascal(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::openapi::sample::document;

    #[test]
    fn a_tagged_enum_has_named_variants_and_a_discriminator() {
        let contact = &document()["components"]["schemas"]["Contact"];

        assert_eq!(contact["discriminator"]["propertyName"], "kind");
        let letter = "#/components/schemas/ContactPostalLetter";
        assert_eq!(contact["discriminator"]["mapping"]["postal_letter"], letter);
        assert_eq!(contact["oneOf"][1], json!({"$ref": letter}));
    }

    #[test]
    fn what_requests_hold_is_closed_and_answers_stay_open() {
        let schemas = &document()["components"]["schemas"];

        for name in [
            "CreateLead",
            "Company",
            "ContactPhone",
            "ContactNever",
            "PatchLead",
        ] {
            assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
        }
        for name in ["LeadView", "EventViewEmailOpen", "Page"] {
            assert!(schemas[name].get("additionalProperties").is_none(), "{name}");
        }
    }

    #[test]
    fn the_parts_of_a_join_stay_open_and_the_whole_is_closed() {
        let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let mut document = json!({
            "components": {"schemas": {
                "Part": {"type": "object", "properties": {"a": {}}},
                "Whole": {"allOf": [reference("Part"), {"type": "object", "properties": {"b": {}}}]}
            }},
            "paths": {"/x": {"post": {"requestBody": {"content": {"application/json": {"schema": reference("Whole")}}}}}}
        });

        lift(&mut document);

        let schemas = &document["components"]["schemas"];
        assert!(schemas["Part"].get("additionalProperties").is_none());
        assert_eq!(schemas["Whole"]["unevaluatedProperties"], false);
    }

    #[test]
    fn the_items_of_a_generic_are_referred_to() {
        let listing = &document()["components"]["schemas"]["Listing_LeadView"];

        assert_eq!(
            listing["properties"]["data"]["items"],
            json!({"$ref": "#/components/schemas/LeadView"})
        );
    }

    #[test]
    fn what_is_written_out_is_referred_to() {
        let part = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let mut document = json!({"components": {"schemas": {
            "Part": part.clone(),
            "Page": {"type": "object", "properties": {
                "data": {"type": "array", "items": part},
                "note": {"allOf": [{"type": "string"}, {"type": "object", "description": "Words"}]}
            }}
        }}});

        untangle(&mut document);

        let page = &document["components"]["schemas"]["Page"]["properties"];
        assert_eq!(
            page["data"]["items"],
            json!({"$ref": "#/components/schemas/Part"})
        );
        assert_eq!(page["note"], json!({"type": "string", "description": "Words"}));
        assert_eq!(document["components"]["schemas"]["Part"]["type"], "object");
    }
}
