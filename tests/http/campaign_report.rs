//! What campaigns cost and brought: figures by hand, each with the records behind it.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use crate::deals::post;

async fn given_campaign(app: &TestApp, name: &str, alias: &str, parent: Option<&str>) -> String {
    let body = json!({"name": name, "channel": "email", "starts_on": "2026-01-01",
        "utm_campaign_aliases": [alias], "parent_id": parent});
    post(app, app.admin().await, "/v1/campaigns", body).await.expect(201).id()
}

/// A lead whose first touch has this `utm_campaign`.
async fn given_lead(app: &TestApp, campaign: Option<&str>) -> String {
    let email = format!("lead@firm{}.example", app.next());
    let lead = app.given_lead(&email).await.id();
    if let Some(campaign) = campaign {
        let touch = json!({"lead": {"email": email}, "channel": "email", "source": "newsletter", "campaign": campaign,
            "occurred_at": "2026-02-20T08:00:00.000Z"});
        post(app, app.admin().await, "/v1/touches", touch).await.expect(201);
    }
    lead
}

async fn moved(app: &TestApp, lead: &str, stages: &[&str]) {
    for to in stages {
        app.moved(lead, to, None).await;
    }
}

async fn deal(app: &TestApp, by: &User, lead: &str, amount: i64, outcome: &str) {
    let body = json!({"name": "A deal", "lead_ids": [lead], "amount": {"amount": amount, "currency": "EUR"}});
    let deal = post(app, by, "/v1/deals", body).await.expect(201).id();
    let body = json!({"outcome": outcome, "reason": "price"});
    post(app, by, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
}

/// Opens the list behind every figure: its count is the figure.
async fn check_links(app: &TestApp, by: &User, value: &Value) {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        if let Some(link) = value["evidence"].as_str() {
            let counts = ["count", "entries", "days", "deals"].iter();
            let count = counts.filter_map(|name| value.get(*name)).next().unwrap();
            let list = app.get(link).by(by).await.expect(200);
            assert_eq!(&list["total_count"], count, "{link}: {value:#}");
        }
        if let Some(numerator) = value["evidence"]["numerator"].as_str() {
            let list = app.get(numerator).by(by).await.expect(200);
            assert_eq!(list["total_count"], value["numerator"], "{numerator}");
        }
        left.extend(value.as_object().into_iter().flat_map(|members| members.values()));
        left.extend(value.as_array().into_iter().flatten());
    }
}

fn figures<'v>(report: &'v Value, name: Option<&str>) -> &'v Value {
    let mut rows = report["rows"].as_array().unwrap().iter();
    &rows.find(|row| row["name"].as_str() == name).unwrap_or_else(|| panic!("{name:?}: {report:#}"))["figures"]
}

