//! Examples of bodies: what somebody who has just come can send, operation by operation.

use serde_json::{Map, Value};
use std::sync::LazyLock;

/// A body for each operation that takes JSON, by `operationId`.
static EXAMPLES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// The media types that an example is given under.
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Attach the example of the operation to its JSON body. Without one, the page of the document makes one up
/// from the schema, which the service may refuse.
pub(super) fn attach(operation: &mut Map<String, Value>) {
    let id = operation.get("operationId").and_then(Value::as_str);
    let Some(example) = id.and_then(|id| EXAMPLES.get(id)) else {
        return;
    };
    let content = operation
        .get_mut("requestBody")
        .and_then(|body| body.get_mut("content"))
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    for (_, media) in content.filter(|(name, _)| MEDIA_TYPES.contains(&name.as_str())) {
        if let Some(media) = media.as_object_mut() {
            media.insert("example".into(), example.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::http::shape::Shapes;
    use crate::edge::openapi::document;
    use crate::edge::openapi::pass::operations;
    use std::collections::BTreeSet;

    #[test]
    fn every_json_body_has_an_example_that_its_shape_accepts() {
        let document = document();
        let shapes = Shapes::compile(&document).unwrap();
        let mut bodies = 0;
        for (path, method, operation) in operations(&document) {
            let key = format!("{} {path}", method.to_uppercase());
            for name in MEDIA_TYPES {
                let media = &operation["requestBody"]["content"][name];
                if media.is_null() {
                    continue;
                }
                let example = media
                    .get("example")
                    .unwrap_or_else(|| panic!("{key}: no example"));
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
        let known: BTreeSet<&str> = operations(&document)
            .filter(|(_, _, operation)| operation.get("requestBody").is_some())
            .filter_map(|(_, _, operation)| operation["operationId"].as_str())
            .collect();
        let others: Vec<&String> = EXAMPLES
            .keys()
            .filter(|id| !known.contains(id.as_str()))
            .collect();
        assert_eq!(others, Vec::<&String>::new());
    }
}
