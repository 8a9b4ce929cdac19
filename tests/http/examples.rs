//! The examples of bodies in the document: whoever has just come can send them, in this order.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_api::edge::openapi::pass::operations;
use tandem_tests::{TestApp, contract};

/// What needs more than the ids of records that other examples make: most have a place of their own in the story.
const APART: [&str; 19] = [
    "/v1/actions/",
    "/v1/activities",
    "/v1/agreements/{",
    "/v1/auth/",
    "/v1/capture/",
    "/v1/collect",
    "/v1/consents/",
    "/v1/conversations/",
    "/v1/deals",
    "/v1/promises/",
    "/v1/quotes/",
    "/v1/revenue",
    "/v1/reviews/",
    "/v1/feedback/",
    "/v1/handoffs/",
    "/v1/leads/{lead_id}/assign",
    "/v1/leads/{lead_id}/qualification",
    "/v1/setup",
    "/v1/users/{user_id}/reassign",
];

fn example(method: &str, path: &str) -> Value {
    let (_, operation) = contract().operation(method, path).unwrap();
    operation["requestBody"]["content"]["application/json"]["example"].clone()
}

#[tandem_tests::test]
async fn the_examples_of_the_document_can_be_sent_as_they_stand(app: &TestApp) {
    let mut setup = example("post", "/v1/setup");
    setup["token"] = json!(app.setup_token().await);
    app.post("/v1/setup").json(setup).await.expect(201);
    let tokens = app.post("/v1/auth/login").json(example("post", "/v1/auth/login")).await.expect(200);
    let by = tokens["access_token"].as_str().unwrap();

    let mut bodies: Vec<(&str, &str)> = operations(&contract().document)
        .map(|(path, method, _)| (path, method))
        .filter(|(path, method)| !example(method, path).is_null())
        .filter(|(path, _)| !APART.iter().any(|apart| path.starts_with(apart)))
        .collect();
    // Records before what is done to them, the lead before what is told of it by its e-mail.
    bodies.sort_by_key(|(path, _)| (path.contains('{'), *path != "/v1/leads"));
    assert!(bodies.len() > 25, "{bodies:?}");
    let mut made: BTreeMap<String, Value> = BTreeMap::new();
    for (path, method) in bodies {
        let filled = match (path.split_once('{'), path.split_once('}')) {
            (Some((list, _)), Some((_, rest))) => {
                format!("{list}{}{rest}", made[list]["id"].as_str().unwrap())
            }
            _ => path.to_owned(),
        };
        let answer = app.request(&method.to_uppercase(), &filled).by(by).json(example(method, path)).await;
        let is_taken = answer.status < 300 && !answer.text.contains("\"detail\"");
        assert!(is_taken, "{}: {} {}", answer.of, answer.status, answer.text);
        if method == "post" && !path.contains('{') {
            made.insert(format!("{path}/"), answer.body);
        }
    }

    let known = |list: &str, member: &str| made[list][member].as_str().unwrap().to_owned();
    let mut revenue = example("post", "/v1/revenue");
    revenue["company_id"] = json!(known("/v1/companies/", "id"));
    app.post("/v1/revenue").by(by).json(revenue).await.expect(201);
    let capture = format!("/v1/capture/{}", known("/v1/forms/", "key"));
    app.post(&capture).json(example("post", "/v1/capture/{form_key}")).await.expect(201);
    let collect = format!("/v1/collect?key={}", known("/v1/tracking-keys/", "key"));
    let collect = app.post(&collect).header("origin", "https://www.example.com");
    collect.json(example("post", "/v1/collect")).await.expect(204);

    let (review, me) = (known("/v1/reviews/", "id"), app.get("/v1/me").by(by).await.expect(200));
    let mut item = example("post", "/v1/reviews/{review_id}/actions");
    item["owner_id"] = me["user"]["id"].clone();
    let item = app.post(&format!("/v1/reviews/{review}/actions")).by(by).json(item).await.expect(201).id();
    let progress = example("patch", "/v1/actions/{action_item_id}");
    app.patch(&format!("/v1/actions/{item}")).by(by).json(progress).await.expect(200);
    let mut held = example("post", "/v1/reviews/{review_id}/hold");
    held["attended_by"] = json!([me["user"]["id"]]);
    app.post(&format!("/v1/reviews/{review}/hold")).by(by).json(held).await.expect(200);

    let lead = known("/v1/leads/", "id");
    let mut link = example("post", "/v1/conversations/{conversation_id}/link");
    link["lead_id"] = json!(lead);
    let talk = format!("/v1/conversations/{}/link", known("/v1/conversations/", "id"));
    app.post(&talk).by(by).json(link).await.expect(200);
    let body = json!({"to": "sal", "note": "as agreed"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(by).json(body).await.expect(201);
    let item = json!({"confirmed": true});
    let all = json!({"budget": item, "authority": item, "need": item, "timeline": item});
    app.patch(&format!("/v1/leads/{lead}/qualification")).by(by).json(all).await.expect(200);
    let mut deal = example("post", "/v1/deals");
    deal["lead_ids"] = json!([lead]);
    let deal = format!("/v1/deals/{}", app.post("/v1/deals").by(by).json(deal).await.expect(201).id());
    app.patch(&deal).by(by).json(example("patch", "/v1/deals/{deal_id}")).await.expect(200);
    let quote = example("post", "/v1/deals/{deal_id}/quotes");
    let quote = app.post(&format!("{deal}/quotes")).by(by).json(quote).await.expect(201).id();
    let quote = format!("/v1/quotes/{quote}");
    app.patch(&quote).by(by).json(example("patch", "/v1/quotes/{quote_id}")).await.expect(200);
    app.post(&format!("{quote}/send")).by(by).await.expect(200);
    let accepted = example("post", "/v1/quotes/{quote_id}/accept");
    app.post(&format!("{quote}/accept")).by(by).json(accepted).await.expect(200);
    for act in ["move", "close", "reopen"] {
        let body = example("post", &format!("/v1/deals/{{deal_id}}/{act}"));
        app.post(&format!("{deal}/{act}")).by(by).json(body).await.expect(200);
    }
    app.post("/v1/auth/password").by(by).json(example("post", "/v1/auth/password")).await.expect(204);
}
