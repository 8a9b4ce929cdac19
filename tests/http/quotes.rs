//! Quotes: recorded, sent, answered, expired by the clock.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours};

use crate::deals::{close, entries_since_deal, given_sql, open, post};

fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

async fn quoted(app: &TestApp, by: &User, deal: &str, more: Value) -> Answer {
    let mut body = json!({"number": " Q-1 ", "amount": eur(4_800_000)});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post(app, by, &format!("/v1/deals/{deal}/quotes"), body).await
}

async fn acted(app: &TestApp, by: &User, quote: &Answer, act: &str) -> Answer {
    let path = format!("/v1/quotes/{}/{act}", quote.id());
    match act {
        "accept" => post(app, by, &path, json!({})).await,
        _ => app.post(&path).by(by).await,
    }
}

#[tandem_tests::test]
async fn a_quote_is_drafted_sent_and_accepted(app: &TestApp) {
    let (sam, other) = (app.user("sales").await, app.user("sales").await);
    let lead = given_sql(app).await;
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let erp = json!({"external_id": {"system": "erp", "id": "117"}, "recurring": "yearly"});
    let quote = quoted(app, &sam, &deal, erp.clone()).await.expect(201);
    assert_eq!(quote.header("location"), Some(format!("/v1/quotes/{}", quote.id()).as_str()));
    assert_eq!(
        (&quote["number"], &quote["state"], &quote["sent_at"]),
        (&json!("Q-1"), &json!("draft"), &Value::Null)
    );
    quoted(app, &sam, &deal, erp).await.refused(409, "already_exists");
    quoted(app, &other, &deal, json!({})).await.refused(403, "not_owner");
    let path = format!("/v1/quotes/{}", quote.id());

    let early = acted(app, &sam, &quote, "accept").await.refused(409, "illegal_transition");
    assert_eq!((&early["current"], &early["allowed"]), (&json!("draft"), &json!(["sent"])));
    let patch = json!({"amount": eur(4_500_000), "valid_until": "2999-12-31"});
    let patched = app.patch(&path).by(&sam).json(patch).await.expect(200);
    assert_eq!((&patched["amount"], &patched["valid_until"]), (&eur(4_500_000), &json!("2999-12-31")));
    let sent = acted(app, &sam, &quote, "send").await.expect(200);
    assert_eq!((&sent["state"], sent["sent_at"].is_string()), (&json!("sent"), true));
    app.patch(&path).by(&sam).json(json!({"number": "Q-2"})).await.refused(409, "illegal_transition");

    let accepted = acted(app, &sam, &quote, "accept").await.expect(200);
    assert_eq!((&accepted["state"], &accepted["suggested_amount"]), (&json!("accepted"), &eur(4_500_000)));
    let read = app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200);
    assert_eq!(read["amount"], eur(5_000_000), "nobody asked to apply the amount");
    for act in ["send", "accept", "decline"] {
        let refused = acted(app, &sam, &quote, act).await.refused(409, "quote_closed");
        assert_eq!(refused["current"], "accepted", "{act}");
    }
    let entries = entries_since_deal(app, &lead).await;
    let quotes: Vec<&str> =
        entries.iter().map(String::as_str).filter(|kind| kind.starts_with("quote.")).collect();
    assert_eq!(quotes, ["quote.created", "quote.updated", "quote.sent", "quote.accepted"]);
}

