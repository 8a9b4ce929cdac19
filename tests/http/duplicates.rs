//! Duplicates: who is suggested as one person, who is not, and what people say to it.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_tests::TestApp;

async fn lead(app: &TestApp, body: Value) -> String {
    app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201).id()
}

async fn listed(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.get(&format!("/v1/duplicates?limit=200{query}")).by(app.admin().await).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

/// The suggestions in a state, once the job has come as far as what was done before: on PostgreSQL the journal shows an
/// entry only after all older transactions of the server.
async fn settled(app: &TestApp, query: &str, is_settled: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..200 {
        app.run_jobs().await;
        let found = listed(app, query).await;
        if is_settled(&found) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never settled: {:?}", listed(app, query).await);
}

#[tandem_tests::test]
async fn leads_that_may_be_one_person_are_suggested_with_reasons(app: &TestApp) {
    let firm = || json!({"name": "Analytical Engines"});
    let a = lead(app, json!({"email": "ada@gmail.com", "first_name": "Ada", "last_name": "Lovelace", "phone": "+39 02 1234567"})).await;
    let b = lead(app, json!({"email": "ada@gmial.com"})).await;
    let c = lead(
        app,
        json!({"email": "c@one.example", "first_name": "Ada", "last_name": "Lovelace", "company": firm()}),
    )
    .await;
    let d = lead(
        app,
        json!({"email": "d@two.example", "first_name": "ADA", "last_name": "Lovelacé", "company": firm()}),
    )
    .await;
    let e = lead(app, json!({"email": "e@three.example", "phone": "02 1234567", "country": "IT"})).await;
    lead(app, json!({"email": "info@gmial.com", "first_name": "Ada", "last_name": "Lovelace"})).await;

    let found = settled(app, "", |found| found.len() == 3).await;
    let of =
        |one: &str, two: &str| found.iter().find(|found| found["lead_ids"] == json!([one, two])).unwrap();
    assert_eq!((&of(&a, &b)["reasons"], &of(&a, &b)["confidence"]), (&json!(["email_typo"]), &json!(0.7)));
    assert_eq!(
        (&of(&c, &d)["reasons"], &of(&c, &d)["confidence"]),
        (&json!(["same_name_and_company"]), &json!(0.8))
    );
    assert_eq!((&of(&a, &e)["reasons"], &of(&a, &e)["state"]), (&json!(["same_phone"]), &json!("open")));
    let mut ids = listed(app, &format!("&lead_id={a}")).await;
    ids.retain(|found| found["lead_ids"][0] != json!(a));
    assert_eq!(ids, Vec::<Value>::new());
    assert_eq!(listed(app, &format!("&lead_id={d}")).await.len(), 1);

    let path = format!("/v1/leads/{e}");
    app.patch(&path)
        .by(app.admin().await)
        .json(json!({"first_name": "Ada", "last_name": "Lovelace"}))
        .await
        .expect(200);
    let more =
        settled(app, &format!("&lead_id={e}"), |found| found[0]["reasons"] != json!(["same_phone"])).await;
    assert_eq!(
        (&more[0]["reasons"], &more[0]["confidence"]),
        (&json!(["same_phone", "same_name"]), &json!(0.8))
    );
    app.patch(&path).by(app.admin().await).json(json!({"phones": []})).await.expect(200);
    let gone = settled(app, "&state=withdrawn", |found| !found.is_empty()).await;
    assert_eq!(gone[0]["lead_ids"], json!([a, e]));
    assert_eq!(listed(app, "").await.len(), 2);
}

#[tandem_tests::test]
async fn who_was_said_to_be_two_is_not_suggested_again(app: &TestApp) {
    let a = lead(app, json!({"email": "a@one.example", "phone": "+39021234567"})).await;
    let b = lead(app, json!({"email": "b@two.example", "phone": "+39021234567"})).await;
    let found = settled(app, "", |found| found.len() == 1).await;
    let path = format!("/v1/duplicates/{}/dismiss", found[0]["id"].as_str().unwrap());
    app.post(&path).by(&app.user("viewer").await).await.refused(403, "insufficient_scope");
    let mia = app.user("marketing").await;
    let said = app.post(&path).by(&mia).once("d1").await.expect(200);
    assert_eq!((&said["state"], &said["lead_ids"]), (&json!("dismissed"), &json!([a, b])));
    assert_eq!(app.post(&path).by(&mia).await.expect(200).etag(), said.etag());
    app.post("/v1/duplicates/duplicate_01h455vb4pex5vsknk084sn02q/dismiss")
        .by(&mia)
        .await
        .refused(404, "not_found");

    for name in ["Ada", "Bea"] {
        app.patch(&format!("/v1/leads/{b}"))
            .by(app.admin().await)
            .json(json!({"first_name": name, "last_name": "L"}))
            .await
            .expect(200);
    }
    let c = lead(app, json!({"email": "c@three.example", "phone": "+39021234567"})).await;
    let open = settled(app, "", |found| found.len() == 2).await;
    assert!(open.iter().all(|found| found["lead_ids"][1] == json!(c)), "{open:?}");
    assert_eq!(listed(app, "&state=dismissed").await.len(), 1);
    let told = app.get(&format!("/v1/leads/{b}/timeline")).by(&mia).await.expect(200).each("type");
    assert!(
        told.contains(&"duplicate.suggested".into()) && told.contains(&"duplicate.dismissed".into()),
        "{told:?}"
    );
}

#[tandem_tests::test]
async fn a_statement_that_names_two_leads_suggests_them(app: &TestApp) {
    let crm = |id: &str| json!({"system": "crm", "id": id});
    let a = lead(app, json!({"email": "ada@one.example"})).await;
    let b = lead(app, json!({"external_id": crm("4711")})).await;
    let c = lead(app, json!({"email": "countess@two.example"})).await;
    let both = json!({"email": "ada@one.example", "external_id": crm("4711"), "first_name": "Ada"});
    for key in ["one", "one", "two"] {
        let refused = app.post("/v1/leads").by(app.admin().await).once(key).json(both.clone()).await;
        assert_eq!(refused.refused(409, "identifiers_conflict")["lead_ids"], json!([a, b]));
    }
    let found = listed(app, "").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["lead_ids"], &found[0]["reasons"]),
        (&json!([a, b]), &json!(["identifiers_conflict"]))
    );
    assert_eq!((&found[0]["confidence"], &found[0]["state"]), (&json!(0.9), &json!("open")));
    let kept = app.get(&format!("/v1/leads/{a}")).by(app.admin().await).await.expect(200);
    assert_eq!(kept["first_name"], Value::Null, "nothing else came of it");
    let types =
        app.get(&format!("/v1/leads/{b}/timeline")).by(app.admin().await).await.expect(200).each("type");
    assert_eq!(types.iter().filter(|kind| *kind == "duplicate.suggested").count(), 1, "{types:?}");

    // The job compares the leads and finds another pair; what it cannot find it leaves.
    for id in [&b, &c] {
        app.patch(&format!("/v1/leads/{id}"))
            .by(app.admin().await)
            .json(json!({"phones": ["+39021234567"]}))
            .await
            .expect(200);
    }
    let found = settled(app, "", |found| found.len() == 2).await;
    assert_eq!(
        (&found[0]["lead_ids"], &found[0]["reasons"]),
        (&json!([a, b]), &json!(["identifiers_conflict"]))
    );

    // One of many leads of a batch, together with those that were taken.
    let batch = json!({"leads": [both, {"email": "new@three.example"},
        {"emails": ["countess@two.example", "ada@one.example", "new@three.example"]}]});
    let answer = app.post("/v1/leads/batch").by(app.admin().await).json(batch).await.expect(207);
    let statuses: Vec<i64> =
        answer["items"].as_array().unwrap().iter().map(|item| item["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [409, 201, 409]);
    let d = answer["items"][1]["id"].as_str().unwrap();
    let of_a = listed(app, &format!("&lead_id={a}")).await;
    let mut pairs: Vec<&Value> = of_a.iter().map(|found| &found["lead_ids"][1]).collect();
    pairs.sort_by_key(|id| id.to_string());
    assert_eq!(pairs, [&json!(b), &json!(c), &json!(d)]);

    // Who was put away is no longer suggested; who was said to be two neither.
    let act = |path: String| app.post(&path);
    act(format!("/v1/leads/{c}/archive")).by(app.admin().await).await.expect(200);
    settled(app, "&state=withdrawn", |found| found.iter().any(|found| found["lead_ids"] == json!([a, c])))
        .await;
    let two = of_a.iter().find(|found| found["lead_ids"] == json!([a, b])).unwrap();
    act(format!("/v1/duplicates/{}/dismiss", two["id"].as_str().unwrap()))
        .by(app.admin().await)
        .await
        .expect(200);
    app.post("/v1/leads").by(app.admin().await).json(both.clone()).await.refused(409, "identifiers_conflict");
    assert_eq!(listed(app, &format!("&lead_id={b}&state=open")).await.len(), 0);
}

#[tandem_tests::test]
async fn a_switchboard_makes_no_duplicates(app: &TestApp) {
    for n in 0..7 {
        lead(app, json!({"email": format!("l{n}@firm{n}.example"), "phone": "+39021234567"})).await;
    }
    let pair = lead(app, json!({"email": "ada@example.com"})).await;
    lead(app, json!({"email": "ada@exampel.com"})).await;
    let found = settled(app, "", |found| found.iter().any(|found| found["lead_ids"][0] == json!(pair))).await;
    assert_eq!(found.len(), 1, "{found:?}");
}

#[tandem_tests::test]
async fn a_name_before_the_at_that_very_many_share_makes_no_duplicates(app: &TestApp) {
    // Two letters apart at least: no two of them differ by one slip.
    let leads: Vec<Value> = (0..200)
        .map(|n| json!({"email": format!("john@firm-{n:03}-{:03}.example", n * 37 % 1000)}))
        .collect();
    app.post("/v1/leads/batch").by(app.admin().await).json(json!({"leads": leads})).await.expect(207);
    for (n, email) in ["john@gmail.com", "john@gmial.com"].into_iter().enumerate() {
        lead(app, json!({"email": email})).await;
        for domain in ["gmail.com", "gmial.com"] {
            lead(app, json!({"email": format!("grace{n}@{domain}")})).await;
        }
        settled(app, "", |found| found.len() == n + 1).await;
    }
}

#[tandem_tests::test]
async fn a_phone_that_becomes_a_switchboards_speaks_for_nobody_any_more(app: &TestApp) {
    let holder = async |n: usize| {
        lead(app, json!({"email": format!("l{n}@firm{n}.example"), "phone": "+39021234567"})).await
    };
    for n in 0..3 {
        holder(n).await;
    }
    settled(app, "", |found| found.len() == 3).await;
    for n in 3..6 {
        holder(n).await;
    }
    let gone = settled(app, "&state=withdrawn", |found| found.len() >= 3).await;
    assert!(gone.iter().all(|found| found["reasons"] == json!(["same_phone"])), "{gone:?}");
    assert_eq!(listed(app, "").await, Vec::<Value>::new());
}
