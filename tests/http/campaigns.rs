//! Campaigns: who makes them, what they are known by, and that two never share a `utm_campaign`.

use futures::future::join;
use serde_json::{Value, json};
use tandem_tests::{TestApp, User};

fn spring(aliases: &[&str]) -> Value {
    json!({"name": "Spring", "channel": "paid_social", "utm_campaign_aliases": aliases, "starts_on": "2026-03-01"})
}

async fn made(app: &TestApp, by: &User, body: Value) -> String {
    app.post("/v1/campaigns").by(by).json(body).await.expect(201).id()
}

#[tandem_tests::test]
async fn a_campaign_is_made_read_changed_and_told_of(app: &TestApp) {
    let mia = app.user("marketing").await;
    let body = json!({"name": " Spring ", "channel": "paid_social", "utm_campaign_aliases": ["Spring-26", " frühling "],
        "starts_on": "2026-03-01", "ends_on": "2026-05-31"});
    let first = app.post("/v1/campaigns").by(&mia).once("c1").json(body.clone()).await.expect(201);
    let again = app.post("/v1/campaigns").by(&mia).once("c1").json(body).await.expect(201);
    assert_eq!(
        (first.id(), first.header("location")),
        (again.id(), Some(format!("/v1/campaigns/{}", first.id()).as_str()))
    );
    assert_eq!(
        (&first["name"], &first["utm_campaign_aliases"]),
        (&json!("Spring"), &json!(["Spring-26", "frühling"]))
    );

    let path = format!("/v1/campaigns/{}", first.id());
    let read = app.get(&path).by(&app.user("sales").await).await.expect(200);
    assert_eq!(read.body, first.body);
    let patch = |tag: &str, body: Value| app.patch(&path).by(&mia).header("if-match", tag).json(body);
    let changed =
        patch(read.etag(), json!({"ends_on": null, "utm_campaign_aliases": ["spring-26"], "archived": true}))
            .await
            .expect(200);
    assert_eq!((&changed["ends_on"], changed["archived_at"].is_string()), (&Value::Null, true));
    patch(read.etag(), json!({"name": "Autumn"})).await.refused(412, "stale");
    assert_eq!(patch(changed.etag(), json!({"name": "Spring"})).await.expect(200).etag(), changed.etag());
    patch(changed.etag(), json!({"archived": false})).await.expect(200);
    let told = app.get("/v1/journal").by(app.admin().await).await.expect(200);
    let told: Vec<String> =
        told.each("type").into_iter().filter(|kind| kind.starts_with("campaign.")).collect();
    assert_eq!(told, ["campaign.updated", "campaign.updated", "campaign.created"]);
}

#[tandem_tests::test]
async fn a_utm_campaign_names_one_campaign(app: &TestApp) {
    let mia = app.user("marketing").await;
    let spring_id = made(app, &mia, spring(&["Spring-26", "promo"])).await;
    let autumn = made(app, &mia, json!({"name": "Autumn", "channel": "email", "utm_campaign_aliases": ["autumn"], "starts_on": "2026-09-01"})).await;
    let named = async |name: &str| {
        app.get(&format!("/v1/campaigns?utm_campaign={name}")).by(&mia).await.expect(200).each("id")
    };
    assert_eq!(
        (named("SPRING-26").await, named("autumn").await, named("spring").await),
        (vec![spring_id.clone()], vec![autumn.clone()], vec![])
    );

    let taken = app
        .post("/v1/campaigns")
        .by(&mia)
        .json(spring(&["new", "PROMO "]))
        .await
        .refused(409, "already_exists");
    assert!(taken["detail"].as_str().unwrap().contains(&spring_id), "{}", taken.text);
    let path = format!("/v1/campaigns/{autumn}");
    app.patch(&path)
        .by(&mia)
        .json(json!({"utm_campaign_aliases": ["promo"]}))
        .await
        .refused(409, "already_exists");
    app.patch(&format!("/v1/campaigns/{spring_id}"))
        .by(&mia)
        .json(json!({"utm_campaign_aliases": []}))
        .await
        .expect(200);
    app.patch(&path).by(&mia).json(json!({"utm_campaign_aliases": ["autumn", "promo"]})).await.expect(200);
    assert_eq!(named("promo").await, [autumn]);

    let make = || app.post("/v1/campaigns").by(&mia).json(spring(&["raced"])).into_future();
    let (one, two) = join(make(), make()).await;
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [201, 409]);
}