#[tandem_tests::test]
async fn an_accepted_quote_may_set_the_amount_of_its_deal(app: &TestApp) {
    let sam = app.user("sales").await;
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let now = json!({"sent_at": app.clock.now()});
    let (first, second) = (
        quoted(app, &sam, &deal, now.clone()).await.expect(201),
        quoted(app, &sam, &deal, now).await.expect(201),
    );
    let dollars = json!({"sent_at": app.clock.now(), "amount": {"amount": 1, "currency": "USD"}});
    let dollars = quoted(app, &sam, &deal, dollars).await.expect(201);
    let apply = json!({"apply_amount": true});
    let foreign = post(app, &sam, &format!("/v1/quotes/{}/accept", dollars.id()), apply.clone()).await;
    foreign.refused(422, "validation_failed");

    let accepted = post(app, &sam, &format!("/v1/quotes/{}/accept", first.id()), apply).await.expect(200);
    assert_eq!((&accepted["state"], &accepted["suggested_amount"]), (&json!("accepted"), &Value::Null));
    let read = app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200);
    assert_eq!(read["amount"], eur(4_800_000));
    let listed = app.get(&format!("/v1/quotes?deal_id={deal}&state=sent")).by(&sam).await.expect(200);
    assert_eq!(listed.each("id"), [second.id(), dollars.id()], "accepting one declines no other");

    acted(app, &sam, &second, "decline").await.expect(200);
    close(app, &sam, &deal, "won").await.expect(200);
    acted(app, &sam, &dollars, "decline").await.refused(409, "quote_closed");
    quoted(app, &sam, &deal, json!({})).await.refused(409, "deal_closed");
    let mine = app.get("/v1/quotes?owner_id=me&state=accepted,declined").by(&sam).await.expect(200);
    assert_eq!(mine.each("id"), [first.id(), second.id()]);
}

#[tandem_tests::test]
async fn a_quote_expires_when_its_last_day_ends_in_the_zone_of_the_company(app: &TestApp) {
    let zone = json!({"name": "Example", "timezone": "Pacific/Kiritimati"});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    let manager = app.user("sales_manager").await;
    let lead = given_sql(app).await;
    let deal = open(app, &manager, &lead).await.expect(201).id();
    let now: jiff::Timestamp = app.clock.now().to_string().parse().unwrap();
    let last = now.to_zoned(jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap()).date();
    let valid = json!({"sent_at": app.clock.now(), "valid_until": last.to_string()});
    let quote = quoted(app, &manager, &deal, valid).await.expect(201);
    let past = json!({"sent_at": app.clock.now(), "valid_until": last.yesterday().unwrap().to_string()});
    let past = quoted(app, &manager, &deal, past).await.refused(422, "validation_failed");
    assert_eq!(past["errors"][0]["pointer"], "#/valid_until");
    let open_ended = quoted(app, &manager, &deal, json!({"sent_at": app.clock.now()})).await.expect(201);
    let draft = quoted(app, &manager, &deal, json!({"valid_until": last.to_string()})).await.expect(201);

    let tomorrow = last.tomorrow().unwrap().in_tz("Pacific/Kiritimati").unwrap().timestamp();
    // A second before the end, since a login takes its time.
    app.clock.advance(tomorrow.as_millisecond() - app.clock.now().millis() - 1000);
    app.run_jobs().await;
    let manager = app.login(&manager.email).await;
    let state = async |quote: &Answer| {
        app.get(&format!("/v1/quotes/{}", quote.id())).by(&manager).await.expect(200)["state"].clone()
    };
    assert_eq!(state(&quote).await, "sent", "until the end of the day");

    app.clock.advance(1000);
    let late = acted(app, &manager, &quote, "accept").await.refused(409, "quote_closed");
    assert_eq!(late["current"], "expired", "before the job has run too");
    app.run_jobs().await;
    assert_eq!(state(&quote).await, "expired");
    assert_eq!((state(&open_ended).await, state(&draft).await), (json!("sent"), json!("draft")));
    acted(app, &manager, &draft, "send").await.refused(422, "validation_failed");
    app.clock.advance(hours(1));
    app.run_jobs().await;
    let entries = entries_since_deal(app, &lead).await;
    assert_eq!(entries.iter().filter(|kind| *kind == "quote.expired").count(), 1);
}

#[tandem_tests::test]
async fn of_two_who_accept_and_decline_at_once_one_wins(app: &TestApp) {
    let sam = app.user("sales").await;
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let quote = quoted(app, &sam, &deal, json!({"sent_at": app.clock.now()})).await.expect(201);

    let (yes, no) = futures::join!(acted(app, &sam, &quote, "accept"), acted(app, &sam, &quote, "decline"));

    let mut statuses = [yes.status, no.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}
