//! Examples of bodies: what somebody who has just come can send, operation by operation.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use tandem_domain::agreement::PROVISIONAL;

/// A body for each operation that takes JSON, by `operationId`.
static EXAMPLES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut examples: Map<String, Value> =
        serde_json::from_str(include_str!("examples.json")).unwrap_or_default();
    // The agreement that an installation starts with, with one more demand.
    let mut document: Value = serde_json::from_str(PROVISIONAL).unwrap_or_default();
    document["stages"]["mql"]["required_fields"] = json!(["company.name"]);
    examples.insert(
        "update_current_agreement".into(),
        json!({ "document": document.clone() }),
    );
    examples.insert("create_agreement".into(), json!({ "document": document }));
    let shorter = json!({"document": {"stages": {"nurture": {"cooldown": "14d"}}}});
    examples.insert("update_agreement".into(), shorter);
    examples
});

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
