//! The matrix, walked from the document: who is refused where, and what every operation has in common.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_api::edge::openapi::pass::operations;
use tandem_domain::access::Scope;
use tandem_tests::{TestApp, contract};

/// An operation of the document: method, a path with ids that name nothing, and the scopes that it demands.
struct Operation {
    method: String,
    path: String,
    scopes: Vec<String>,
    /// Whether other scopes do in their place.
    has_alternative: bool,
}

fn all() -> Vec<Operation> {
    let read = |(path, method, operation): (&str, &str, &Value)| {
        let scopes = operation["x-required-scopes"].as_array().into_iter().flatten();
        let scopes: Vec<String> = scopes.map(|scope| scope.as_str().unwrap().to_owned()).collect();
        let is_open = operation["security"].as_array().unwrap().iter().all(|one| one == &json!({}));
        assert_eq!(is_open, scopes.is_empty(), "{method} {path}");
        Operation {
            method: method.to_uppercase(),
            path: path.split('/').map(|one| sample(one, operation)).collect::<Vec<_>>().join("/"),
            scopes,
            has_alternative: operation.get("x-alternative-scopes").is_some(),
        }
    };
    operations(&contract().document).map(read).collect()
}

/// A segment of a path with something in the place of a parameter that has its form and names nothing: ids are the
/// document's examples.
fn sample(segment: &str, operation: &Value) -> String {
    let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return segment.to_owned();
    };
    match name {
        "form_key" => return "fk_0000000000000000000000".into(),
        "slug" => return "no-such-problem".into(),
        "system" | "id" => return "nothing".into(),
        "purpose" => return "marketing_email".into(),
        "version" => return "999".into(),
        "list" => return "gained".into(),
        "figure" => return "leads".into(),
        _ => {}
    }
    let mut parameters = operation["parameters"].as_array().unwrap().iter();
    let schema = &parameters.find(|one| one["name"] == name && one["in"] == "path").unwrap()["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(reference) => contract().document.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    schema["examples"][0].as_str().unwrap_or_else(|| panic!("{name}: no example")).to_owned()
}

