//! Drafts of the agreement over HTTP: how they are written and signed by both teams, and how they come into force.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours};

use crate::previews::previewed;

struct Managers {
    marketing: User,
    sales: User,
    revops: User,
}

impl Managers {
    async fn of(app: &TestApp) -> Self {
        Self {
            marketing: app.user("marketing_manager").await,
            sales: app.user("sales_manager").await,
            revops: app.user("revops").await,
        }
    }

    /// Draft a copy of the version in force with another cooldown, and preview it; its number.
    async fn draft(&self, app: &TestApp, cooldown: &str, effective_at: Value) -> i64 {
        let current = app.get("/v1/agreements/current").by(&self.revops).await.expect(200);
        let mut document = current["document"].clone();
        document["stages"]["nurture"]["cooldown"] = json!(cooldown);
        let mut body = json!({"document": document});
        if !effective_at.is_null() {
            body["effective_at"] = effective_at;
        }
        let draft = app.post("/v1/agreements").by(&self.revops).json(body).await.expect(201);
        assert_eq!(draft["state"], "draft");
        let version = draft["version"].as_i64().unwrap();
        previewed(app, &self.revops, version).await;
        version
    }
}

async fn sign(app: &TestApp, by: &User, version: i64) -> Answer {
    app.post(&format!("/v1/agreements/{version}/sign")).by(by).await
}

async fn state(app: &TestApp, by: &User, version: i64) -> Value {
    app.get(&format!("/v1/agreements/{version}")).by(by).await.expect(200)["state"].clone()
}

async fn in_force(app: &TestApp, by: &User) -> Value {
    app.get("/v1/agreements/current").by(by).await.expect(200)["version"].clone()
}

#[tandem_tests::test]
async fn a_draft_is_in_force_once_both_managers_have_signed_it(app: &TestApp) {
    let people = Managers::of(app).await;
    let version = people.draft(app, "14d", Value::Null).await;
    assert_eq!(in_force(app, &people.revops).await, 1, "a draft changes nothing");

    let first = sign(app, &people.marketing, version).await.expect(200);
    assert_eq!(
        (&first["state"], &first["signatures"][0]["role"]),
        (&json!("draft"), &json!("marketing_manager"))
    );
    let notices = app.get("/v1/me/notices").by(&people.sales).await.expect(200);
    assert_eq!(notices["data"][0]["kind"], "agreement_signature_missing");
    assert_eq!(notices["data"][0]["act"]["path"], format!("/v1/agreements/{version}/sign"));

    let second = sign(app, &people.sales, version).await.expect(200);
    assert_eq!((&second["state"], second["signatures"].as_array().unwrap().len()), (&json!("in_force"), 2));
    let current = app.get("/v1/agreements/current").by(&people.revops).await.expect(200);
    assert_eq!((&current["version"], &current["state"]), (&json!(version), &json!("in_force")));
    assert_eq!(current["document"]["stages"]["nurture"]["cooldown"], "14d");
    assert_eq!(state(app, &people.revops, 1).await, "superseded");
    // Nobody puts a document in force alone any more.
    let body = json!({"document": current["document"]});
    let alone = app.put("/v1/agreements/current").by(&people.revops).json(body).await;
    alone.refused(409, "already_signed");
    let types = ["agreement.created", "agreement.signed", "agreement.came_into_force"];
    for (kind, count) in types.into_iter().zip([1, 2, 1]) {
        let entries = app.get(&format!("/v1/journal?type={kind}")).by(app.admin().await).await.expect(200);
        assert_eq!(entries["data"].as_array().unwrap().len(), count, "{kind}");
    }
}

