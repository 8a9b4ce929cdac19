//! Deals: from a qualified lead to a customer, lost, opened again; who may; money; pipelines.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

/// A lead that sales has qualified; nobody owns it.
pub async fn given_sql(app: &TestApp) -> String {
    // Of a company of its own: it joins nobody's work.
    let lead = app.given_lead(&format!("lead@firm{}.example", app.next())).await.id();
    for to in ["mql", "sal", "sql"] {
        app.moved(&lead, to, None).await;
    }
    lead
}

pub async fn post(app: &TestApp, by: &User, path: &str, body: Value) -> Answer {
    app.post(path).by(by).json(body).await
}

pub async fn open(app: &TestApp, by: &User, lead: &str) -> Answer {
    let body =
        json!({"name": "A deal", "lead_ids": [lead], "amount": {"amount": 5_000_000, "currency": "EUR"}});
    post(app, by, "/v1/deals", body).await
}

pub async fn close(app: &TestApp, by: &User, deal: &str, outcome: &str) -> Answer {
    let body = json!({"outcome": outcome, "reason": "price"});
    post(app, by, &format!("/v1/deals/{deal}/close"), body).await
}

/// The admin, logged in anew: a story may have lasted longer than a token.
async fn admin(app: &TestApp) -> User {
    app.login(&app.admin().await.email).await
}

async fn stage_of(app: &TestApp, lead: &str) -> Value {
    let read = app.get(&format!("/v1/leads/{lead}")).by(admin(app).await);
    read.await.expect(200)["stage"].clone()
}

/// The types of the entries in a lead's timeline since its first deal, oldest first.
pub async fn entries_since_deal(app: &TestApp, lead: &str) -> Vec<String> {
    let timeline =
        app.get(&format!("/v1/leads/{lead}/timeline?limit=200")).by(admin(app).await).await.expect(200);
    let types = timeline.each("type").into_iter().rev();
    types.skip_while(|kind| !kind.starts_with("deal.")).collect()
}

#[tandem_tests::test]
async fn a_deal_makes_a_customer_of_its_lead(app: &TestApp) {
    let sam = app.user("sales").await;
    let (lead, friend) = (given_sql(app).await, app.given_lead("friend@example.com").await.id());
    let body = json!({
        "name": " Analytics ", "lead_ids": [friend, lead], "primary_lead_id": lead,
        "roles": [{"lead_id": friend, "role": "champion"}], "recurring": "yearly",
        "amount": {"amount": 5_000_000, "currency": "EUR"}, "expected_close_on": "2026-06-30",
        "external_id": {"system": "crm", "id": "D-1"},
    });
    let deal = post(app, &sam, "/v1/deals", body.clone()).await.expect(201);
    assert_eq!(deal.header("location"), Some(format!("/v1/deals/{}", deal.id()).as_str()));
    assert_eq!(
        (&deal["name"], &deal["stage"], &deal["state"]),
        (&json!("Analytics"), &json!("discovery"), &json!("open"))
    );
    assert_eq!((&deal["owner_id"], &deal["cycle"]), (&json!(sam.id), &json!(1)), "who opens it takes it");
    assert_eq!((&deal["lead_ids"], &deal["roles"]), (&json!([friend, lead]), &body["roles"]));
    assert_eq!(
        (stage_of(app, &lead).await, stage_of(app, &friend).await),
        (json!("opportunity"), json!("lead"))
    );
    post(app, &sam, "/v1/deals", body).await.refused(409, "already_exists");

    let path = format!("/v1/deals/{}", deal.id());
    app.clock.advance(hours(24));
    let sam = app.login(&sam.email).await;
    let moved = post(app, &sam, &format!("{path}/move"), json!({"stage": "proposal", "note": "sent"}))
        .await
        .expect(200);
    assert_eq!(moved["stage"], "proposal");
    app.clock.advance(hours(48));
    let sam = app.login(&sam.email).await;
    let won = post(
        app,
        &sam,
        &format!("{path}/close"),
        json!({"outcome": "won", "reason": "product_fit", "note": "signed"}),
    )
    .await
    .expect(200);
    assert_eq!(
        (&won["stage"], &won["state"], &won["reason"]),
        (&json!("won"), &json!("won"), &json!("product_fit"))
    );
    assert_eq!(
        (&won["base_amount"], &won["exchange_rate"]),
        (&json!({"amount": 5_000_000, "currency": "EUR"}), &json!("1"))
    );
    assert_eq!(stage_of(app, &lead).await, "customer");

    let read = app.get(&path).by(&sam).await.expect(200);
    assert_eq!((&read.body, read.etag()), (&won.body, won.etag()));
    let named = app.get("/v1/deals/by-external-id/crm/D-1").by(&sam).await.expect(200);
    assert_eq!(named.body, won.body);
    app.get("/v1/deals/by-external-id/crm/D-2").by(&sam).await.refused(404, "not_found");

    let moves = app.get(&format!("{path}/moves")).by(&sam).await.expect(200);
    assert_eq!(moves.each("to"), ["discovery", "proposal", "won"]);
    let stays: Vec<&Value> = moves["data"].as_array().unwrap().iter().map(|one| &one["duration_s"]).collect();
    assert_eq!(stays, [&json!(86_400), &json!(172_800), &Value::Null]);
    assert_eq!(moves["data"][2]["revenue"]["base_amount"], 5_000_000);
    let history = app.get(&format!("/v1/leads/{lead}/transitions")).by(&sam).await.expect(200);
    assert_eq!(history.each("to"), ["lead", "mql", "sal", "sql", "opportunity", "customer"]);
    assert_eq!(
        (&history["data"][5]["reason"], &history["data"][5]["note"]),
        (&json!("product_fit"), &Value::Null),
        "the note of a closing stands with the deal alone"
    );
    let told = entries_since_deal(app, &lead).await;
    assert_eq!(told, ["deal.opened", "lead.stage_changed", "deal.moved", "deal.won", "lead.stage_changed"]);
}

