//! The one central pass over the document: what every operation shares is attached here, once.
//!
//! Handlers document their success; problems, headers, limits, discriminators, read-only members and the examples of
//! bodies come from this pass. It must run when the paths are there.

use super::{answers, examples, kinds, limits, read_only, variants};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The methods that an OpenAPI path item may have.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The document with everything attached that all operations share.
///
/// Tags keep the descriptions of `document` and are sorted; components that nothing uses are dropped.
pub fn finish(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    finish_value(&mut document);
    document
}

/// [`finish`] on a document that is JSON already.
pub fn finish_value(document: &mut Value) {
    head(document);
    variants::untangle(document);
    read_only::attach(document);
    for_each_operation(document, |path, method, operation| {
        describe(operation);
        merge_patch(method, operation);
        examples::attach(operation);
        answers::attach(path, method, operation);
        name_scopes(operation);
    });
    answers::components(document);
    kinds::attach(document);
    drop_unused(document);
    variants::lift(document);
    limits::attach(document);
    open(document);
}

/// An object schema without properties accepts any members. JSON Schema implies that; code generators read such a schema as
/// an object that is always empty, so it is written out.
fn open(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_object = |kind: &Value| {
                kind == "object"
                    || kind
                        .as_array()
                        .is_some_and(|kinds| kinds.contains(&"object".into()))
            };
            let is_bare = members.get("type").is_some_and(is_object)
                && !members.contains_key("properties")
                && !members.contains_key("additionalProperties");
            if is_bare {
                members.insert("additionalProperties".into(), true.into());
            }
            members.values_mut().for_each(open);
        }
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

/// Scopes stand in `x-required-scopes` (those that suffice instead in `x-alternative-scopes`) and in the description: with a
/// bearer scheme OpenAPI gives them no meaning, and linters refuse them.
fn name_scopes(operation: &mut Map<String, Value>) {
    let mut alternatives: Vec<BTreeSet<String>> = vec![];
    let requirements = operation.get_mut("security").and_then(Value::as_array_mut);
    let Some(requirements) = requirements else {
        return;
    };
    for requirement in requirements.iter_mut() {
        let mut scopes = BTreeSet::new();
        for (_, named) in requirement.as_object_mut().into_iter().flatten() {
            let taken = named.as_array_mut().map(std::mem::take).unwrap_or_default();
            scopes.extend(taken.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        alternatives.push(scopes);
    }
    requirements.dedup();
    if requirements.iter().all(|one| one == &json!({})) {
        requirements.clear(); // code generators read an empty list as "needs no credential", but not a list of nothing
    }
    let mut alternatives = alternatives.into_iter().filter(|scopes| !scopes.is_empty());
    let Some(scopes) = alternatives.next() else {
        return;
    };
    let list = |scopes: &BTreeSet<String>| {
        let named: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
        named.join(" and ")
    };
    let mut listed = list(&scopes);
    if let Some(others) = alternatives.next() {
        listed = format!("{listed}, or {}", list(&others));
        operation.insert("x-alternative-scopes".into(), others.into_iter().collect());
    }
    let told = operation
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let described = format!("{told}\n\nRequired scope: {listed}.");
    operation.insert("description".into(), described.trim_start().into());
    operation.insert("x-required-scopes".into(), scopes.into_iter().collect());
    if let Some(Value::Object(forbidden)) = operation.get_mut("responses").and_then(|all| all.get_mut("403"))
        && forbidden.contains_key("$ref")
    {
        let description = format!(
            "The caller lacks the required scope ({listed}), or its role or ownership does not allow this"
        );
        forbidden.insert("description".into(), description.into());
    }
}

/// The keys of all operations, `GET /v1/leads`, sorted by path.
pub fn keys(document: &Value) -> Vec<String> {
    operations(document)
        .map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
        .collect()
}

/// Every operation: path template, method in lower case, operation.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    paths.flat_map(|(path, item)| {
        let members = item.as_object().into_iter().flatten();
        members
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// What no pass can correct and a guard test should find empty: operations without tag, summary, security or a
/// name of their own, undescribed or doubled tags, references to nothing, and request schemas that serde could never
/// satisfy.
pub fn faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let tags: Vec<_> = document["tags"].as_array().into_iter().flatten().collect();
    let mut tag_names = BTreeSet::new();
    let doubled = tags
        .iter()
        .filter_map(|tag| tag["name"].as_str())
        .filter(|name| !tag_names.insert(*name));
    faults.extend(doubled.map(|name| format!("tag {name} is described twice")));
    let undescribed = tags
        .iter()
        .filter(|tag| tag["description"].as_str().is_none_or(str::is_empty));
    faults.extend(undescribed.map(|tag| format!("tag {} has no description", tag["name"])));

    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(document) {
        let mut fault = |what: &str| faults.push(format!("{} {path}: {what}", method.to_uppercase()));
        if !operation["operationId"].as_str().is_some_and(|id| ids.insert(id)) {
            fault("has no operationId of its own");
        }
        if operation["summary"].as_str().is_none_or(str::is_empty) {
            fault("has no summary");
        }
        if operation.get("security").is_none() {
            fault("says nothing about security");
        }
        let requirements = operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object);
        if requirements
            .flatten()
            .any(|(scheme, _)| document["components"]["securitySchemes"].get(scheme).is_none())
        {
            fault("asks for a security scheme that is not defined");
        }
        let used: Vec<_> = operation["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if used.is_empty() || !used.iter().all(|tag| tag_names.contains(tag)) {
            fault("has no tag or one that is not described");
        }
    }
    let mut references = BTreeSet::new();
    collect_references(document, &mut references);
    let dangling = references
        .iter()
        .filter(|reference| document.pointer(&reference[1..]).is_none());
    faults.extend(dangling.map(|reference| format!("{reference} leads nowhere")));
    faults.extend(variants::unsatisfiable(document));
    faults
}