#[tandem_tests::test]
async fn each_side_signs_once_and_in_person(app: &TestApp) {
    let people = Managers::of(app).await;
    let version = people.draft(app, "14d", Value::Null).await;
    for (by, code) in
        [(&people.revops, "insufficient_scope"), (&app.user("sales").await, "insufficient_scope")]
    {
        sign(app, by, version).await.refused(403, code);
    }
    sign(app, &app.login("admin@example.com").await, version).await.refused(403, "insufficient_scope");
    sign(app, &people.sales, version).await.expect(200);
    sign(app, &people.sales, version).await.refused(409, "already_signed");
    assert_eq!(state(app, &people.revops, version).await, "draft");

    // A signature that is withdrawn no longer counts, and stays in the history.
    let path = format!("/v1/agreements/{version}/sign");
    app.delete(&path).by(&people.marketing).await.refused(409, "conflict");
    let withdrawn = app.delete(&path).by(&people.sales).await.expect(200);
    assert_eq!(withdrawn["signatures"][0]["ended_by"], "withdrawn");
    let one = sign(app, &people.marketing, version).await.expect(200);
    assert_eq!(one["state"], "draft");
    assert_eq!(sign(app, &people.sales, version).await.expect(200)["state"], "in_force");
    app.delete(&path).by(&people.sales).await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn an_edit_between_the_signatures_ends_the_first_one(app: &TestApp) {
    let people = Managers::of(app).await;
    let version = people.draft(app, "14d", Value::Null).await;
    let path = format!("/v1/agreements/{version}");
    let read = app.get(&path).by(&people.sales).await.expect(200);
    let tag = read.header("etag").unwrap().to_owned();
    sign(app, &people.marketing, version).await.expect(200);

    let shorter = json!({"document": {"stages": {"nurture": {"cooldown": "7d"}}}});
    let edited = app.patch(&path).by(&people.revops).json(shorter).await.expect(200);
    assert_eq!(edited["document"]["stages"]["nurture"]["cooldown"], "7d");
    assert_eq!(edited["signatures"][0]["ended_by"], "edited");
    let stale = app.post(&format!("{path}/sign")).by(&people.sales).header("if-match", &tag).await;
    stale.refused(412, "stale");
    sign(app, &people.sales, version).await.refused(409, "preview_missing");
    previewed(app, &people.revops, version).await;
    assert_eq!(sign(app, &people.sales, version).await.expect(200)["state"], "draft");
    let signed = sign(app, &people.marketing, version).await.expect(200);
    assert_eq!((&signed["state"], signed["signatures"].as_array().unwrap().len()), (&json!("in_force"), 3));
    let late = app.patch(&path).by(&people.revops).json(json!({"document": {"icp": null}})).await;
    late.refused(409, "conflict");
}

#[tandem_tests::test]
async fn an_outdated_draft_is_not_signed_and_a_copy_of_it_is(app: &TestApp) {
    let people = Managers::of(app).await;
    let (one, other) =
        (people.draft(app, "14d", Value::Null).await, people.draft(app, "10d", Value::Null).await);
    for by in [&people.marketing, &people.sales] {
        sign(app, by, one).await.expect(200);
    }
    let outdated = sign(app, &people.sales, other).await.refused(409, "outdated_draft");
    assert_eq!(outdated["current"], one.to_string());
    sign(app, &people.sales, 1).await.refused(409, "conflict");

    let copy =
        app.post(&format!("/v1/agreements?from={other}")).by(&people.sales).json(json!({})).await.expect(201);
    let copy = copy["version"].as_i64().unwrap();
    let diff = app.get(&format!("/v1/agreements/{copy}/diff")).by(&people.sales).await.expect(200);
    let expected = json!([{"pointer": "/stages/nurture/cooldown", "before": "14d", "after": "10d"}]);
    assert_eq!((&diff["against"], &diff["differences"]), (&json!(one), &expected));
    previewed(app, &people.revops, copy).await;
    for by in [&people.marketing, &people.sales] {
        sign(app, by, copy).await.expect(200);
    }
    assert_eq!(in_force(app, &people.revops).await, copy);
}

#[tandem_tests::test]
async fn two_signatures_at_once_put_one_version_in_force_once(app: &TestApp) {
    let people = Managers::of(app).await;
    let version = people.draft(app, "14d", Value::Null).await;
    let (one, other) =
        futures::join!(sign(app, &people.marketing, version), sign(app, &people.sales, version));
    let mut states = [one.expect(200)["state"].clone(), other.expect(200)["state"].clone()];
    states.sort_by_key(|state| state.to_string());
    assert_eq!(states, ["draft", "in_force"]);
    let kind = "/v1/journal?type=agreement.came_into_force";
    let entries = app.get(kind).by(app.admin().await).await.expect(200);
    assert_eq!(entries["data"].as_array().unwrap().len(), 1);
}

#[tandem_tests::test]
async fn a_signed_version_with_a_later_instant_is_scheduled(app: &TestApp) {
    let people = Managers::of(app).await;
    let later = app.clock.now().plus_millis(3_600_000);
    let version = people.draft(app, "14d", json!(later)).await;
    for by in [&people.marketing, &people.sales] {
        sign(app, by, version).await.expect(200);
    }
    assert_eq!(state(app, &people.revops, version).await, "scheduled");
    assert_eq!(in_force(app, &people.revops).await, 1);
    let body =
        json!({"document": app.get("/v1/agreements/1").by(&people.revops).await.expect(200)["document"]});
    app.put("/v1/agreements/current").by(&people.revops).json(body).await.refused(409, "already_signed");

    // Another one that both sign takes its place in the schedule.
    let next = people.draft(app, "12d", json!(later)).await;
    for by in [&people.marketing, &people.sales] {
        sign(app, by, next).await.expect(200);
    }
    assert_eq!(state(app, &people.revops, version).await, "discarded");

    app.clock.advance(hours(1) + 1_000);
    app.run_jobs().await;
    let revops = app.login(&people.revops.email).await;
    assert_eq!(
        (in_force(app, &revops).await, state(app, &revops, next).await),
        (json!(next), json!("in_force"))
    );
}

#[tandem_tests::test]
async fn a_draft_may_be_incomplete_and_is_checked_and_signed_when_whole(app: &TestApp) {
    let people = Managers::of(app).await;
    let body = json!({"document": {"icp": {"all": []}}});
    let draft = app.post("/v1/agreements").by(&people.marketing).json(body).await.expect(201);
    let version = draft["version"].as_i64().unwrap();
    let missing = sign(app, &people.sales, version).await.refused(422, "validation_failed");
    assert!(
        missing.violations().iter().any(|one| one == &("#/document/scoring", "required")),
        "{}",
        missing.text
    );

    let path = format!("/v1/agreements/{version}");
    let faulty = json!({"document": {"icp": {"field": "shoe_size", "op": "exists"}, "color": "red"}});
    let faults = app.patch(&path).by(&people.marketing).json(faulty).await.refused(422, "validation_failed");
    assert_eq!(faults.violations().len(), 2, "{}", faults.text);
    app.post("/v1/agreements")
        .by(&app.user("marketing").await)
        .json(json!({}))
        .await
        .refused(403, "insufficient_scope");
    let discarded = app.post(&format!("{path}/discard")).by(&people.sales).await.expect(200);
    assert_eq!(discarded["state"], "discarded");
    sign(app, &people.sales, version).await.refused(409, "conflict");
    app.post(&format!("{path}/discard")).by(&people.sales).await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn a_signer_who_left_signs_nothing_and_makes_a_review_due(app: &TestApp) {
    let people = Managers::of(app).await;
    let disable = async |user: &User| {
        let path = format!("/v1/users/{}", user.id);
        app.patch(&path).by(app.admin().await).json(json!({"disabled": true})).await.expect(200);
    };
    let version = people.draft(app, "14d", Value::Null).await;
    sign(app, &people.marketing, version).await.expect(200);
    sign(app, &people.sales, version).await.expect(200);
    let next = people.draft(app, "12d", Value::Null).await;
    sign(app, &people.marketing, next).await.expect(200);
    disable(&people.marketing).await;
    sign(app, &people.sales, next).await.refused(409, "signer_left");
    let current = app.get("/v1/agreements/current").by(&people.revops).await.expect(200);
    assert_eq!((&current["version"], &current["review_due"]), (&json!(version), &json!(true)));
}