#[tandem_tests::test]
async fn campaigns_are_listed_in_pages(app: &TestApp) {
    let mia = app.user("marketing").await;
    let mut ids = vec![];
    for n in 0..5 {
        let channel = if n == 2 { "email" } else { "display" };
        ids.push(
            made(app, &mia, json!({"name": format!("C{n}"), "channel": channel, "starts_on": "2026-03-01"}))
                .await,
        );
    }
    let (mut found, mut query) = (vec![], "limit=2".to_owned());
    loop {
        let page = app.get(&format!("/v1/campaigns?{query}")).by(&mia).await.expect(200);
        found.extend(page.each("id"));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("limit=2&cursor={cursor}");
    }
    assert_eq!(found, ids);
    assert_eq!(
        app.get("/v1/campaigns?channel=email").by(&mia).await.expect(200).each("id"),
        [ids[2].clone()]
    );
}

#[tandem_tests::test]
async fn what_is_no_campaign_is_refused_with_all_its_faults(app: &TestApp) {
    let mia = app.user("marketing").await;
    let wrong = json!({"name": "x", "channel": "email", "starts_on": "2026-02-28", "ends_on": "2026-02-01", "utm_campaign_aliases": ["a", "A"]});
    let refused = app.post("/v1/campaigns").by(&mia).json(wrong).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [("#/ends_on", "not_allowed"), ("#/utm_campaign_aliases/1", "not_allowed")]
    );
    let aliases = json!(["a", "", " ", "x".repeat(201)]);
    let wrong =
        json!({"name": "x", "channel": "email", "starts_on": "2026-02-28", "utm_campaign_aliases": aliases});
    let refused = app.post("/v1/campaigns").by(&mia).json(wrong).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [
            ("#/utm_campaign_aliases/1", "invalid_format"),
            ("#/utm_campaign_aliases/2", "invalid_format"),
            ("#/utm_campaign_aliases/3", "too_long"),
        ]
    );
    let wrong = json!({"name": " ", "channel": "E-mail", "starts_on": "2026-02-30", "budget": 1, "cost": 1});
    let refused = app.post("/v1/campaigns").by(&mia).json(wrong).await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["#/budget", "#/channel", "#/cost", "#/name", "#/starts_on"]);
    app.post("/v1/campaigns")
        .by(&app.user("sales").await)
        .json(spring(&[]))
        .await
        .refused(403, "insufficient_scope");
    let key = app.key(&["campaigns:write"]).await;
    app.post("/v1/campaigns").by(&key).json(spring(&[])).await.expect(201);
}

#[tandem_tests::test]
async fn a_campaign_has_a_budget_an_owner_a_parent_and_a_brief(app: &TestApp) {
    let mia = app.user("marketing").await;
    let year = made(app, &mia, json!({"name": "2026", "channel": "email", "starts_on": "2026-01-01"})).await;
    let body = json!({"name": "Spring", "channel": "email", "starts_on": "2026-03-01", "parent_id": year,
        "owner_id": mia.id, "budget": {"amount": 1_200_000, "currency": "EUR"},
        "brief": {"audience": "Retail", "promise": "A call back"}});
    let spring = app.post("/v1/campaigns").by(&mia).json(body).await.expect(201);
    assert_eq!(
        (&spring["budget"]["amount"], &spring["owner_id"], &spring["brief"]["offer"]),
        (&json!(1_200_000), &json!(mia.id), &Value::Null)
    );
    let path = format!("/v1/campaigns/{}", spring.id());
    let patch = |path: &str, body: Value| app.patch(path).by(&mia).json(body);

    let told = patch(&path, json!({"brief": {"offer": "An audit", "promise": null}, "budget": null}));
    let told = told.await.expect(200);
    assert_eq!(told["budget"], Value::Null);
    assert_eq!(
        told["brief"],
        json!({"audience": "Retail", "message": null, "offer": "An audit", "promise": null}),
        "a merge patch goes into objects"
    );
    assert_eq!((&told["parent_id"], &told["name"]), (&json!(year), &json!("Spring")));
    let of_year = app.get(&format!("/v1/campaigns?parent_id={year}")).by(&mia).await.expect(200);
    assert_eq!(of_year.each("id"), [spring.id()]);
    let own = app.get(&format!("/v1/campaigns?owner_id={}", mia.id)).by(&mia).await.expect(200);
    assert_eq!(own.each("id"), [spring.id()]);

    let entry = &app.get("/v1/journal?limit=1").by(app.admin().await).await.expect(200)["data"][0];
    assert_eq!(entry["before"]["budget"]["amount"], 1_200_000);
    assert_eq!(entry["after"]["budget"], Value::Null);

    let (nobody, nothing) = (format!("user_{}", "0".repeat(26)), format!("campaign_{}", "0".repeat(26)));
    let refused = patch(&path, json!({"owner_id": nobody, "parent_id": nothing, "budget": {"amount": 1}}));
    let refused = refused.await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/budget/currency", "required")], "first the shape");
    let refused = patch(&path, json!({"owner_id": nobody, "parent_id": nothing})).await;
    assert_eq!(
        refused.refused(422, "validation_failed").violations(),
        [("#/owner_id", "not_found"), ("#/parent_id", "not_found")]
    );
    patch(&path, json!({"name": null})).await.refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn a_campaign_is_never_below_itself(app: &TestApp) {
    let mia = app.user("marketing").await;
    let mut above = None;
    let mut ids = vec![];
    for n in 0..4 {
        let body = json!({"name": format!("C{n}"), "channel": "email", "starts_on": "2026-03-01", "parent_id": above});
        let id = made(app, &mia, body).await;
        above = Some(id.clone());
        ids.push(id);
    }
    let under = |child: &str, parent: &str| {
        let path = format!("/v1/campaigns/{child}");
        app.patch(&path).by(&mia).json(json!({"parent_id": parent})).into_future()
    };
    for below in &ids {
        let refused = under(&ids[0], below).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [("#/parent_id", "not_allowed")]);
    }
    under(&ids[3], &ids[0]).await.expect(200);

    // Two that each want the other above them at once: one gets its way.
    let (one, two) = join(under(&ids[1], &ids[3]), under(&ids[3], &ids[1])).await;
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [200, 422]);
}