/// Visit every operation of the document.
pub(super) fn for_each_operation(
    document: &mut Value,
    mut visit: impl FnMut(&str, &str, &mut Map<String, Value>),
) {
    let paths = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if METHODS.contains(&method.as_str())
                && let Some(operation) = operation.as_object_mut()
            {
                visit(path, method, operation);
            }
        }
    }
}

/// The names of the component schemas that requests can hold.
pub(super) fn request_schemas(document: &Value) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for (_, _, operation) in operations(document) {
        collect_references(&operation["requestBody"], &mut open);
        collect_references(&operation["parameters"], &mut open);
    }
    let mut schemas = BTreeSet::new();
    while let Some(reference) = open.pop_first() {
        let Some(target) = document.pointer(&reference[1..]) else {
            continue;
        };
        let name = reference
            .strip_prefix("#/components/schemas/")
            .unwrap_or(&reference);
        if schemas.insert(name.to_owned()) {
            collect_references(target, &mut open);
        }
    }
    schemas
}

/// Gather every local reference in `value`.
pub(super) fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with("#/components/") => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(members) => members
            .values()
            .for_each(|member| collect_references(member, found)),
        _ => {}
    }
}

/// Licence, contact, server and the order of tags.
fn head(document: &mut Value) {
    document["servers"] = json!([{"url": "/", "description": "This server"}]);
    let info = &mut document["info"];
    if info["license"]["identifier"].is_null() && info["license"]["url"].is_null() {
        info["license"] = json!({"name": "Apache License 2.0", "identifier": "Apache-2.0"});
    }
    if info["contact"].is_null() {
        info["contact"] = json!({"name": "The people of Tandem"});
    }
    if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
        tags.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    }
}

/// An operation whose documentation is a single sentence has it as its description too.
fn describe(operation: &mut Map<String, Value>) {
    if operation
        .get("description")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
        && let Some(summary) = operation.get("summary").cloned()
    {
        operation.insert("description".into(), summary);
    }
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
        let schema = &parameter["schema"];
        let types = [&schema["type"], &schema["type"][0], &schema["type"][1]];
        if types.iter().any(|kind| *kind == "array") {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
    }
}

