//! Leads: found or made by what identifies them, changed by merge patch, owned, put away.

use serde_json::{Value, json};
use tandem_tests::{START, TestApp, hours, minutes};

async fn post(app: &TestApp, body: Value) -> tandem_tests::Answer {
    app.post("/v1/leads").by(app.admin().await).json(body).await
}

async fn patch(app: &TestApp, id: &str, body: Value) -> tandem_tests::Answer {
    app.patch(&format!("/v1/leads/{id}")).by(app.admin().await).json(body).await
}

#[tandem_tests::test]
async fn a_lead_is_made_once_and_found_again(app: &TestApp) {
    let made = post(app, json!({"email": " Ada@Example.COM ", "first_name": "Ada"})).await.expect(201);
    assert_eq!(made.header("location"), Some(format!("/v1/leads/{}", made.id()).as_str()));
    assert_eq!(
        (&made["email"], &made["stage"], &made["cycle"]),
        (&json!("ada@example.com"), &json!("lead"), &json!(1))
    );
    assert_eq!((&made["score"]["fit"], &made["owner_id"]), (&json!(15), &Value::Null));

    let again = post(app, json!({"email": "ada@example.com", "last_name": "Lovelace"})).await.expect(200);
    assert_eq!((again.id(), &again["first_name"]), (made.id(), &json!("Ada")));
    assert_ne!(again.etag(), made.etag());
    let same = post(app, json!({"email": "ada@example.com", "last_name": "Lovelace"})).await.expect(200);
    assert_eq!((same.etag(), same["updated_at"].clone()), (again.etag(), again["updated_at"].clone()));

    let read = app.get(&format!("/v1/leads/{}", made.id())).by(app.admin().await).await.expect(200);
    assert_eq!(read.body, same.body);
}