#[tandem_tests::test]
async fn the_last_lost_deal_takes_the_lead_out_and_reopening_it_brings_it_back(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let lead = given_sql(app).await;
    let first = open(app, &sam, &lead).await.expect(201).id();
    let second = open(app, &sam, &lead).await.expect(201).id();
    close(app, &sam, &first, "lost").await.expect(200);
    assert_eq!(stage_of(app, &lead).await, "opportunity", "one is open still");
    let until = json!({"outcome": "lost", "reason": "timing", "until": "2026-09-01T00:00:00Z"});
    post(app, &sam, &format!("/v1/deals/{second}/close"), until).await.expect(200);
    let nurtured = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!((&nurtured["stage"], &nurtured["owner_id"]), (&json!("nurture"), &Value::Null));
    assert_eq!(nurtured["nurture_until"], "2026-09-01T00:00:00.000Z");

    let path = format!("/v1/deals/{second}/reopen");
    post(app, &sam, &path, json!({"note": "calls again"})).await.refused(403, "wrong_role");
    post(app, &boss, &path, json!({})).await.refused(422, "validation_failed");
    let open = post(app, &boss, &path, json!({"note": "calls again"})).await.expect(200);
    assert_eq!(
        (&open["state"], &open["stage"], &open["closed_at"]),
        (&json!("open"), &json!("discovery"), &Value::Null)
    );
    let back = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!(
        (&back["stage"], &back["owner_id"], &back["cycle"]),
        (&json!("opportunity"), &json!(sam.id), &json!(1))
    );
    post(app, &boss, &path, json!({"note": "again"})).await.refused(409, "illegal_transition");
    close(app, &sam, &second, "won").await.expect(200);
    assert_eq!(stage_of(app, &lead).await, "customer");

    // A customer stays one whatever is lost, until the won deal is opened again.
    post(app, &boss, &format!("/v1/deals/{first}/reopen"), json!({"note": "x"})).await.expect(200);
    close(app, &sam, &first, "lost").await.expect(200);
    assert_eq!(stage_of(app, &lead).await, "customer");
    let back = post(app, &boss, &path, json!({"note": "not paid"})).await.expect(200);
    assert_eq!((stage_of(app, &lead).await, &back["base_amount"]), (json!("opportunity"), &Value::Null));
    let moves = app.get(&format!("/v1/deals/{second}/moves")).by(&boss).await.expect(200);
    let revenue: Vec<i64> = moves["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["revenue"]["amount"].as_i64())
        .collect();
    assert_eq!(revenue, [5_000_000, -5_000_000]);
}

#[tandem_tests::test]
async fn only_a_qualified_lead_gets_a_deal(app: &TestApp) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await.id();
    let refused = open(app, by, &lead).await.refused(409, "lead_not_sql");
    assert_eq!(
        (&refused["current"], &refused["allowed"]),
        (&json!("lead"), &json!(["sql", "opportunity", "customer", "churned"]))
    );
    let nobody = "lead_01h455vb4pex5vsknk084sn02q";
    for (body, place, code) in [
        (json!({"name": "x"}), "#/lead_ids", "required"),
        (json!({"name": " ", "lead_ids": [lead]}), "#/name", "invalid_format"),
        (json!({"name": "x", "lead_ids": [nobody]}), "#/lead_ids/0", "not_found"),
        (json!({"name": "x", "lead_ids": [lead, lead]}), "#/lead_ids/1", "not_allowed"),
        (
            json!({"name": "x", "lead_ids": [lead], "primary_lead_id": nobody}),
            "#/primary_lead_id",
            "not_allowed",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "roles": [{"lead_id": nobody, "role": "user"}]}),
            "#/roles/0/lead_id",
            "not_allowed",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "company_id": "company_01h455vb4pex5vsknk084sn02q"}),
            "#/company_id",
            "not_found",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "pipeline_id": "pipeline_01h455vb4pex5vsknk084sn02q"}),
            "#/pipeline_id",
            "not_found",
        ),
        (json!({"name": "x", "lead_ids": [lead], "owner_id": by.id}), "#/owner_id", "not_allowed"),
        (
            json!({"name": "x", "lead_ids": [lead], "expected_close_on": "2026-02-30"}),
            "#/expected_close_on",
            "invalid_format",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "amount": {"amount": -1, "currency": "EUR"}}),
            "#/amount/amount",
            "out_of_range",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "amount": {"amount": 9_007_199_254_740_992_i64, "currency": "EUR"}}),
            "#/amount/amount",
            "out_of_range",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "amount": {"amount": 1.5, "currency": "EUR"}}),
            "#/amount/amount",
            "invalid_type",
        ),
        (
            json!({"name": "x", "lead_ids": [lead], "amount": {"amount": 1, "currency": "XXX"}}),
            "#/amount/currency",
            "not_allowed",
        ),
        (json!({"name": "x", "lead_ids": [lead], "amount": {"amount": 1}}), "#/amount/currency", "required"),
        (json!({"name": "x", "lead_ids": [lead], "amont": 1}), "#/amont", "unknown_field"),
    ] {
        let refused = post(app, by, "/v1/deals", body.clone()).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(place, code)], "{body}");
    }
    let refused = post(app, by, "/v1/deals", json!({"name": "x", "lead_ids": [lead], "stage": "dance"}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/stage", "not_allowed")]);
    assert_eq!(refused["allowed"], json!(["discovery", "evaluation", "proposal", "negotiation"]));
    assert_eq!(app.get("/v1/deals").by(by).await.expect(200)["data"], json!([]));
}

#[tandem_tests::test]
async fn what_deals_do_is_no_longer_done_by_hand(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let lead = given_sql(app).await;
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let path = format!("/v1/leads/{lead}/transitions");
    let told = app.get(&path).by(&sam).await.expect(200);
    assert_eq!(told["allowed"], json!([]));
    for body in [json!({"to": "customer", "reason": "price"}), json!({"reason": "price"})] {
        let refused = post(app, &sam, &path, body).await.refused(409, "illegal_transition");
        assert_eq!((&refused["current"], &refused["allowed"]), (&json!("opportunity"), &json!([])));
    }
    close(app, &sam, &deal, "won").await.expect(200);
    let refused = post(app, &boss, &path, json!({"to": "opportunity", "note": "x"}))
        .await
        .refused(409, "illegal_transition");
    assert_eq!(refused["allowed"], json!(["churned"]));
    post(app, &boss, &path, json!({"reason": "switched"})).await.expect(201);
}

#[tandem_tests::test]
async fn a_company_alone_is_enough(app: &TestApp) {
    let sam = app.user("sales").await;
    let company = app
        .post("/v1/companies")
        .by(app.admin().await)
        .json(json!({"domain": "example.com", "name": "Example"}))
        .await
        .expect(201)
        .id();
    let deal = post(app, &sam, "/v1/deals", json!({"name": "x", "company_id": company})).await.expect(201);
    assert_eq!(
        (&deal["primary_lead_id"], &deal["amount"], &deal["owner_id"]),
        (&Value::Null, &Value::Null, &json!(sam.id))
    );
    let won = close(app, &sam, &deal.id(), "won").await.expect(200);
    assert_eq!(won["base_amount"], Value::Null);
}

#[tandem_tests::test]
async fn a_deal_is_its_owners(app: &TestApp) {
    let (sam, rep, boss) =
        (app.user("sales").await, app.user("sales").await, app.user("sales_manager").await);
    let lead = given_sql(app).await;
    open(app, &app.user("revops").await, &lead).await.refused(403, "wrong_role");
    open(app, &app.user("marketing").await, &lead).await.refused(403, "insufficient_scope");
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let path = format!("/v1/deals/{deal}");
    open(app, &rep, &lead).await.refused(403, "not_owner");
    post(app, &rep, &format!("{path}/move"), json!({"stage": "proposal"})).await.refused(403, "not_owner");
    app.patch(&path).by(&rep).json(json!({"name": "mine"})).await.refused(403, "not_owner");
    app.patch(&path).by(&sam).json(json!({"owner_id": rep.id})).await.refused(403, "not_owner");
    close(app, &rep, &deal, "won").await.refused(403, "not_owner");
    let given = app.patch(&path).by(&boss).json(json!({"owner_id": rep.id})).await.expect(200);
    assert_eq!(given["owner_id"], rep.id);
    post(app, &rep, &format!("{path}/move"), json!({"stage": "proposal"})).await.expect(200);
    close(app, &boss, &deal, "won").await.expect(200);

    let key = app.key(&["deals:write"]).await;
    let lead = given_sql(app).await;
    let body = json!({"name": "x", "lead_ids": [lead]});
    app.post("/v1/deals").by(&key).json(body.clone()).await.refused(403, "wrong_role");
    app.post("/v1/deals").by(&key).header("x-on-behalf-of", &sam.id).json(body).await.expect(201);
    app.get("/v1/deals").by(&key).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_deal_is_moved_along_its_pipeline(app: &TestApp) {
    let sam = app.user("sales").await;
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let path = format!("/v1/deals/{deal}/move");
    let stage = |stage: &str| json!({"stage": stage});
    let refused = post(app, &sam, &path, stage("dance")).await.refused(422, "validation_failed");
    assert_eq!(refused["allowed"], json!(["discovery", "evaluation", "proposal", "negotiation"]));
    for to in ["won", "lost", "discovery"] {
        let refused = post(app, &sam, &path, stage(to)).await.refused(409, "illegal_transition");
        assert_eq!(
            (&refused["current"], &refused["allowed"]),
            (&json!("discovery"), &json!(["evaluation", "proposal", "negotiation"]))
        );
    }
    post(app, &sam, &path, stage("negotiation")).await.expect(200);
    let moved = post(app, &sam, &path, stage("evaluation")).await.expect(200);
    app.post(&path)
        .by(&sam)
        .header("if-match", "\"1.0\"")
        .json(stage("proposal"))
        .await
        .refused(412, "stale");
    app.post(&path).by(&sam).header("if-match", moved.etag()).json(stage("proposal")).await.expect(200);
    close(app, &sam, &deal, "lost").await.expect(200);
    post(app, &sam, &path, stage("proposal")).await.refused(409, "illegal_transition");
    app.post("/v1/deals/deal_01h455vb4pex5vsknk084sn02q/move")
        .by(&sam)
        .json(stage("proposal"))
        .await
        .refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_closing_needs_what_the_agreement_says(app: &TestApp) {
    let sam = app.user("sales").await;
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let path = format!("/v1/deals/{deal}/close");
    app.clock.advance(minutes(1));
    for (body, place, code) in [
        (json!({"outcome": "won"}), "#/reason", "required"),
        (json!({"outcome": "draw", "reason": "price"}), "#/outcome", "not_allowed"),
        (json!({"outcome": "won", "reason": "timing"}), "#/reason", "not_allowed"),
        (json!({"outcome": "lost", "reason": "other"}), "#/note", "required"),
        (json!({"outcome": "lost", "reason": "lost_to_competitor"}), "#/competitor", "required"),
        (
            json!({"outcome": "won", "reason": "price", "closed_at": "2020-01-01T00:00:00Z"}),
            "#/closed_at",
            "out_of_range",
        ),
        (
            json!({"outcome": "won", "reason": "price", "closed_at": "2030-01-01T00:00:00Z"}),
            "#/closed_at",
            "out_of_range",
        ),
        (
            json!({"outcome": "won", "reason": "price", "until": "2030-01-01T00:00:00Z"}),
            "#/until",
            "not_allowed",
        ),
    ] {
        let refused = post(app, &sam, &path, body.clone()).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(place, code)], "{body}");
    }
    let lost = json!({"outcome": "lost", "reason": "lost_to_competitor", "competitor": "Example & Sons"});
    let mut unknown = lost.clone();
    unknown["objections"] = json!([{"code": "no_such_code"}, {}]);
    let unknown = post(app, &sam, &path, unknown).await.refused(422, "validation_failed");
    assert_eq!(
        unknown.violations(),
        [("#/objections/0/code", "not_allowed"), ("#/objections/1", "required")]
    );
    let lost = post(app, &sam, &path, lost).await.expect(200);
    assert_eq!((&lost["competitor"], &lost["objections"]), (&json!("Example & Sons"), &json!([])));
    close(app, &sam, &deal, "won").await.refused(409, "illegal_transition");
}

#[tandem_tests::test]
async fn a_closing_states_the_objections_and_a_reopening_takes_them_back(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let path = format!("/v1/deals/{deal}");
    let objections = json!([{"text": "Wants to host it itself", "quote": "Not in your cloud"}]);
    let body = json!({"outcome": "lost", "reason": "price", "objections": objections});
    let lost = post(app, &sam, &format!("{path}/close"), body).await.expect(200);
    assert_eq!(lost["objections"], objections);
    assert_eq!(app.get(&path).by(&sam).await.expect(200).body, lost.body);
    let listed = app.get("/v1/deals?state=lost").by(&sam).await.expect(200);
    assert_eq!(listed["data"][0], lost.body);
    let renamed = app.patch(&path).by(&sam).json(json!({"name": "Renamed"})).await.expect(200);
    assert_eq!(renamed["objections"], objections, "they stay");
    let reopened =
        post(app, &boss, &format!("{path}/reopen"), json!({"note": "a mistake"})).await.expect(200);
    assert_eq!(reopened["objections"], json!([]));
}

#[tandem_tests::test]
async fn a_merge_patch_changes_what_is_said(app: &TestApp) {
    let sam = app.user("sales").await;
    let (lead, friend) = (given_sql(app).await, app.given_lead("friend@example.com").await.id());
    let deal = open(app, &sam, &lead).await.expect(201);
    let path = format!("/v1/deals/{}", deal.id());
    let patch = |body: Value| app.patch(&path).by(&sam).json(body);
    let changed =
        patch(json!({"amount": {"amount": 7}, "expected_close_on": "2026-12-24", "lead_ids": [lead, friend],
        "roles": [{"lead_id": lead, "role": "decision_maker"}]}))
        .await
        .expect(200);
    assert_eq!(changed["amount"], json!({"amount": 7, "currency": "EUR"}));
    assert_eq!(
        (&changed["lead_ids"], &changed["expected_close_on"]),
        (&json!([lead, friend]), &json!("2026-12-24"))
    );
    let same = patch(json!({"amount": {"amount": 7}})).await.expect(200);
    assert_eq!(same.etag(), changed.etag(), "nothing became different");
    app.patch(&path)
        .by(&sam)
        .header("if-match", deal.etag())
        .json(json!({"name": "y"}))
        .await
        .refused(412, "stale");
    let without =
        patch(json!({"lead_ids": [lead], "amount": null, "expected_close_on": null})).await.expect(200);
    assert_eq!((&without["lead_ids"], &without["amount"]), (&json!([lead]), &Value::Null));
    assert_eq!(without["roles"], json!([{"lead_id": lead, "role": "decision_maker"}]));
    for (body, place, code) in [
        (json!({"lead_ids": [friend]}), "#/lead_ids", "not_allowed"),
        (json!({"primary_lead_id": friend}), "#/primary_lead_id", "read_only_field"),
        (json!({"stage": "proposal"}), "#/stage", "read_only_field"),
        (json!({"amount": {"amount": 7}}), "#/amount/currency", "required"),
        (json!({"name": null}), "#/name", "invalid_type"),
        (json!({"expected_close_on": "soon"}), "#/expected_close_on", "invalid_format"),
    ] {
        let refused = patch(body.clone()).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(place, code)], "{body}");
    }
    patch(json!({"amount": {"amount": 7, "currency": "EUR"}})).await.expect(200);
    close(app, &sam, &deal.id(), "won").await.expect(200);
    patch(json!({"amount": {"amount": 8}})).await.refused(409, "deal_closed");
    patch(json!({"name": "The first one"})).await.expect(200);
}