/// PATCH takes a JSON merge patch under both of its media types.
fn merge_patch(method: &str, operation: &mut Map<String, Value>) {
    const TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];
    let content = operation
        .get_mut("requestBody")
        .and_then(|body| body.get_mut("content"));
    if let ("patch", Some(content)) = (method, content.and_then(Value::as_object_mut))
        && let Some(body) = TYPES.iter().find_map(|media| content.get(*media)).cloned()
    {
        for media in TYPES {
            content.entry(media).or_insert_with(|| body.clone());
        }
    }
}

/// Drop the components that no operation leads to.
fn drop_unused(document: &mut Value) {
    let mut open = BTreeSet::new();
    collect_references(&document["paths"], &mut open);
    let mut used = BTreeSet::new();
    while let Some(reference) = open.pop_first() {
        if let Some(target) = document.pointer(&reference[1..]) {
            let mut next = BTreeSet::new();
            collect_references(target, &mut next);
            used.insert(reference);
            open.extend(next.into_iter().filter(|reference| !used.contains(reference)));
        }
    }
    let schemes: BTreeSet<String> = operations(document)
        .flat_map(|(_, _, operation)| operation["security"].as_array().into_iter().flatten())
        .flat_map(|requirement| requirement.as_object().into_iter().flatten())
        .map(|(scheme, _)| scheme.clone())
        .collect();
    let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) else {
        return;
    };
    for (kind, members) in components.iter_mut() {
        if let Some(members) = members.as_object_mut() {
            members.retain(|name, _| match kind.as_str() {
                "securitySchemes" => schemes.contains(name),
                _ => used.contains(&format!("#/components/{kind}/{name}")),
            });
        }
    }
    components.retain(|_, members| members.as_object().is_none_or(|members| !members.is_empty()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::openapi::sample::document;

    /// The statuses that an operation documents, with the component that each refers to.
    fn statuses(document: &Value, path: &str, method: &str) -> Vec<String> {
        document["paths"][path][method]["responses"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    fn parameters(document: &Value, path: &str, method: &str) -> Vec<String> {
        let list = document["paths"][path][method]["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        list.filter_map(|p| p["$ref"].as_str())
            .map(|r| r.rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_sample_has_no_faults() {
        assert_eq!(faults(&document()), Vec::<String>::new());
        assert_eq!(keys(&document())[..2], ["POST /v1/auth/login", "GET /v1/leads"]);
    }

    #[test]
    fn problems_come_by_kind_of_operation() {
        let document = document();

        let read = [
            "200", "304", "400", "401", "403", "404", "429", "431", "500", "503",
        ];
        assert_eq!(statuses(&document, "/v1/leads/{lead_id}", "get"), read);
        let patch = [
            "200", "400", "401", "403", "404", "408", "409", "412", "413", "415", "422", "429", "431", "500",
            "503",
        ];
        assert_eq!(statuses(&document, "/v1/leads/{lead_id}", "patch"), patch);
        let login = [
            "204", "400", "408", "413", "415", "422", "429", "431", "500", "503",
        ];
        assert_eq!(statuses(&document, "/v1/auth/login", "post"), login);
    }

    #[test]
    fn a_403_names_the_scope_and_a_handlers_own_words_stay() {
        let document = document();
        let leads = &document["paths"]["/v1/leads"];

        let forbidden = &leads["post"]["responses"]["403"];
        assert_eq!(forbidden["$ref"], "#/components/responses/Forbidden");
        assert!(
            forbidden["description"]
                .as_str()
                .unwrap()
                .contains("`leads:write`")
        );
        let own = &leads["get"]["responses"]["429"];
        assert_eq!(own["description"], "Enough");
        assert_eq!(
            own["content"]["application/problem+json"]["schema"]["$ref"],
            "#/components/schemas/Problem"
        );
        assert_eq!(
            own["headers"]["Retry-After"]["$ref"],
            "#/components/headers/RetryAfter"
        );
    }

    #[test]
    fn headers_are_shared() {
        let document = document();
        let made = &document["paths"]["/v1/leads"]["post"]["responses"]["201"]["headers"];

        for header in [
            "X-Request-Id",
            "RateLimit",
            "RateLimit-Policy",
            "Idempotent-Replayed",
        ] {
            assert!(made[header]["$ref"].is_string(), "{header}");
        }
        let responses = &document["components"]["responses"];
        assert!(responses["Unavailable"]["headers"]["Retry-After"].is_object());
        assert!(responses["Unauthenticated"]["headers"]["WWW-Authenticate"].is_object());
        assert!(
            responses
                .as_object()
                .unwrap()
                .values()
                .all(|r| r["headers"]["X-Request-Id"].is_object())
        );
    }

    #[test]
    fn header_parameters_follow_the_operation() {
        let document = document();

        assert_eq!(
            parameters(&document, "/v1/leads", "post"),
            ["OnBehalfOf", "IdempotencyKey"]
        );
        assert_eq!(parameters(&document, "/v1/auth/login", "post"), [""; 0]);
        assert_eq!(
            parameters(&document, "/v1/leads/{lead_id}", "get"),
            ["OnBehalfOf", "IfNoneMatch"]
        );
        assert_eq!(
            parameters(&document, "/v1/leads/{lead_id}", "patch"),
            ["OnBehalfOf", "IfMatch"]
        );
        assert_eq!(
            parameters(&document, "/v1/leads/{lead_id}", "delete"),
            ["OnBehalfOf", "IfMatch"]
        );
    }

    #[test]
    fn a_patch_takes_both_media_types() {
        let document = document();
        let content = &document["paths"]["/v1/leads/{lead_id}"]["patch"]["requestBody"]["content"];

        assert_eq!(
            content["application/json"],
            content["application/merge-patch+json"]
        );
    }

    #[test]
    fn the_head_is_complete_and_nothing_unused_is_left() {
        let document = document();
        let components = &document["components"];

        assert_eq!(document["servers"][0]["url"], "/");
        assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
        assert_eq!(document["tags"][0]["name"], "auth");
        assert_eq!(
            document["paths"]["/v1/auth/login"]["post"]["description"],
            "Log in."
        );
        assert_eq!(
            document["paths"]["/v1/leads"]["post"]["description"],
            "It stands at the beginning.\n\nRequired scope: `leads:write`."
        );
        assert!(
            components["schemas"].get("Unused").is_none()
                && components["securitySchemes"].get("unused").is_none()
        );
        assert!(components["securitySchemes"].get("user").is_some());
    }

    #[test]
    fn the_pass_changes_nothing_the_second_time() {
        let once = document();
        let mut twice = once.clone();

        finish_value(&mut twice);

        assert_eq!(once, twice);
    }

    #[test]
    fn faults_are_found() {
        let document = json!({
            "tags": [{"name": "bare"}, {"name": "bare"}],
            "components": {"schemas": {
                "Body": {"type": "object", "additionalProperties": false, "properties": {"a": {}}},
                "Choice": {"oneOf": [{"allOf": [
                    {"$ref": "#/components/schemas/Body"}, {"type": "object", "properties": {"type": {"const": "body"}}}
                ]}]}
            }},
            "paths": {
                "/x": {"post": {"tags": ["other"], "requestBody": {"content": {"application/json": {"schema": {
                    "oneOf": [{"$ref": "#/components/schemas/Choice"}, {"$ref": "#/components/schemas/Gone"}]
                }}}}}},
                "/y": {"get": {"security": [{"gone": []}]}}
            }
        });

        let faults = faults(&document).join("\n");

        for fault in [
            "tag \"bare\"",
            "tag bare is described twice",
            "operationId",
            "summary",
            "about security",
            "security scheme",
            "no tag",
            "Gone leads nowhere",
            "struct variants",
        ] {
            assert!(faults.contains(fault), "{fault} in {faults}");
        }
    }
}
