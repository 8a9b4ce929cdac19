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
    let wrong = json!({"name": " ", "channel": "E-mail", "starts_on": "2026-02-30", "budget": 1});
    let refused = app.post("/v1/campaigns").by(&mia).json(wrong).await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["#/budget", "#/channel", "#/name", "#/starts_on"]);
    app.post("/v1/campaigns")
        .by(&app.user("sales").await)
        .json(spring(&[]))
        .await
        .refused(403, "insufficient_scope");
    let key = app.key(&["campaigns:write"]).await;
    app.post("/v1/campaigns").by(&key).json(spring(&[])).await.expect(201);
}