#[tandem_tests::test]
async fn a_list_of_deals_is_filtered_and_paged(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let mut deals = vec![];
    for n in 0..5_i64 {
        let body = json!({"name": format!("Deal {n}"), "lead_ids": [given_sql(app).await], "amount": {"amount": n * 100, "currency": if n < 3 { "EUR" } else { "GBP" }},
            "expected_close_on": format!("2026-0{}-01", n + 4)});
        let by = if n == 4 { &boss } else { &sam };
        deals.push(post(app, by, "/v1/deals", body).await.expect(201));
        app.clock.advance(minutes(1));
    }
    let ids: Vec<String> = deals.iter().map(Answer::id).collect();
    close(app, &sam, &ids[0], "won").await.expect(200);
    close(app, &sam, &ids[1], "lost").await.expect(200);
    post(app, &sam, &format!("/v1/deals/{}/move", ids[2]), json!({"stage": "proposal"})).await.expect(200);
    let lead = deals[3]["primary_lead_id"].as_str().unwrap();
    let opened = deals[1]["opened_at"].as_str().unwrap();
    for (query, expected) in [
        (String::new(), &[0, 1, 2, 3, 4][..]),
        ("sort=-id".into(), &[4, 3, 2, 1, 0]),
        ("state=won,lost".into(), &[0, 1]),
        ("state=open&stage=proposal,negotiation".into(), &[2]),
        ("owner_id=me".into(), &[0, 1, 2, 3]),
        ("owner_id=none".into(), &[4]),
        (format!("lead_id={lead}"), &[3]),
        ("currency=GBP".into(), &[3, 4]),
        ("currency=EUR&amount_gte=100&amount_lte=100".into(), &[1]),
        ("expected_close_on_gte=2026-05-01&expected_close_on_lt=2026-07-01".into(), &[1, 2]),
        ("closed_at_gte=2026-03-02T00:00:00Z&closed_at_lt=2026-03-03T00:00:00Z".into(), &[0, 1]),
        (format!("opened_at_gte={opened}&sort=-opened_at"), &[4, 3, 2, 1]),
        ("updated_at_gte=2026-03-02T00:00:00Z&sort=-updated_at&limit=1".into(), &[2]),
        ("created_at_lt=2026-03-02T00:00:00Z".into(), &[]),
        ("pipeline_id=pipeline_01h455vb4pex5vsknk084sn02q".into(), &[]),
        ("company_id=company_01h455vb4pex5vsknk084sn02q".into(), &[]),
    ] {
        let listed = app.get(&format!("/v1/deals?{query}")).by(&sam).await.expect(200);
        let expected: Vec<String> = expected.iter().map(|n| ids[*n].clone()).collect();
        assert_eq!(listed.each("id"), expected, "{query}");
    }
    for sort in ["id", "-id", "created_at", "-updated_at", "opened_at", "-opened_at"] {
        let whole = app.get(&format!("/v1/deals?sort={sort}")).by(&sam).await.expect(200).each("id");
        let (mut crawled, mut cursor) = (vec![], String::new());
        loop {
            let page = app.get(&format!("/v1/deals?sort={sort}&limit=2{cursor}")).by(&sam).await.expect(200);
            crawled.extend(page.each("id"));
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(crawled, whole, "{sort}");
    }
    let counted = app
        .get("/v1/deals?state=open&limit=1")
        .by(&sam)
        .header("prefer", "return=total-count")
        .await
        .expect(200);
    assert_eq!((&counted["total_count"], &counted["total_count_is_estimate"]), (&json!(3), &json!(false)));
    for query in [
        "state=ajar",
        "currency=XXX",
        "amount_gte=-1",
        "expected_close_on_gte=soon",
        "sort=name",
        "owner_id=nobody",
        "lead_id=4711",
    ] {
        app.get(&format!("/v1/deals?{query}")).by(&sam).await.refused(400, "invalid_parameter");
    }
}

#[tandem_tests::test]
async fn one_request_opens_one_deal(app: &TestApp) {
    let sam = app.user("sales").await;
    let body = json!({"name": "x", "lead_ids": [given_sql(app).await]});
    let once = app.post("/v1/deals").by(&sam).once("k").json(body.clone()).await.expect(201);
    let twice = app.post("/v1/deals").by(&sam).once("k").json(body).await.expect(201);
    assert_eq!((once.body, twice.header("idempotent-replayed")), (twice.body.clone(), Some("true")));
    assert_eq!(app.get("/v1/deals").by(&sam).await.expect(200).each("id").len(), 1);
}