#[tandem_tests::test]
async fn every_identifier_leads_to_the_lead(app: &TestApp) {
    let crm = json!({"system": "crm", "id": "47/11 ä"});
    let made = post(app, json!({"external_id": crm, "email": "ada@example.com", "phone": "+39 02 1234567"}))
        .await
        .expect(201);
    let by_id = post(app, json!({"id": made.id(), "emails": ["lovelace@example.com"]})).await.expect(200);
    assert_eq!(by_id["emails"], json!(["ada@example.com", "lovelace@example.com"]));
    for one in [
        json!({"external_id": crm}),
        json!({"email": "lovelace@example.com"}),
        json!({"phone": "0039021234567"}),
    ] {
        assert_eq!(post(app, one).await.expect(200).id(), made.id());
    }
    let found =
        app.get("/v1/leads/by-external-id/crm/47%2F11%20%C3%A4").by(app.admin().await).await.expect(200);
    assert_eq!((found.id(), found.etag()), (made.id(), by_id.etag()));
    app.get("/v1/leads/by-external-id/crm/nobody").by(app.admin().await).await.refused(404, "not_found");
    app.get("/v1/leads/by-external-id/erp/4711").by(app.admin().await).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn identifiers_of_two_leads_are_a_conflict(app: &TestApp) {
    let (ada, bob) =
        (app.given_lead("ada@example.com").await.id(), app.given_lead("bob@example.com").await.id());
    let refused = post(app, json!({"emails": ["ada@example.com", "bob@example.com"]})).await;
    assert_eq!(refused.refused(409, "identifiers_conflict")["lead_ids"], json!([ada, bob]));
    let refused = patch(app, &ada, json!({"email": "bob@example.com"})).await;
    refused.refused(409, "identifiers_conflict");
    post(app, json!({"id": "lead_01h455vb4pex5vsknk084sn02q", "email": "c@example.com"}))
        .await
        .refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_shared_phone_names_nobody(app: &TestApp) {
    let one = post(app, json!({"email": "a@example.com", "phone": "+39021234567"})).await.expect(201);
    let two = post(app, json!({"email": "b@example.com", "phone": "+39021234567"})).await.expect(201);
    let three = post(app, json!({"phone": "+39021234567"})).await.expect(201);
    assert!(three.id() != one.id() && three.id() != two.id());
}

#[tandem_tests::test]
async fn a_phone_without_a_country_is_read_in_that_of_the_lead(app: &TestApp) {
    let local = json!({"email": "ada@example.com", "phone": "044 668 18 00"});
    let refused = post(app, local.clone()).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/phone", "invalid_format")], "nobody knows the country");
    assert_eq!(
        post(app, json!({"phones": ["044 668 18 00"]})).await.refused(422, "validation_failed").violations(),
        [("#/phones/0", "invalid_format")]
    );
    post(app, json!({"email": "ada@example.com", "country": "CH"})).await.expect(201);
    let lead = post(app, local.clone()).await.expect(200);
    assert_eq!(lead["phones"], json!(["+41446681800"]));
    let refused = post(app, json!({"email": "ada@example.com", "phones": ["+39021234567", "0999 999"]}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/phones/1", "invalid_format")]);
    let batch = json!({"leads": [{"email": "new@example.com", "phone": "044 668 18 01"}, {"email": "ada@example.com", "phone": "044 668 18 01"}]});
    let answer = app.post("/v1/leads/batch").by(app.admin().await).json(batch).await.expect(207);
    assert_eq!((&answer["items"][0]["status"], &answer["items"][1]["status"]), (&json!(422), &json!(200)));
    let id = lead.id();
    let lead = app.get(&format!("/v1/leads/{id}")).by(app.admin().await).await.expect(200);
    assert_eq!(lead["phones"], json!(["+41446681800", "+41446681801"]));
}

#[tandem_tests::test]
async fn all_that_is_wrong_is_said_at_once(app: &TestApp) {
    let body = json!({"email": "nonsense", "emails": ["b@example.com", "@"], "phone": "12", "country": "GBR",
                      "frist_name": "Ada", "stage": "mql", "company": {"domain": 5}});
    let refused = post(app, body).await.refused(422, "validation_failed");
    let found = refused.violations();
    for expected in [
        ("#/frist_name", "unknown_field"),
        ("#/stage", "read_only_field"),
        ("#/company/domain", "invalid_type"),
    ] {
        assert!(found.contains(&expected), "{found:?}");
    }
    assert!(refused.text.contains("first_name"), "the nearest known name");
    let refused = post(app, json!({"email": "nonsense", "emails": ["@"], "phone": "12"}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [("#/email", "invalid_format"), ("#/emails/0", "invalid_format"), ("#/phone", "invalid_format")]
    );
    assert_eq!(
        post(app, json!({"first_name": "Ada"})).await.refused(422, "validation_failed").violations(),
        [("#/email", "required")]
    );
}

#[tandem_tests::test]
async fn a_merge_patch_changes_what_it_names(app: &TestApp) {
    let lead = post(
        app,
        json!({"email": "ada@example.com", "first_name": "Ada", "country": "gb", "phones": ["+39021234567"]}),
    )
    .await;
    let id = lead.expect(201).id();
    let changed =
        patch(app, &id, json!({"first_name": null, "job_title": "Analyst", "email": "new@example.com"}))
            .await
            .expect(200);
    assert_eq!(
        (&changed["first_name"], &changed["job_title"], &changed["country"]),
        (&Value::Null, &json!("Analyst"), &json!("GB"))
    );
    assert_eq!(changed["emails"], json!(["new@example.com", "ada@example.com"]));
    let changed = patch(app, &id, json!({"emails": ["ada@example.com"], "phones": []})).await.expect(200);
    assert_eq!((&changed["emails"], &changed["phone"]), (&json!(["ada@example.com"]), &Value::Null));
    assert_eq!(patch(app, &id, json!({})).await.expect(200).etag(), changed.etag());
    assert_eq!(
        app.given_lead("new@example.com").await["emails"],
        json!(["new@example.com"]),
        "a freed address is free"
    );
    patch(app, "lead_01h455vb4pex5vsknk084sn02q", json!({})).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn of_two_edits_the_later_one_wins_also_within_a_millisecond(app: &TestApp) {
    let id = app.given_lead("ada@example.com").await.id();
    for n in 0..12 {
        let name = format!("Ada {n}");
        let changed = patch(app, &id, json!({"first_name": name})).await.expect(200);
        app.clock.advance(-1);
        assert_eq!(changed["first_name"], json!(name));
    }
}

#[tandem_tests::test]
async fn a_change_is_made_on_the_version_that_was_read(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await;
    let path = format!("/v1/leads/{}", lead.id());
    let by = app.admin().await;
    let change = |tag: &str, name: &str| {
        app.patch(&path).by(by).header("if-match", tag).json(json!({"first_name": name}))
    };
    let changed = change(lead.etag(), "Ada").await.expect(200);
    let stale = change(lead.etag(), "Eve").await.refused(412, "stale");
    assert_eq!(stale["current"], changed.etag());
    change("*", "Ada B").await.expect(200);
    change("nonsense", "Eve").await.refused(400, "invalid_header");
    let latest = app.get(&path).by(by).await.expect(200).etag().to_owned();
    for unknown in [format!("W/{latest}"), "\"of another service\"".into(), "\"a,b\", W/\"1.0\"".into()] {
        change(&unknown, "Eve").await.refused(412, "stale");
    }
    let version = latest.trim_matches('"').split('.').next().unwrap();
    for similar in [format!("\"{version}\""), format!("\"{version}.0.0\""), format!("\"0{version}.0\"")] {
        change(&similar, "Eve").await.refused(412, "stale");
    }
    change(&format!("\"a,b\" , {latest}"), "Ada C").await.expect(200);
    app.get(&path).by(by).header("if-none-match", changed.etag()).await.expect(200);
    let now = app.get(&path).by(by).await.expect(200);
    assert_eq!(app.get(&path).by(by).header("if-none-match", now.etag()).await.expect(304).text, "");
}

#[tandem_tests::test]
async fn what_was_typed_by_hand_goes_before_what_a_key_says(app: &TestApp) {
    let key = app.key(&["leads:read", "leads:write"]).await;
    let body = |name: &str| json!({"email": "ada@example.com", "first_name": name});
    let by_key = |name: &str| app.post("/v1/leads").by(&key).json(body(name));
    let id = by_key("Key").await.expect(201).id();
    assert_eq!(patch(app, &id, json!({"first_name": "Hand"})).await.expect(200)["first_name"], "Hand");
    app.clock.advance(minutes(1));
    assert_eq!(by_key("Later key").await.expect(200)["first_name"], "Hand");

    let fields = app.get(&format!("/v1/leads/{id}/fields")).by(app.admin().await).await.expect(200);
    let names: Vec<&Value> =
        fields["data"].as_array().unwrap().iter().filter(|one| one["field"] == "first_name").collect();
    let winners: Vec<&Value> =
        names.iter().filter(|one| one["is_winner"] == true).map(|one| &one["value"]).collect();
    assert_eq!((names.len(), winners), (3, vec![&json!("Hand")]));
    let cleared = patch(app, &id, json!({"first_name": null})).await.expect(200);
    assert_eq!(cleared["first_name"], Value::Null, "known to be empty");
}

#[tandem_tests::test]
async fn an_older_observation_does_not_win(app: &TestApp) {
    let key = app.key(&["leads:read", "leads:write"]).await;
    let said = |name: &str, at: i64| {
        let at = START.plus_millis(at).to_string();
        app.post("/v1/leads")
            .by(&key)
            .json(json!({"email": "ada@example.com", "job_title": name, "observed_at": at}))
    };
    said("Now", 0).await.expect(201);
    assert_eq!(said("Before", -hours(1)).await.expect(200)["job_title"], "Now");
    assert_eq!(said("Never", hours(5)).await.expect(200)["job_title"], "Never", "the future counts as now");
    app.clock.advance(hours(1));
    assert_eq!(said("Later", hours(1)).await.expect(200)["job_title"], "Later");
}

#[tandem_tests::test]
async fn the_first_touch_stays_the_first(app: &TestApp) {
    let touch = |source: &str| json!({"email": "ada@example.com", "first_touch": {"source": source, "channel": "paid_search"}});
    post(app, touch("google")).await.expect(201);
    assert_eq!(post(app, touch("bing")).await.expect(200)["first_touch"]["source"], "google");
}

#[tandem_tests::test]
async fn a_batch_answers_for_each_lead(app: &TestApp) {
    app.given_lead("known@example.com").await;
    let lead = |email: &str| json!({"email": email});
    let leads = json!([lead("a@example.com"), lead("nonsense"), lead("known@example.com"), lead("A@example.com"),
                       {"email": "b@example.com", "frist_name": "x"}, 5, {"first_name": "nobody"}]);
    let answer =
        app.post("/v1/leads/batch").by(app.admin().await).json(json!({"leads": leads})).await.expect(207);
    let items = answer["items"].as_array().unwrap();
    let statuses: Vec<i64> = items.iter().map(|item| item["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [201, 422, 200, 200, 422, 422, 422]);
    assert_eq!((&items[0]["id"], &items[0]["stage"]), (&items[3]["id"], &json!("lead")));
    assert_eq!(items[4]["problem"]["errors"][0]["pointer"], "#/frist_name");
    assert_eq!(items[2]["index"], 2);
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").len(), 2);
    for (body, pointer, code) in [
        (json!({"leads": []}), "#/leads", "too_few_items"),
        (json!({"leads": vec![lead("a@example.com"); 501]}), "#/leads", "too_many_items"),
        (json!({}), "#/leads", "required"),
        (json!({"leads": 1}), "#/leads", "invalid_type"),
        (json!({"leads": [], "x": 1}), "#/x", "unknown_field"),
        (json!([]), "#", "invalid_type"),
    ] {
        let refused = app
            .post("/v1/leads/batch")
            .by(app.admin().await)
            .json(body)
            .await
            .refused(422, "validation_failed");
        assert!(refused.violations().contains(&(pointer, code)), "{:?}", refused.violations());
    }
}

#[tandem_tests::test]
async fn five_hundred_leads_of_one_company_come_in_one_request(app: &TestApp) {
    let lead = |n: usize| json!({"external_id": {"system": "olist", "id": format!("{n}")}, "company": {"domain": "example.com", "name": "Example"}});
    let body = json!({"leads": (0..500).map(lead).collect::<Vec<_>>()});
    for status in [201, 200] {
        let answer = app.post("/v1/leads/batch").by(app.admin().await).json(body.clone()).await.expect(207);
        assert!(answer["items"].as_array().unwrap().iter().all(|item| item["status"] == status));
    }
    assert_eq!(
        app.get("/v1/companies").by(app.admin().await).await.expect(200).each("domain"),
        ["example.com"]
    );
}

#[tandem_tests::test]
async fn who_may_write_follows_role_and_ownership(app: &TestApp) {
    let (mia, sam, sue) = (app.user("marketing").await, app.user("sales").await, app.user("sales").await);
    let (manager, revops) = (app.user("sales_manager").await, app.user("revops").await);
    let found = app.post("/v1/leads").by(&sam).json(json!({"email": "ada@example.com"})).await.expect(201);
    assert_eq!(found["owner_id"], sam.id, "what sales finds it owns");
    let path = format!("/v1/leads/{}", found.id());
    let rename = |by: &tandem_tests::User| {
        app.patch(&path).by(by).json(json!({"first_name": format!("by {}", by.id)}))
    };
    for may in [&sam, &mia, &manager] {
        rename(may).await.expect(200);
    }
    rename(&sue).await.refused(403, "not_owner");
    rename(&revops).await.refused(403, "wrong_role");
    app.post("/v1/leads")
        .by(&revops)
        .json(json!({"email": "b@example.com"}))
        .await
        .refused(403, "wrong_role");

    let assign = |by: &tandem_tests::User, to: Value| {
        app.post(&format!("{path}/assign")).by(by).json(json!({"owner_id": to}))
    };
    assign(&sue, json!(sue.id)).await.refused(403, "not_owner");
    assign(&mia, json!(sue.id)).await.refused(403, "wrong_role");
    assert_eq!(assign(&manager, json!(sue.id)).await.expect(200)["owner_id"], sue.id);
    rename(&sam).await.refused(403, "not_owner");
    assign(&revops, Value::Null).await.expect(200);
    assert_eq!(
        assign(&sam, json!(sam.id)).await.expect(200)["owner_id"],
        sam.id,
        "sales takes what nobody owns"
    );
    assign(&manager, json!(mia.id)).await.refused(422, "validation_failed");
    assign(&manager, json!("user_01h455vb4pex5vsknk084sn02q")).await.refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn a_lead_that_was_put_away_is_not_listed(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await;
    let by = app.admin().await;
    let post = |act: &str| app.post(&format!("/v1/leads/{}/{act}", lead.id())).by(by);
    let archived = post("archive").await.expect(200);
    assert_ne!(archived["archived_at"], Value::Null);
    assert_eq!(post("archive").await.expect(200).etag(), archived.etag(), "twice is once");
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200).each("id").len(), 0);
    assert_eq!(app.get("/v1/leads?archived=true").by(by).await.expect(200).each("id"), [lead.id()]);
    app.get(&format!("/v1/leads/{}", lead.id())).by(by).await.expect(200);
    assert_eq!(post("restore").await.expect(200)["archived_at"], Value::Null);
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200).each("id"), [lead.id()]);
}

/// A batch of leads, for whom nobody else waits as long as for all of them.
fn long_batch(from: usize, to: usize) -> Value {
    let leads = (from..to).map(|n| json!({"email": format!("person{n}@example{n}.com")}));
    json!({"leads": leads.collect::<Vec<_>>()})
}

#[tandem_tests::test]
async fn a_long_batch_becomes_durable_in_parts_and_is_answered_as_one(app: &TestApp) {
    let by = app.admin().await;
    let statements = app.running.core.db.statements();
    statements.record();
    let mut body = long_batch(0, 120);
    body["leads"][70] = json!({"email": "no e-mail"});
    let answer = app.post("/v1/leads/batch").by(by).once("long").json(body.clone()).await.expect(207);
    let begun = statements.recorded().iter().filter(|text| *text == "BEGIN").count();
    assert_eq!(begun, 3, "parts of fifty");
    let items = answer["items"].as_array().unwrap();
    let indexes: Vec<i64> = items.iter().map(|item| item["index"].as_i64().unwrap()).collect();
    assert_eq!(indexes, (0..120).collect::<Vec<i64>>());
    let created = items.iter().filter(|item| item["status"] == 201).count();
    assert_eq!((created, &items[70]["status"]), (119, &json!(422)));

    let again = app.post("/v1/leads/batch").by(by).once("long").json(body).await.expect(207);
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &answer.body));
    app.post("/v1/leads/batch")
        .by(by)
        .once("long")
        .json(long_batch(0, 120))
        .await
        .refused(422, "idempotency_key_reused");
}
