//! Stages: the table of moves, reasons, cycles and reopening, and who may make which move.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, minutes};

async fn go(app: &TestApp, by: &User, lead: &str, body: Value) -> Answer {
    app.post(&format!("/v1/leads/{lead}/transitions")).by(by).json(body).await
}

async fn history(app: &TestApp, lead: &str) -> Answer {
    app.get(&format!("/v1/leads/{lead}/transitions")).by(app.admin().await).await.expect(200)
}

/// A lead that has been moved through these stages; the reasons lead where they go.
async fn given_at(app: &TestApp, path: &[&str]) -> String {
    let lead = app.given_lead(&format!("lead@firm{}.example", app.next())).await.id();
    let mut from = "lead";
    for to in path {
        let reason = match (from, *to) {
            ("mql" | "lead" | "sal" | "sql", "nurture") => Some("no_budget"),
            ("mql" | "lead" | "sal" | "sql" | "nurture" | "opportunity", "disqualified") => Some("not_a_fit"),
            ("opportunity", "nurture") => Some("price"),
            (_, "churned") => Some("switched"),
            _ => None,
        };
        app.moved(&lead, to, reason).await;
        from = to;
    }
    lead
}

const STAGES: [&str; 9] =
    ["lead", "mql", "sal", "sql", "opportunity", "customer", "nurture", "disqualified", "churned"];

