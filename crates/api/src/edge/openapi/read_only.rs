//! What an answer shows and its request does not take is read-only there, so that who sends a record back as it was read
//! learns that, and not of unknown names. It holds for the records within a record too.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::pass::operations;

/// Give the requests that make and change a record the members that only its answer has, as read-only.
///
/// Without their schemas: nothing of them is ever taken.
pub(super) fn attach(document: &mut Value) {
    for (request, member) in shown_only(document) {
        let properties = &mut document["components"]["schemas"][&request]["properties"];
        if let Some(properties) = properties.as_object_mut() {
            let read_only =
                json!({"description": "Read-only: a request that contains it is refused.", "readOnly": true});
            properties.insert(member, read_only);
        }
    }
}

/// Every member that an answer shows and its request lacks, with the request's component.
fn shown_only(document: &Value) -> BTreeSet<(String, String)> {
    let collections: BTreeSet<&str> = operations(document)
        .filter(|(_, method, _)| *method == "patch")
        .filter_map(|(path, _, _)| path.rsplit_once("/{"))
        .filter(|(_, parameter)| !parameter.contains('/'))
        .map(|(collection, _)| collection)
        .collect();
    let mut found = BTreeSet::new();
    for (path, method, operation) in operations(document) {
        let makes = method == "post" && collections.contains(path);
        if !makes && method != "patch" {
            continue;
        }
        let answer = ["200", "201"]
            .into_iter()
            .find_map(|status| component(&operation["responses"][status]));
        let (Some(request), Some(answer)) = (component(&operation["requestBody"]), answer) else {
            continue;
        };
        compare(document, (request, answer), &mut BTreeSet::new(), &mut found);
    }
    found
}

/// Find what an answer shows and its request lacks, in both and in the components that are the same member of both.
fn compare<'d>(
    document: &'d Value,
    (request, answer): (&'d str, &'d str),
    seen: &mut BTreeSet<(&'d str, &'d str)>,
    found: &mut BTreeSet<(String, String)>,
) {
    if request == answer || !seen.insert((request, answer)) {
        return;
    }
    let (Some(taken), Some(shown)) = (members(document, request), members(document, answer)) else {
        return;
    };
    for (name, shown) in shown {
        let Some(taken) = taken.get(name) else {
            found.insert((request.to_owned(), name.clone()));
            continue;
        };
        if let (Some(request), Some(answer)) = (within(taken), within(shown)) {
            compare(document, (request, answer), seen, found);
        }
    }
}

/// The component that a member is, `null` aside.
fn within(member: &Value) -> Option<&str> {
    let choices = member["oneOf"].as_array().into_iter().flatten();
    let mut references = std::iter::once(member)
        .chain(choices)
        .filter_map(|one| one["$ref"].as_str());
    references.next()?.strip_prefix("#/components/schemas/")
}

/// The component that a body is, in either direction.
fn component(body: &Value) -> Option<&str> {
    let reference = body["content"]["application/json"]["schema"]["$ref"].as_str()?;
    reference.strip_prefix("#/components/schemas/")
}

fn members<'d>(document: &'d Value, component: &str) -> Option<&'d Map<String, Value>> {
    document["components"]["schemas"][component]["properties"].as_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_shown_is_read_only_where_a_record_is_made_or_changed() {
        let body = |name: &str| {
            let schema = json!({"$ref": format!("#/components/schemas/{name}")});
            json!({"content": {"application/json": {"schema": schema}}})
        };
        let operation = |request: &str, status: &str| {
            let answers = Map::from_iter([(status.to_owned(), body("View"))]);
            json!({"requestBody": body(request), "responses": answers})
        };
        let object = |names: &[&str]| {
            let properties = names
                .iter()
                .map(|name| ((*name).to_owned(), json!({"type": "string"})));
            json!({"type": "object", "properties": Map::from_iter(properties)})
        };
        let holding = |names: &[&str], inner: &str| {
            let mut holder = object(names);
            let reference = json!({"$ref": format!("#/components/schemas/{inner}")});
            holder["properties"]["inner"] = json!({"oneOf": [{"type": "null"}, reference]});
            holder
        };
        let mut document = json!({
            "paths": {
                "/v1/x": {"post": operation("Make", "201")},
                "/v1/x/{id}": {"patch": operation("Change", "200")},
                "/v1/x/{id}/act": {"post": operation("Act", "200")}
            },
            "components": {"schemas": {
                "Make": object(&["id", "name"]), "Change": holding(&["name"], "Part"), "Act": object(&["why"]),
                "View": holding(&["id", "name", "made_at"], "PartView"),
                "Part": object(&["name"]), "PartView": object(&["name", "size"])
            }}
        });

        attach(&mut document);

        let read_only = |name: &str| {
            let members = members(&document, name).unwrap().iter();
            let closed = members.filter(|(_, member)| member["readOnly"] == true);
            closed.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(
            read_only("Make"),
            BTreeSet::from(["inner".to_owned(), "made_at".to_owned()])
        );
        assert_eq!(read_only("Part"), BTreeSet::from(["size".to_owned()]));
        assert_eq!(
            read_only("Change"),
            BTreeSet::from(["id".to_owned(), "made_at".to_owned()])
        );
        assert_eq!(read_only("Act"), BTreeSet::new());
        assert_eq!(read_only("View"), BTreeSet::new());
    }
}