#[tandem_tests::test]
async fn costs_are_stated_by_day(app: &TestApp) {
    let (mia, admin) = (app.user("marketing").await, app.admin().await);
    let rates = json!({"rates": [{"from": "GBP", "to": "EUR", "on": "2026-03-02", "rate": "1.2"}]});
    app.put("/v1/settings/exchange-rates").by(admin).json(rates).await.expect(200);
    let id = made(app, &mia, spring(&[])).await;
    let path = format!("/v1/campaigns/{id}/costs");
    let cost = |day: &str, amount: Option<i64>, currency: &str| json!({"on": day, "amount": amount.map(|n| json!({"amount": n, "currency": currency}))});
    let put = |body: Value| app.put(&path).by(&mia).json(body);
    let list = async |query: &str| app.get(&format!("{path}{query}")).by(&mia).await.expect(200);

    let stated = put(json!([
        cost("2026-03-01", Some(1000), "GBP"),
        cost("2026-03-02", Some(1000), "GBP"),
        cost("2026-03-03", Some(500), "EUR"),
    ]));
    let stated = stated.await.expect(200);
    assert_eq!(
        stated["data"][1],
        json!({"on": "2026-03-02", "amount": {"amount": 1000, "currency": "GBP"},
            "converted": {"amount": 1200, "currency": "EUR"}, "unconverted": false})
    );
    assert_eq!(
        (&stated["data"][0]["converted"], &stated["data"][0]["unconverted"]),
        (&Value::Null, &json!(true))
    );
    let changed = put(json!([cost("2026-03-03", Some(700), "EUR"), cost("2026-03-01", None, "")])).await;
    assert_eq!(changed.expect(200).each("on"), ["2026-03-03"]);
    let (rest, page) = (list("").await, list("?from=2026-03-02&to=2026-03-03&limit=1").await);
    assert_eq!(rest.each("on"), ["2026-03-02", "2026-03-03"]);
    assert_eq!(rest["data"][1]["amount"]["amount"], 700);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = list(&format!("?from=2026-03-02&to=2026-03-03&limit=1&cursor={cursor}")).await;
    assert_eq!((page.each("on"), next.each("on")), (vec!["2026-03-02".into()], vec!["2026-03-03".into()]));

    let entries = || app.get("/v1/journal?type=campaign.costs_updated").by(admin).into_future();
    let told = entries().await.expect(200);
    assert_eq!(told["data"][0]["subject"]["id"], json!(id));
    assert_eq!(
        (
            &told["data"][0]["before"]["2026-03-01"]["amount"],
            &told["data"][0]["after"]["2026-03-03"]["amount"]
        ),
        (&json!(1000), &json!(700))
    );
    put(json!([cost("2026-03-03", Some(700), "EUR")])).await.expect(200);
    assert_eq!(entries().await.expect(200).each("id").len(), 2, "the same again is no change");

    let twice = json!([cost("2026-03-01", None, ""), cost("2026-03-01", Some(1), "EUR")]);
    assert_eq!(put(twice).await.refused(422, "validation_failed").violations(), [("#/1/on", "not_allowed")]);
    let wrong =
        json!([{"on": "2026-02-29"}, {"on": "2026-03-01", "amount": {"amount": -1, "currency": "XXX"}}]);
    assert_eq!(
        put(wrong).await.refused(422, "validation_failed").violations(),
        [
            ("#/0/amount", "required"),
            ("#/0/on", "invalid_format"),
            ("#/1/amount/amount", "out_of_range"),
            ("#/1/amount/currency", "not_allowed"),
        ]
    );
    app.put(&format!("/v1/campaigns/campaign_{}/costs", "0".repeat(26)))
        .by(&mia)
        .json(json!([]))
        .await
        .refused(404, "not_found");
    app.put(&path).by(&app.user("sales").await).json(json!([])).await.refused(403, "insufficient_scope");
}
