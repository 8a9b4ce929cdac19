//! The published document: equal to the code, complete, and without faults; and the lists of the guide.

use std::collections::BTreeSet;

use serde_json::Value;
use tandem_api::edge::http::code::Code;
use tandem_api::edge::http::shape::Shapes;
use tandem_api::edge::openapi::{self, pass};
use tandem_api::program::app::{document, operations};
use tandem_domain::access::Scope;
use tandem_domain::change;

use crate::{files, root};

#[test]
fn the_committed_document_is_the_one_of_the_code() {
    let committed = std::fs::read_to_string(root().join("openapi/tandem.json")).unwrap_or_default();
    let text = openapi::text(&document());
    assert!(committed == text, "write it anew: cargo run -- openapi > openapi/tandem.json");
}

#[test]
fn the_document_is_the_same_on_every_run() {
    let document = || openapi::text(&openapi::document(operations));
    assert_eq!(document(), document());
}

#[test]
fn every_annotated_handler_is_an_operation() {
    let sources = files("crates/api/src", ".rs");
    let annotated: usize = sources
        .iter()
        .filter(|(name, _)| !name.ends_with("openapi/sample.rs"))
        .map(|(_, text)| text.lines().filter(|line| line.trim_start().starts_with("#[utoipa::path")).count())
        .sum();
    assert_eq!(pass::operations(&document()).count(), annotated);
}

#[test]
fn the_document_has_no_faults() {
    assert_eq!(pass::faults(&document()), Vec::<String>::new());
}

#[test]
fn every_operation_says_who_may_and_names_scopes_that_exist() {
    for (path, method, operation) in pass::operations(&document()) {
        assert!(operation["security"].is_array(), "{method} {path}");
        for scope in operation["x-required-scopes"].as_array().into_iter().flatten() {
            let name = scope.as_str().unwrap();
            assert!(Scope::named(name).is_some(), "{method} {path}: {name}");
            let refusal = operation["responses"]["403"]["description"].as_str().unwrap_or_default();
            assert!(refusal.contains(name), "{method} {path}: the 403 does not name {name}");
        }
    }
}

#[test]
fn every_text_list_and_number_of_a_schema_has_its_limits() {
    let document = document();
    let mut unlimited = BTreeSet::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        look_for_limits(schema, name, &mut unlimited);
    }
    for (path, method, operation) in pass::operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            look_for_limits(
                &parameter["schema"],
                &format!("{method} {path} {}", parameter["name"]),
                &mut unlimited,
            );
        }
    }
    assert_eq!(unlimited, BTreeSet::new());
}

fn look_for_limits(schema: &Value, place: &str, unlimited: &mut BTreeSet<String>) {
    let Some(members) = schema.as_object() else {
        for item in schema.as_array().into_iter().flatten() {
            look_for_limits(item, place, unlimited);
        }
        return;
    };
    let is = |kind: &str| match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(all) => all.iter().any(|one| one == kind),
        _ => false,
    };
    let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    let is_limited = (!is("string") || has(&["maxLength", "enum", "const"]))
        && (!is("array") || has(&["maxItems"]))
        && (!is("integer")
            || (has(&["maximum", "exclusiveMaximum", "enum"])
                && has(&["minimum", "exclusiveMinimum", "enum"])));
    if !is_limited {
        unlimited.insert(place.to_owned());
    }
    for (name, member) in members {
        if !matches!(name.as_str(), "example" | "examples" | "default" | "enum" | "const") {
            look_for_limits(member, &format!("{place}/{name}"), unlimited);
        }
    }
}

#[test]
fn every_json_body_has_an_example_that_its_shape_accepts() {
    let document = document();
    let shapes = Shapes::compile(&document).unwrap();
    let mut bodies = 0;
    for (path, method, operation) in pass::operations(&document) {
        let key = format!("{} {path}", method.to_uppercase());
        for name in ["application/json", "application/merge-patch+json"] {
            let media = &operation["requestBody"]["content"][name];
            if media.is_null() {
                continue;
            }
            let example = media.get("example").unwrap_or_else(|| panic!("{key}: no example"));
            let violations = shapes.body(&key).unwrap().check(example);
            assert!(violations.is_empty(), "{key}: {violations:?}");
            bodies += 1;
        }
    }
    assert!(bodies > 40, "{bodies}");
}

#[test]
fn every_example_is_of_an_operation_that_there_is() {
    let document = document();
    let examples = std::fs::read_to_string(root().join("crates/api/src/edge/openapi/examples.json")).unwrap();
    let examples: Value = serde_json::from_str(&examples).unwrap();
    let known: BTreeSet<&str> = pass::operations(&document)
        .filter(|(_, _, operation)| operation.get("requestBody").is_some())
        .filter_map(|(_, _, operation)| operation["operationId"].as_str())
        .collect();
    let others: Vec<&String> =
        examples.as_object().unwrap().keys().filter(|id| !known.contains(id.as_str())).collect();
    assert_eq!(others, Vec::<&String>::new());
}

#[test]
fn every_problem_has_a_name_and_a_page_of_its_own() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let slugs: BTreeSet<&str> = Code::ALL.iter().map(|code| code.slug()).collect();
    assert_eq!((names.len(), slugs.len()), (Code::ALL.len(), Code::ALL.len()));
    for code in Code::ALL {
        assert_eq!(code.slug(), code.name().replace('_', "-"));
        assert!(code.explain().len() > 40, "{}", code.name());
    }
}

#[test]
fn the_guide_lists_every_type_of_entry_and_no_other() {
    let guide = std::fs::read_to_string(root().join("docs/http.md")).unwrap();
    let (_, table) = guide.split_once("| types | |\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let listed: Vec<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let known: BTreeSet<&str> = change::types().map(|(name, _)| name).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), known);
    assert_eq!(listed.len(), known.len(), "each once");
}