#[tandem_tests::test]
async fn campaigns_show_cost_volume_revenue_and_waste(app: &TestApp) {
    let sam = app.user("sales").await;
    let year = given_campaign(app, "Year", "year-26", None).await;
    let spring = given_campaign(app, "Spring", "Frühling-26", Some(&year)).await;
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let costs = json!([{"on": "2026-03-01", "amount": eur(60_000)}, {"on": "2026-03-02", "amount": eur(40_000)},
        {"on": "2025-12-31", "amount": eur(7)}]);
    app.put(&format!("/v1/campaigns/{spring}/costs")).by(app.admin().await).json(costs).await.expect(200);
    let costs = json!([{"on": "2026-03-01", "amount": {"amount": 900, "currency": "NOK"}}]);
    app.put(&format!("/v1/campaigns/{year}/costs")).by(app.admin().await).json(costs).await.expect(200);

    // Spring: one won, one lost, one rejected, one that nobody qualified; of no campaign: two.
    let won = given_lead(app, Some("FRÜHLING-26 ")).await;
    moved(app, &won, &["mql", "sal", "sql"]).await;
    let lost = given_lead(app, Some("frühling-26")).await;
    moved(app, &lost, &["mql", "sal", "sql"]).await;
    let rejected = given_lead(app, Some("Frühling-26")).await;
    moved(app, &rejected, &["mql"]).await;
    let handoffs = app.get(&format!("/v1/handoffs?lead_id={rejected}")).by(&sam).await.expect(200);
    let handoff = handoffs["data"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({"reason": "duplicate"});
    post(app, &sam, &format!("/v1/handoffs/{handoff}/reject"), body).await.expect(200);
    given_lead(app, Some("frühling-26")).await;
    given_lead(app, Some("of no campaign")).await;
    given_lead(app, None).await;
    let key = app.key(&["activities:write"]).await;
    let (reader, blind) =
        (app.key(&["reports:read", "campaigns:read"]).await, app.key(&["reports:read"]).await);
    let parents = given_lead(app, Some("year-26")).await;
    moved(app, &parents, &["mql", "sal"]).await;
    app.clock.advance(hours(24));
    let sam = app.login(&sam.email).await;
    deal(app, &sam, &won, 300_000, "won").await;
    deal(app, &sam, &lost, 50_000, "lost").await;
    let email = app.get(&format!("/v1/leads/{won}")).by(&sam).await.expect(200)["email"].clone();
    let call = json!({"provider": "callsense", "external_id": "1", "lead": {"email": email}, "intent": "high",
        "occurred_at": app.clock.now().to_string(), "duration_s": 60, "summary": "Wants it"});
    app.post("/v1/conversations").by(&key).json(call).await.expect(201);
    app.clock.advance(hours(24 * 31));
    let admin = app.login(&app.admin().await.email).await;
    let read = async |path: &str| app.get(path).by(&admin).await.expect(200).body;
    let days = "from=2026-01-01&to=2026-05-01";
    let report = read(&format!("/v1/reports/campaigns?{days}")).await;
    let of_spring = figures(&report, Some("Spring"));
    let shown =
        |of: &Value, names: &[&str]| names.iter().map(|name| of[name]["count"].clone()).collect::<Vec<_>>();
    let counts = [
        "leads",
        "mqls",
        "sqls",
        "opportunities",
        "deals_won",
        "deals_lost",
        "new_customers",
        "conversations",
        "high_intent",
    ];
    assert_eq!(shown(of_spring, &counts), [4, 3, 2, 2, 1, 1, 1, 1, 1].map(|n| json!(n)));
    assert_eq!(
        (&of_spring["cost"]["value"]["amount"], &of_spring["cost"]["entries"]),
        (&json!(100_000), &json!(2))
    );
    assert_eq!(of_spring["cost_per_lead"], json!({"value": 25_000.0, "insufficient": true}));
    assert_eq!((&of_spring["cac"]["value"], &of_spring["roi"]), (&json!(100_000.0), &json!(2.0)));
    assert_eq!(of_spring["revenue"]["value"]["amount"], 300_000);
    assert_eq!(of_spring["pipeline"]["value"]["amount"], 350_000);
    let wasted = &of_spring["wasted"];
    assert_eq!(shown(wasted, &["rejected", "uncontacted", "idle"]), [1, 0, 1].map(|n| json!(n)));
    assert_eq!((&wasted["value"]["amount"], &wasted["cycles"]["value"]), (&json!(50_000), &json!(0.5)));
    let days_to_revenue = of_spring["time_to_revenue"]["median_seconds"].as_f64().unwrap() / 86_400.0;
    assert!((1.0..1.01).contains(&days_to_revenue), "{days_to_revenue}");
    let of_year = figures(&report, Some("Year"));
    assert_eq!(of_year["unconverted_costs"][0]["amount"], json!({"amount": 900, "currency": "NOK"}));
    assert_eq!(
        (&of_year["cost"]["value"]["amount"], &of_year["cost_per_lead"]["value"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(shown(&of_year["wasted"], &["uncontacted"]), [1], "accepted, and nobody called");
    assert_eq!(shown(figures(&report, None), &["leads"]), [2]);
    assert_eq!(shown(&report["totals"], &["leads", "mqls"]), [7, 4].map(|n| json!(n)));
    check_links(app, &admin, &report).await;

    let rolled = read(&format!("/v1/reports/campaigns?{days}&roll_up=true")).await;
    let of_year = figures(&rolled, Some("Year"));
    assert_eq!(shown(of_year, &["leads", "mqls", "deals_won"]), [5, 4, 1].map(|n| json!(n)));
    assert_eq!(
        of_year["revenue"],
        json!({"value": {"amount": 300_000, "currency": "EUR"}, "entries": 1,
        "evidence": of_year["revenue"]["evidence"]})
    );
    assert_eq!(shown(&rolled["totals"], &["leads"]), [7], "each counts once");
    check_links(app, &admin, &rolled).await;

    let one =
        read(&format!("/v1/reports/campaigns?{days}&campaign_id={year}&roll_up=true&basis=cohort")).await;
    assert_eq!(shown(&one["totals"], &["leads", "new_customers"]), [5, 1].map(|n| json!(n)));
    check_links(app, &admin, &one).await;
    let filtered = read(&format!("/v1/reports/campaigns?{days}&source=newsletter")).await;
    let of_spring = figures(&filtered, Some("Spring"));
    assert_eq!((&of_spring["cost"], &of_spring["wasted"]["value"]), (&Value::Null, &Value::Null));
    check_links(app, &admin, &filtered).await;

    // The same campaigns as a dimension of every other report.
    let funnel = read(&format!("/v1/reports/funnel?{days}&by=campaign_id")).await;
    let rows = funnel["rows"].as_array().unwrap();
    let keys: Vec<&Value> = rows.iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, [&json!(spring), &json!(year), &Value::Null]);
    let credit = read(&format!("/v1/reports/attribution?{days}&by=campaign_id")).await;
    assert_eq!(credit["rows"][0]["key"], json!(spring));
    check_links(app, &admin, &credit["rows"]).await;

    let poor = app.get(&format!("/v1/reports/campaigns?{days}")).by(&reader).await.expect(200).body;
    let of_spring = figures(&poor, Some("Spring"));
    assert_eq!((&of_spring["revenue"], &of_spring["roi"]), (&Value::Null, &Value::Null));
    assert_eq!(of_spring["cost"]["value"]["amount"], 100_000);
    app.get("/v1/reports/campaigns").by(&blind).await.refused(403, "insufficient_scope");
    app.get("/v1/reports/campaigns?model=markov").by(&reader).await.refused(400, "invalid_parameter");
    let table = app.get("/v1/reports/campaigns").by(&reader).header("accept", "text/csv").await.expect(200);
    let lines: Vec<&str> = table.text.split_terminator('\n').collect();
    let cells = lines[0].split(',').count();
    assert!(lines.len() == 5 && lines.iter().all(|line| line.split(',').count() == cells), "{}", table.text);
}
