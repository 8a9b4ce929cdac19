//! Attribution over HTTP: frozen paths, every model by hand, reopened deals, late touches, and the outcomes behind each credit.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use crate::deals::{open, post};

/// A lead of a company of its own with touches `(channel, campaign, days before the start)`.
async fn given_lead(app: &TestApp, touches: &[(&str, Option<&str>, i64)]) -> String {
    let email = format!("lead@firm{}.example", app.next());
    let lead = app.given_lead(&email).await.id();
    for touch in touches {
        touched(app, &email, *touch).await;
    }
    for to in ["mql", "sal", "sql"] {
        app.moved(&lead, to, None).await;
    }
    lead
}

async fn touched(app: &TestApp, email: &str, (channel, campaign, days): (&str, Option<&str>, i64)) {
    let at = app.clock.now().plus_millis(-days * 86_400_000);
    let touch = json!({"lead": {"email": email}, "channel": channel, "source": channel, "campaign": campaign,
        "occurred_at": at.to_string()});
    post(app, app.admin().await, "/v1/touches", touch).await.expect(201);
}

async fn won(app: &TestApp, by: &User, lead: &str) -> String {
    let deal = open(app, by, lead).await.expect(201).id();
    let body = json!({"outcome": "won", "reason": "price"});
    post(app, by, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
    deal
}

async fn read(app: &TestApp, by: &User, path: &str) -> Value {
    app.get(path).by(by).await.expect(200).body
}

/// The credited minor units of each row, by key.
fn credits(report: &Value) -> Vec<(String, i64)> {
    let rows = report["rows"].as_array().unwrap().iter();
    let mut rows: Vec<(String, i64)> = rows
        .map(|row| {
            let key = row["key"].as_str().unwrap_or("none").to_owned();
            (key, row["figures"]["value"]["amount"].as_i64().unwrap())
        })
        .collect();
    rows.sort();
    rows
}

/// Opens the list behind every figure of the report: as many entries, and credits that sum to the row's.
async fn check_evidence(app: &TestApp, by: &User, report: &Value) {
    let rows = report["rows"].as_array().unwrap().iter().map(|row| &row["figures"]);
    for (figures, is_credited) in rows.map(|row| (row, true)).chain([
        (&report["totals"], true),
        (&report["all"], false),
        (&report["unattributed"], false),
    ]) {
        let list = read(app, by, figures["evidence"].as_str().unwrap()).await;
        assert_eq!(list["total_count"], figures["entries"], "{figures:#}");
        if is_credited {
            let entries = list["data"].as_array().unwrap().iter();
            let credits = entries.flat_map(|entry| entry["credits"].as_array().unwrap());
            let (mut value, mut thousandths) = (0, 0);
            for credit in credits {
                value += credit["value"].as_i64().unwrap();
                thousandths += credit["thousandths"].as_i64().unwrap();
            }
            assert_eq!(
                (json!(value), json!(thousandths)),
                (figures["value"]["amount"].clone(), figures["thousandths"].clone())
            );
        }
    }
}

#[tandem_tests::test]
async fn every_model_credits_a_won_deal_to_the_cent_and_opens_to_it(app: &TestApp) {
    let sam = app.user("sales").await;
    // Four touches before the lead became known, which is now: 20, 10, 5 and 1 days ago.
    let touches = [
        ("paid_search", Some("spring"), 20),
        ("email", None, 10),
        ("direct", None, 5),
        ("organic_search", None, 1),
    ];
    let lead = given_lead(app, &touches).await;
    won(app, &sam, &lead).await;
    let admin = app.admin().await;
    let by_model = async |model: &str| {
        let report = read(app, admin, &format!("/v1/reports/attribution?model={model}")).await;
        check_evidence(app, admin, &report).await;
        assert_eq!(report["totals"]["value"]["amount"], 5_000_000, "{model}");
        credits(&report)
    };
    let shares = |shares: [(&str, i64); 4]| shares.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let one = |key: &str| vec![(key.to_owned(), 5_000_000)];
    assert_eq!(by_model("first_touch").await, one("paid_search"));
    assert_eq!(by_model("last_touch").await, one("organic_search"));
    assert_eq!(by_model("lead_touch").await, one("organic_search"), "the last one before the lead was known");
    let equal = [
        ("direct", 1_250_000),
        ("email", 1_250_000),
        ("organic_search", 1_250_000),
        ("paid_search", 1_250_000),
    ];
    assert_eq!(by_model("linear").await, shares(equal));
    let u =
        [("direct", 500_000), ("email", 500_000), ("organic_search", 2_000_000), ("paid_search", 2_000_000)];
    assert_eq!(by_model("u_first_last").await, shares(u));
    assert_eq!(by_model("u_first_lead").await, shares(u));
    // Lead touch, deal touch and last touch are the same one.
    let w =
        [("direct", 250_000), ("email", 250_000), ("organic_search", 3_000_000), ("paid_search", 1_500_000)];
    assert_eq!(by_model("w").await, shares(w));
    let full =
        [("direct", 250_000), ("email", 250_000), ("organic_search", 3_375_000), ("paid_search", 1_125_000)];
    assert_eq!(by_model("full_path").await, shares(full));
    assert_eq!(
        by_model("custom&poles=first:40,last:40&rest=20").await,
        shares(u),
        "a preset is a custom model"
    );
    let decay = by_model("time_decay&half_life=5d").await;
    assert_eq!(decay.iter().map(|(_, value)| value).sum::<i64>(), 5_000_000);
    assert!(decay.iter().find(|(key, _)| key == "email").unwrap().1 * 2 - decay[0].1 < 3, "{decay:?}");
    assert_eq!(by_model("markov").await, shares(equal), "one journey: no channel can be missing");
    let narrow = by_model("linear&lookback=6d").await;
    assert_eq!(narrow, [("direct".to_owned(), 2_500_000), ("organic_search".to_owned(), 2_500_000)]);
    let email = read(app, admin, "/v1/reports/attribution?channel=email&by=campaign").await;
    assert_eq!(credits(&email), [("none".to_owned(), 1_250_000)]);
    check_evidence(app, admin, &email).await;

    for (outcome, entries) in [("mql", 1), ("sql", 1), ("opportunity", 1)] {
        let report = read(app, admin, &format!("/v1/reports/attribution?outcome={outcome}")).await;
        assert_eq!(
            (&report["totals"]["entries"], &report["totals"]["thousandths"]),
            (&json!(entries), &json!(1000))
        );
    }
    let poor = app.key(&["reports:read"]).await;
    let report = app.get("/v1/reports/attribution").by(&poor).await.expect(200);
    assert_eq!(report["totals"]["value"], Value::Null, "amounts need deals:read");
    for refused in [
        "model=custom",
        "model=custom&poles=first:40",
        "model=markov&by=source",
        "lookback=soon",
        "model=time_decay&half_life=0d",
    ] {
        app.get(&format!("/v1/reports/attribution?{refused}"))
            .by(admin)
            .await
            .refused(400, "invalid_parameter");
    }
}

#[tandem_tests::test]
async fn a_path_is_frozen_when_the_deal_closes_and_taken_back_when_it_opens_again(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_lead(app, &[("email", None, 3)]).await;
    let untouched = given_lead(app, &[]).await;
    let boss = app.user("sales_manager").await.email;
    let deal = won(app, &sam, &lead).await;
    won(app, &sam, &untouched).await;
    let email = read(app, app.admin().await, &format!("/v1/leads/{lead}")).await["email"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = app.clock.now().to_string()[..10].to_owned();
    app.clock.advance(hours(24));
    let (admin, sam) = (app.login(&app.admin().await.email).await, app.login(&sam.email).await);
    let boss = app.login(&boss).await;

    // It happened before the deal was won, and became known later.
    let at = app.clock.now().plus_millis(-2 * 86_400_000);
    let late = json!({"lead": {"email": email}, "channel": "paid_social", "source": "x", "occurred_at": at.to_string()});
    post(app, &admin, "/v1/touches", late).await.expect(201);
    let report = read(app, &admin, "/v1/reports/attribution").await;
    assert_eq!(credits(&report), [("email".to_owned(), 5_000_000)]);
    assert_eq!(report["unattributed"]["entries"], 1);
    assert_eq!(
        (&report["all"]["entries"], &report["all"]["value"]["amount"]),
        (&json!(2), &json!(10_000_000))
    );
    check_evidence(app, &admin, &report).await;
    assert_eq!(read(app, &admin, &format!("/v1/deals/{deal}")).await["late_touches"], 1);

    let body = json!({"note": "Signed by the wrong person"});
    post(app, &boss, &format!("/v1/deals/{deal}/reopen"), body).await.expect(200);
    let all = read(app, &admin, "/v1/reports/attribution").await;
    assert_eq!((&all["totals"]["value"]["amount"], &all["totals"]["thousandths"]), (&json!(0), &json!(0)));
    check_evidence(app, &admin, &all).await;
    let then =
        read(app, &admin, &format!("/v1/reports/attribution?to={}", &app.clock.now().to_string()[..10]))
            .await;
    assert_eq!(credits(&then), [("email".to_owned(), 5_000_000)], "{first}: what was reported then stays");
    let body = json!({"outcome": "won", "reason": "price"});
    post(app, &sam, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
    let again = read(app, &admin, "/v1/reports/attribution").await;
    let both = [("email".to_owned(), 2_500_000), ("paid_social".to_owned(), 2_500_000)];
    assert_eq!(credits(&again), both, "the new closing has a path of its own");
    check_evidence(app, &admin, &again).await;
}