#[tandem_tests::test]
async fn who_names_nobody_is_refused_everywhere_but_at_open_doors(app: &TestApp) {
    for operation in all() {
        let answer = app.request(&operation.method, &operation.path).await;
        if operation.scopes.is_empty() {
            assert!(![401, 403].contains(&answer.status), "{}: {}", answer.of, answer.text);
            continue;
        }
        let refused = answer.refused(401, "unauthenticated");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
}

#[tandem_tests::test]
async fn a_key_with_every_other_scope_is_refused(app: &TestApp) {
    let for_keys: Vec<&str> =
        Scope::ALL.iter().filter(|scope| scope.is_for_keys()).map(|scope| scope.name()).collect();
    for needed in Scope::ALL.iter().map(|scope| scope.name()) {
        let others: Vec<&str> = for_keys.iter().copied().filter(|scope| *scope != needed).collect();
        let key = app.key(&others).await;
        let demands = |operation: &&Operation| {
            !operation.has_alternative && operation.scopes.iter().any(|one| one == needed)
        };
        for operation in all().iter().filter(demands) {
            let refused = app.request(&operation.method, &operation.path).by(&key).await;
            let refused = refused.refused(403, "insufficient_scope");
            assert_eq!(refused["scope"], needed, "{}", refused.of);
        }
    }
}

#[tandem_tests::test]
async fn the_scopes_alone_open_the_door(app: &TestApp) {
    let mut keys = BTreeMap::new();
    for Operation { method, path, scopes, .. } in all() {
        let is_for_keys = |scope: &String| Scope::named(scope).unwrap().is_for_keys();
        if scopes.is_empty() || !scopes.iter().all(is_for_keys) {
            continue;
        }
        if !keys.contains_key(&scopes) {
            let named: Vec<&str> = scopes.iter().map(String::as_str).collect();
            keys.insert(scopes.clone(), app.key(&named).await);
        }
        let answer = app.request(&method, &path).by(&keys[&scopes]).await;
        assert!(
            answer.status != 401 && answer.code() != "insufficient_scope",
            "{}: {}",
            answer.of,
            answer.text
        );
    }
}

#[tandem_tests::test]
async fn a_viewer_writes_nothing(app: &TestApp) {
    let viewer = app.user("viewer").await;
    // A ticket opens the stream, and a simulation shows a decision: both read.
    const READS: [&str; 2] = ["/v1/stream/ticket", "/v1/routing/simulate"];
    let writes =
        |operation: &&Operation| operation.method != "GET" && !READS.contains(&operation.path.as_str());
    for operation in all().iter().filter(writes) {
        if operation.scopes.iter().any(|scope| scope != "account") {
            let refused = app.request(&operation.method, &operation.path).by(&viewer).await;
            refused.refused(403, "insufficient_scope");
        }
    }
}

#[tandem_tests::test]
async fn an_unknown_parameter_is_refused_everywhere_but_at_the_public_door(app: &TestApp) {
    let ada = app.admin().await;
    const OPEN: [&str; 4] = ["/v1/capture/", "/v1/collect", "/tandem.js", "/v1/consents/confirm"];
    let is_open = |path: &str| OPEN.iter().any(|open| path.starts_with(open));
    // Managers sign, and nobody else.
    let manager = app.user("sales_manager").await;
    for operation in all().into_iter().filter(|operation| !is_open(&operation.path)) {
        let signs = operation.scopes.iter().any(|scope| scope == "agreements:sign");
        let by = if signs { &manager } else { ada };
        let answer = app.request(&operation.method, &format!("{}?nonsense=1", operation.path)).by(by).await;
        let answer = answer.refused(400, "invalid_parameter");
        assert!(answer.violations().contains(&("nonsense", "unknown_parameter")), "{}", answer.of);
    }
}

#[tandem_tests::test]
async fn a_body_of_another_kind_is_refused_everywhere(app: &TestApp) {
    let ada = app.admin().await;
    for operation in
        all().iter().filter(|operation| ["POST", "PUT", "PATCH"].contains(&operation.method.as_str()))
    {
        let has_body =
            contract().operation(&operation.method, &operation.path).unwrap().1.get("requestBody").is_some();
        // What strangers send, and files, may be of several kinds.
        let takes_several = ["/v1/collect", "/v1/imports"].contains(&operation.path.as_str());
        if has_body && !operation.path.starts_with("/v1/capture/") && !takes_several {
            let request = app.request(&operation.method, &operation.path).by(ada);
            request.body("text/plain", "{}").await.refused(415, "unsupported_media_type");
            let request = app.request(&operation.method, &operation.path).by(ada);
            request.body("application/json", "{").await.refused(400, "malformed_json");
        }
    }
}

#[tandem_tests::test]
async fn every_get_answers_head(app: &TestApp) {
    let ada = app.admin().await;
    for operation in all().iter().filter(|operation| operation.method == "GET") {
        let (get, head) =
            (app.get(&operation.path).by(ada).await, app.request("HEAD", &operation.path).by(ada).await);
        assert_eq!((get.status, ""), (head.status, head.text.as_str()), "{}", operation.path);
    }
}

#[tandem_tests::test]
async fn another_method_is_told_which_ones_there_are(app: &TestApp) {
    let ada = app.admin().await;
    for operation in all() {
        let refused = app.request("TRACE", &operation.path).by(ada).await;
        if refused.status != 405 {
            // A TRACE may be refused before any routing.
            assert!(refused.status >= 400, "{}", refused.of);
            continue;
        }
        let allow = refused.header("allow").unwrap();
        assert!(allow.split(", ").any(|method| method == operation.method), "{}: {allow}", operation.path);
    }
    app.delete("/v1/leads").by(ada).await.refused(405, "method_not_allowed");
    app.get("/v1/nothing").by(ada).await.refused(404, "not_found");
    app.get("/v1/leads/company_01h455vb4pex5vsknk084sn02q").by(ada).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn every_answer_bears_the_id_of_its_request(app: &TestApp) {
    let ada = app.admin().await;
    for (given, is_taken) in [("trace-1_2.3", true), ("with space", false), (&"x".repeat(65), false)] {
        let answer = app.get("/v1/leads").by(ada).header("x-request-id", given).await.expect(200);
        assert_eq!(answer.header("x-request-id") == Some(given), is_taken, "{given}");
    }
    let answer = app.get("/v1/leads").by(ada).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(answer.header("content-security-policy").is_some());
    assert_eq!(answer["data"], json!([]));
}