#[tandem_tests::test]
async fn every_move_that_is_not_on_the_table_is_refused(app: &TestApp) {
    let admin = app.admin().await;
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["mql", "nurture", "disqualified"]),
        (&["mql"], &["sal", "nurture", "disqualified"]),
        (&["mql", "sal"], &["sql", "nurture", "disqualified"]),
        (&["mql", "sal", "sql"], &["opportunity", "nurture", "disqualified"]),
        (&["mql", "sal", "sql", "opportunity"], &["customer", "nurture", "disqualified"]),
        (&["mql", "sal", "sql", "opportunity", "customer"], &["opportunity", "churned"]),
        (&["nurture"], &["mql", "disqualified"]),
        (&["mql", "nurture"], &["mql", "disqualified"]),
        (&["mql", "sal", "sql", "opportunity", "nurture"], &["mql", "disqualified", "opportunity"]),
        (&["disqualified"], &["lead"]),
        (&["mql", "disqualified"], &["lead"]),
        (&["mql", "sal", "sql", "opportunity", "disqualified"], &["lead", "opportunity"]),
        (&["mql", "sal", "sql", "opportunity", "customer", "churned"], &["lead"]),
    ];
    for (path, allowed) in table {
        let lead = given_at(app, path).await;
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let told = history(app, &lead).await;
        let told: BTreeSet<&str> =
            told["allowed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(told, allowed, "{path:?}");
        for to in STAGES.iter().filter(|to| !allowed.contains(*to)) {
            let refused = go(app, admin, &lead, json!({"to": to, "note": "x"}))
                .await
                .refused(409, "illegal_transition");
            assert_eq!(refused["current"], *path.last().unwrap_or(&"lead"));
            let told: BTreeSet<&str> =
                refused["allowed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(told, allowed, "{path:?} to {to}");
        }
    }
}

#[tandem_tests::test]
async fn a_lead_goes_all_the_way_and_leaves_a_history(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = app.given_lead("ada@example.com").await.id();
    app.clock.advance(minutes(1));
    go(app, &mia, &lead, json!({"to": "mql", "note": "asked for a demo"})).await.expect(201);
    app.clock.advance(minutes(1));
    go(app, &sam, &lead, json!({"to": "sal"})).await.expect(201);
    let refused = go(app, &sam, &lead, json!({"to": "sql"})).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/to", "not_confirmed"); 4], "nothing is confirmed");
    app.qualified(&lead).await;
    go(app, &sam, &lead, json!({"to": "opportunity"})).await.expect(201);
    let won = go(app, &sam, &lead, json!({"to": "customer", "reason": "product_fit"})).await.expect(201);
    assert_eq!(
        (&won["from"], &won["to"], &won["cycle"], &won["agreement_version"]),
        (&json!("opportunity"), &json!("customer"), &json!(1), &json!(1))
    );

    let history = history(app, &lead).await;
    assert_eq!(history.each("to"), ["lead", "mql", "sal", "sql", "opportunity", "customer"]);
    assert_eq!(history["data"][1]["note"], "asked for a demo");
    let read = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!(
        (&read["stage"], &read["owner_id"], &read["stage_since"]),
        (&json!("customer"), &json!(sam.id), &won["at"])
    );
}

#[tandem_tests::test]
async fn a_reason_decides_where_a_lead_goes(app: &TestApp) {
    let admin = app.admin().await;
    let lead = given_at(app, &["mql"]).await;
    assert_eq!(
        go(app, admin, &lead, json!({})).await.refused(422, "validation_failed").violations(),
        [("#/to", "required")]
    );
    let nowhere = go(app, admin, &lead, json!({"to": "nurture"})).await.refused(422, "validation_failed");
    assert_eq!(nowhere.violations(), [("#/reason", "required")]);
    let unknown = go(app, admin, &lead, json!({"to": "nurture", "reason": "price"}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(unknown.violations(), [("#/reason", "not_allowed")]);
    let mismatch = go(app, admin, &lead, json!({"to": "nurture", "reason": "bad_data"}))
        .await
        .refused(422, "reason_mismatch");
    let fitting =
        json!(["not_ready", "no_response", "no_budget", "unclear_request", "wrong_contact", "other"]);
    assert_eq!((&unknown["allowed"], &mismatch["allowed"]), (&fitting, &fitting));
    let other = go(app, admin, &lead, json!({"reason": "other"})).await.refused(422, "validation_failed");
    assert_eq!(other.violations(), [("#/note", "required")]);
    let moved = go(app, admin, &lead, json!({"reason": "bad_data"})).await.expect(201);
    assert_eq!(moved["to"], "disqualified");
}

#[tandem_tests::test]
async fn a_rejected_lead_waits_as_long_as_its_reason_says(app: &TestApp) {
    let admin = app.admin().await;
    let day = |text: &Value| text.as_str().unwrap()[..10].to_owned();
    for (body, until) in [
        (json!({"reason": "no_budget"}), "2026-05-31"),
        (json!({"reason": "wrong_contact"}), "2026-04-01"),
        (json!({"reason": "not_ready", "until": "2026-12-24T00:00:00Z"}), "2026-12-24"),
    ] {
        let lead = given_at(app, &["mql"]).await;
        let moved = go(app, admin, &lead, body).await.expect(201);
        assert_eq!((moved["to"].as_str(), day(&moved["until"]).as_str()), (Some("nurture"), until));
    }
    let lead = given_at(app, &["mql"]).await;
    for (body, code) in [
        (json!({"reason": "not_ready", "until": "2020-01-01T00:00:00Z"}), "out_of_range"),
        (json!({"reason": "bad_data", "until": "2027-01-01T00:00:00Z"}), "not_allowed"),
    ] {
        assert_eq!(
            go(app, admin, &lead, body).await.refused(422, "validation_failed").violations(),
            [("#/until", code)]
        );
    }
}

#[tandem_tests::test]
async fn what_comes_back_begins_the_next_cycle(app: &TestApp) {
    let admin = app.admin().await;
    for (path, back) in [
        (&["mql", "nurture"][..], "mql"),
        (&["disqualified"], "lead"),
        (&["mql", "sal", "sql", "opportunity", "customer", "churned"], "lead"),
    ] {
        let lead = given_at(app, path).await;
        go(app, admin, &lead, json!({"to": back})).await.refused(422, "validation_failed");
        let again = go(app, admin, &lead, json!({"to": back, "note": "is back"})).await.expect(201);
        assert_eq!((&again["cycle"], &again["to"]), (&json!(2), &json!(back)));
    }
    for (path, back) in [
        (&["mql", "sal", "sql", "opportunity", "disqualified"][..], "opportunity"),
        (&["mql", "sal", "sql", "opportunity", "customer"], "opportunity"),
    ] {
        let lead = given_at(app, path).await;
        let undone = go(app, admin, &lead, json!({"to": back, "note": "was wrong"})).await.expect(201);
        assert_eq!(undone["cycle"], 1, "a correction stays in its cycle");
    }
}

#[tandem_tests::test]
async fn an_owner_is_let_go_with_the_lead(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_at(app, &["mql"]).await;
    go(app, &sam, &lead, json!({"to": "sal"})).await.expect(201);
    go(app, &sam, &lead, json!({"to": "nurture", "reason": "no_response"})).await.expect(201);
    let read = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!((&read["owner_id"], &read["previous_owner_id"]), (&Value::Null, &json!(sam.id)));
}

#[tandem_tests::test]
async fn each_move_is_somebodys(app: &TestApp) {
    let mut people = vec![];
    for role in ["marketing", "marketing_manager", "sales", "sales_manager", "revops"] {
        people.push((role, app.user(role).await));
    }
    let stranger = app.user("sales").await;
    for (path, body, may) in [
        (
            &[][..],
            json!({"to": "mql", "note": "x"}),
            &["marketing", "marketing_manager", "sales", "sales_manager"][..],
        ),
        (&[], json!({"reason": "not_ready"}), &["marketing", "marketing_manager"]),
        (&["mql"], json!({"to": "sal"}), &["sales", "sales_manager"]),
        (&["mql"], json!({"reason": "no_budget"}), &["sales", "sales_manager"]),
        (&["disqualified"], json!({"to": "lead", "note": "x"}), &["marketing_manager", "sales_manager"]),
        (
            &["mql", "sal", "sql", "opportunity", "customer"],
            json!({"reason": "switched"}),
            &["marketing_manager", "sales_manager"],
        ),
        (
            &["mql", "sal", "sql", "opportunity", "customer"],
            json!({"to": "opportunity", "note": "x"}),
            &["sales_manager"],
        ),
    ] {
        for (role, person) in &people {
            let lead = given_at(app, path).await;
            let answer = go(app, person, &lead, body.clone()).await;
            match may.contains(role) {
                true => drop(answer.expect(201)),
                false => assert!(
                    ["wrong_role", "not_owner"].contains(&answer.code()),
                    "{role} {path:?}: {}",
                    answer.text
                ),
            }
        }
    }
    let owned = given_at(app, &["mql"]).await;
    go(app, &people[2].1, &owned, json!({"to": "sal"})).await.expect(201);
    go(app, &stranger, &owned, json!({"to": "sql"})).await.refused(403, "not_owner");
}

#[tandem_tests::test]
async fn a_move_can_be_made_on_the_version_that_was_read(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await;
    let path = format!("/v1/leads/{}/transitions", lead.id());
    let body = json!({"to": "mql", "note": "x"});
    let by = app.admin().await;
    let stale =
        app.post(&path).by(by).header("if-match", "\"7.0\"").json(body.clone()).await.refused(412, "stale");
    assert_eq!(stale["current"], lead.etag());
    app.post(&path).by(by).header("if-match", lead.etag()).json(body).await.expect(201);
    app.get("/v1/leads/lead_01h455vb4pex5vsknk084sn02q/transitions").by(by).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn the_agreement_in_force_says_what_stages_demand_and_which_reasons_there_are(app: &TestApp) {
    let agreement = app.get("/v1/agreements/current").by(&app.user("viewer").await).await.expect(200);
    assert_eq!(agreement["state"], "provisional");
    let document = &agreement["document"];
    assert_eq!(document["stages"]["sql"]["bant"], json!(["budget", "authority", "need", "timeline"]));
    assert_eq!(document["stages"]["nurture"]["cooldown"], "30d");
    assert_eq!(
        document["commitments"]["sales"]["attempts"],
        json!({"count": 5, "within": "7d", "on_days": 3})
    );
    let codes = |list: &str| -> Vec<String> {
        let reasons = document["reasons"][list].as_array().unwrap().iter();
        reasons.map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(
        codes("rejection").contains(&"wrong_industry".into()) && codes("win").contains(&"content".into())
    );
    assert_eq!(
        codes("objection"),
        ["price", "timing", "missing_feature", "competitor", "trust", "authority"]
    );
    let no_budget =
        document["reasons"]["rejection"].as_array().unwrap().iter().find(|one| one["code"] == "no_budget");
    assert_eq!(no_budget.unwrap()["cooldown"], "90d");
}

async fn moves(app: &TestApp, by: impl AsRef<str>, lead: &str) -> Vec<Value> {
    let answer = app.get(&format!("/v1/leads/{lead}/moves")).by(by).await.expect(200);
    answer["data"].as_array().unwrap().clone()
}

/// What a listed move says that it needs.
fn asked_for(listed: &Value) -> Value {
    let mut body = json!({"to": listed["to"], "note": "because"});
    if listed["requires"].as_array().unwrap().contains(&json!("reason")) {
        body["reason"] = listed["reasons"][0]["code"].clone();
    }
    body
}

/// The lead in the path of an act on it.
fn one_lead(listed: &Value) -> &str {
    listed["act"]["path"].as_str().unwrap().split('/').nth(3).unwrap()
}

#[tandem_tests::test]
async fn the_listed_moves_are_those_that_the_caller_can_make(app: &TestApp) {
    let paths: [&[&str]; 6] =
        [&[], &["mql"], &["mql", "sal"], &["mql", "nurture"], &["mql", "sal", "sql"], &["disqualified"]];
    for role in ["marketing", "sales", "sales_manager", "revops", "viewer"] {
        let user = app.user(role).await;
        for path in paths {
            let listed = moves(app, &user, &given_at(app, path).await).await;
            for to in STAGES {
                let lead = given_at(app, path).await;
                let makes = |one: &&Value| {
                    let act = one["act"]["operation_id"].as_str().unwrap();
                    ["create_transition", "accept_handoff", "reject_handoff", "update_qualification"]
                        .contains(&act)
                };
                let Some(one) = listed.iter().filter(makes).find(|one| one["to"] == to) else {
                    let refused = go(app, &user, &lead, json!({"to": to, "note": "x"})).await;
                    let is_refused =
                        [403, 409].contains(&refused.status) || refused.code() == "validation_failed";
                    assert!(is_refused, "{role} {path:?} {to}: {}", refused.text);
                    continue;
                };
                if one["act"]["operation_id"] == "update_qualification" {
                    let item = json!({"confirmed": true});
                    let all = json!({"budget": item, "authority": item, "need": item, "timeline": item});
                    let address = one["act"]["path"].as_str().unwrap().replace(one_lead(one), &lead);
                    let qualified = app.patch(&address).by(&user).json(all).await.expect(200);
                    assert_eq!((&qualified["stage"], &one["act"]["method"]), (&json!(to), &json!("PATCH")));
                    continue;
                }
                assert_eq!(one["act"]["method"], "POST");
                let address = one["act"]["path"].as_str().unwrap();
                let is_of_handoff = address.starts_with("/v1/handoffs/");
                assert_eq!(is_of_handoff, path == ["mql"], "{address}");
                assert!(is_of_handoff || address.ends_with("/transitions"), "{address}");
                go(app, &user, &lead, asked_for(one)).await.expect(201);
            }
        }
    }
}

#[tandem_tests::test]
async fn a_lead_with_a_deal_is_moved_by_acts_on_the_deal(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_at(app, &["mql", "sal", "sql"]).await;
    let acts = |listed: &[Value]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        listed.iter().map(|one| (text(&one["to"]), text(&one["act"]["operation_id"]))).collect()
    };
    let opens = ("opportunity".to_owned(), "create_deal".to_owned());
    assert!(acts(&moves(app, &sam, &lead).await).contains(&opens));
    let deal = app
        .post("/v1/deals")
        .by(&sam)
        .json(json!({"name": "First", "lead_ids": [lead]}))
        .await
        .expect(201)
        .id();
    let listed = moves(app, &sam, &lead).await;
    let close = |to: &str| (to.to_owned(), "close_deal".to_owned());
    assert_eq!(acts(&listed), [close("customer"), close("nurture"), close("disqualified")]);
    let lost = &listed[1];
    assert_eq!(lost["act"]["path"], format!("/v1/deals/{deal}/close"));
    let reason = &lost["reasons"][0]["code"];
    let path = lost["act"]["path"].as_str().unwrap();
    app.post(path).by(&sam).json(json!({"outcome": "lost", "reason": reason})).await.expect(200);
    assert!(!acts(&moves(app, &sam, &lead).await).iter().any(|(_, act)| act == "reopen_deal"));
    let reopened = moves(app, app.admin().await, &lead).await;
    assert!(acts(&reopened).contains(&("opportunity".into(), "reopen_deal".into())));
}

#[tandem_tests::test]
async fn a_key_is_shown_the_moves_that_its_scopes_and_its_person_allow(app: &TestApp) {
    let lead = given_at(app, &["mql", "sal", "sql"]).await;
    let reader = app.key(&["leads:read"]).await;
    assert_eq!(moves(app, &reader, &lead).await, Vec::<Value>::new());
    let writer = app.key(&["leads:read", "leads:write"]).await;
    assert_eq!(moves(app, &writer, &lead).await, Vec::<Value>::new(), "a move needs a person");
    let manager = app.user("sales_manager").await;
    let listed =
        app.get(&format!("/v1/leads/{lead}/moves")).by(&writer).header("x-on-behalf-of", &manager.id).await;
    let listed = listed.expect(200);
    let operations: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|one| &one["act"]["operation_id"]).collect();
    assert_eq!(operations, ["create_transition"; 3]);
}
