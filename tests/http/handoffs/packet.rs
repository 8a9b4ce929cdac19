//! The packet of a hand-off: frozen when the hand-off is made, with the trend of the score and what happened before.

use serde_json::{Value, json};
use tandem_tests::{TestApp, hours};

use super::{accept, go, handoff_of, id, reject};
use crate::tracked::{collect, given_form, given_site, send, view};

#[tandem_tests::test]
async fn a_packet_is_frozen_and_opened_once(app: &TestApp) {
    let (mia, sam, eve) = (app.user("marketing").await, app.user("sales").await, app.user("sales").await);
    let body = json!({
        "email": "ada@example.com", "first_name": "Ada <b>", "need": "Stock that counts itself",
        "company": {"name": "Example Ltd", "domain": "example.com"},
        "first_touch": {"channel": "paid_search", "source": "google", "campaign": "Spring"},
    });
    app.post("/v1/leads")
        .by(app.admin().await)
        .json(json!({"email": "bob@example.com", "first_name": "Bob",
        "company": {"domain": "example.com"}}))
        .await
        .expect(201);
    let campaign = json!({"name": "Spring 2026", "channel": "paid_search", "utm_campaign_aliases": ["spring"],
        "starts_on": "2026-03-01", "brief": {"message": "Stock that counts itself"}});
    app.post("/v1/campaigns").by(&mia).json(campaign).await.expect(201);
    let lead = app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201).id();
    go(app, &mia, &lead, json!({"to": "mql", "note": "x"})).await.expect(201);
    let handoff = handoff_of(app, &sam, &lead).await;
    let path = format!("/v1/handoffs/{}/packet", id(&handoff));
    let packet = app.get(&path).by(&sam).await.expect(200);
    assert_eq!((&packet["packet_version"], &packet["handoff_id"]), (&json!(1), &handoff["id"]));
    assert_eq!(packet["who"]["company"]["name"], "Example Ltd");
    assert_eq!(packet["request"]["need"], "Stock that counts itself");
    assert_eq!(packet["origin"]["last"]["channel"], "paid_search");
    assert_eq!(packet["origin"]["campaign"]["name"], "Spring 2026");
    assert_eq!(
        packet["last_message"],
        json!({"kind": "campaign",
        "at": packet["origin"]["last"]["occurred_at"], "text": "Stock that counts itself"})
    );
    assert_eq!(packet["company_contacts"][0]["name"], "Bob");
    assert_eq!(packet["company_contacts_left_out"], 0);

    for n in 0..20 {
        let edit = json!({"first_name": format!("Ada {n}"), "need": "Something else"});
        app.patch(&format!("/v1/leads/{lead}")).by(app.admin().await).json(edit).await.expect(200);
    }
    accept(app, &sam, id(&handoff)).await.expect(200);
    assert_eq!(app.get(&path).by(&sam).await.expect(200).text, packet.text, "byte for byte");

    let page = app.get(&path).by(&sam).header("accept", "text/html,*/*").await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(
        page.text.contains("Ada &lt;b&gt;") && page.text.contains("Stock that counts itself"),
        "{}",
        page.text
    );

    assert_eq!(handoff_of(app, &sam, &lead).await["opened_at"], Value::Null);
    app.get(&format!("{path}?opened=true")).by(&sam).await.expect(200);
    let opened = handoff_of(app, &sam, &lead).await;
    assert_eq!(opened["opened_by"], json!(sam.id));
    app.get(&format!("{path}?opened=true")).by(&eve).await.expect(200);
    assert_eq!(handoff_of(app, &sam, &lead).await, opened, "the first time counts");
    let key = app.key(&["handoffs:read"]).await;
    app.get(&path).by(&key).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_packet_has_the_trend_the_last_contact_and_earlier_objections(app: &TestApp) {
    const DAY: i64 = 24 * hours(1);
    let (site, form) = (given_site(app).await, given_form(app).await);
    let pricing = |at: i64| view(at, "https://www.example.com/pricing", None);
    let mql = json!({"to": "mql", "note": "asked for a demo"});
    collect(app, &site, "visitor-1", json!([pricing(-hours(1))])).await.expect(204);
    send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
    let ada = crate::tracked::lead(app, "ada@example.com").await.id();
    let total = async || {
        let by = app.login("admin@example.com").await;
        app.get(&format!("/v1/leads/{ada}/score")).by(&by).await.expect(200)["total"].as_i64().unwrap()
    };
    let packet = async |lead: &str| {
        let by = app.login("admin@example.com").await;
        go(app, &by, lead, mql.clone()).await.expect(201);
        let list = app.get(&format!("/v1/handoffs?lead_id={lead}&sort=-made_at")).by(&by).await.expect(200);
        let path = format!("/v1/handoffs/{}/packet", list["data"][0]["id"].as_str().unwrap());
        app.get(&path).by(&by).await.expect(200)
    };
    let first = packet(&ada).await;
    assert_eq!((&first["score"]["trend_7d"], &first["earlier_cycles"]), (&Value::Null, &json!([])));
    let sam = app.login(&app.user("sales").await.email).await;
    let call = |objections: Value| json!({"lead_id": ada, "type": "call", "direction": "inbound", "outcome": "connected", "objections": objections});
    let objections =
        json!([{"code": "price"}, {"text": "Wants to host it"}, {"code": "timing"}, {"code": "price"}]);
    app.post("/v1/activities").by(&sam).json(call(objections)).await.expect(201);
    let handoff = handoff_of(app, &sam, &ada).await;
    reject(app, &sam, id(&handoff), json!({"reason": "no_budget"})).await.expect(200);

    app.clock.advance(DAY);
    let then = total().await;
    app.clock.advance(7 * DAY);
    collect(app, &site, "visitor-1", json!([pricing(8 * DAY - 2), pricing(8 * DAY - 1)])).await.expect(204);
    let sam = app.login(&sam.email).await;
    let offer = json!({"lead_id": ada, "type": "email", "direction": "outbound", "subject": "Our offer"});
    app.post("/v1/activities").by(&sam).json(offer).await.expect(201);
    let now = total().await;
    assert_ne!(then, now);
    let second = packet(&ada).await;
    assert_eq!((&second["score"]["total"], &second["score"]["trend_7d"]), (&json!(now), &json!(now - then)));
    assert_eq!(second["earlier_cycles"][0]["objections"], json!(["price", "timing"]));
    assert_eq!(
        (&second["last_message"]["kind"], &second["last_message"]["text"]),
        (&json!("activity"), &json!("Our offer"))
    );
}
