//! Reports: the funnel counts cycles and people, by source and by month.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, hours};

async fn given(app: &TestApp, source: Option<&str>, path: &[&str]) {
    let email = format!("lead{}@example.com", app.next());
    let mut body = json!({"email": email});
    if let Some(source) = source {
        body["first_touch"] = json!({"source": source});
    }
    let lead = app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201).id();
    for to in path {
        let reason = (*to == "nurture").then_some("no_budget");
        app.moved(&lead, to, reason).await;
    }
}

async fn funnel(app: &TestApp, query: &str) -> Answer {
    app.get(&format!("/v1/reports/funnel?{query}")).by(app.admin().await).await
}

/// Key and the cycles that entered each stage of every row.
fn rows(answer: &Answer) -> Vec<(Value, Vec<i64>)> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| (row["key"].clone(), cycles(row))).collect()
}

fn cycles(row: &Value) -> Vec<i64> {
    let stages = row.as_array().unwrap_or_else(|| row["stages"].as_array().unwrap());
    stages.iter().map(|stage| stage["cycles"].as_i64().unwrap()).collect()
}

#[tandem_tests::test]
async fn the_funnel_counts_by_source(app: &TestApp) {
    for _ in 0..3 {
        given(app, Some("google"), &[]).await;
    }
    given(app, Some("google"), &["mql", "sal", "sql", "opportunity", "customer"]).await;
    given(app, Some("bing"), &["mql", "nurture", "mql"]).await;
    given(app, None, &["mql"]).await;
    let report = funnel(app, "by=source").await.expect(200);
    assert_eq!(
        rows(&report),
        [
            (json!("google"), vec![4, 1, 1, 1, 1, 1]),
            (json!("bing"), vec![2, 2, 0, 0, 0, 0]),
            (json!(null), vec![1, 1, 0, 0, 0, 0]),
        ]
    );
    assert_eq!(cycles(&report["totals"]), [7, 4, 1, 1, 1, 1]);
    let bing = &report["rows"][1]["stages"];
    assert_eq!((&bing[0]["people"], &bing[1]["people"]), (&json!(1), &json!(1)), "one person, two cycles");
    let rate = &report["rows"][0]["stages"][1]["from_previous"];
    assert_eq!(
        (&rate["value"], &rate["numerator"], &rate["denominator"], &rate["insufficient"]),
        (&json!(0.25), &json!(1), &json!(4), &json!(true))
    );
    assert_eq!(
        (&report["basis"], &report["provisional"], &report["by"]),
        (&json!("cohort"), &json!(true), &json!(["source"]))
    );
}

#[tandem_tests::test]
async fn months_follow_the_zone_of_the_company(app: &TestApp) {
    let zone = json!({"name": "Example Ltd", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    given(app, None, &[]).await;
    app.clock.advance(hours(24 * 29 + 13) + 30 * 60_000); // 31 March, 22:30 UTC: already April in Rome
    given_later(app).await;
    app.clock.advance(hours(24 * 61));
    given_later(app).await;
    let report = funnel_later(app, "by=month").await;
    let keys: Vec<(Value, i64)> = rows(&report).into_iter().map(|(key, cycles)| (key, cycles[0])).collect();
    assert_eq!(
        keys,
        [(json!("2026-03"), 1), (json!("2026-04"), 1), (json!("2026-05"), 0), (json!("2026-06"), 1)]
    );
    assert_eq!(report["period"]["timezone"], "Europe/Rome");
    let april = funnel_later(app, "by=source&from=2026-04-01&to=2026-05-01").await;
    assert_eq!(rows(&april), [(json!(null), vec![1, 0, 0, 0, 0, 0])]);
}

#[tandem_tests::test]
async fn nothing_is_zero_and_no_number(app: &TestApp) {
    let report = funnel(app, "by=source").await.expect(200);
    assert_eq!((&report["rows"], cycles(&report["totals"])), (&json!([]), vec![0; 6]));
    assert!(!report.text.contains("NaN"));
    for stage in report["totals"].as_array().unwrap() {
        assert!(stage["from_start"].get("value").is_none_or(Value::is_null));
    }
}

#[tandem_tests::test]
async fn a_table_is_csv(app: &TestApp) {
    given(app, Some("=cmd|'/c calc'!A1"), &["mql", "nurture"]).await;
    given(app, Some("a \"quoted\", name"), &[]).await;
    let ask = |accept: &'static str| async move {
        let path = "/v1/reports/funnel?by=source,month";
        app.get(path).by(app.admin().await).header("accept", accept).await.expect(200)
    };
    let table = ask("text/csv").await;
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let lines: Vec<&str> = table.text.split_terminator('\n').collect();
    assert!(lines[0].starts_with("line,source,month,stage,cycles,people,from_previous,"), "{}", lines[0]);
    assert_eq!(lines.len(), 1 + 2 * 6 + 6, "names, two rows and the totals, each of six stages");
    assert!(lines[1].starts_with("row,'=cmd|'/c calc'!A1,2026-03,lead,1,1,,,,,,,,,,,1,"), "{}", lines[1]);
    assert!(lines[2].ends_with(",1,not_ready=1") || lines[2].ends_with(",1,no_budget=1"), "{}", lines[2]);
    assert!(lines[7].starts_with("row,\"a \"\"quoted\"\", name\",2026-03,lead,1,"), "{}", lines[7]);
    assert!(lines[13].starts_with("total,,,lead,2,2,"), "{}", lines[13]);
    assert!(!table.text.contains("NaN"));
    assert_eq!(ask("application/json, text/csv;q=0.5").await["totals"][0]["cycles"], 2);
}

#[tandem_tests::test]
async fn evidence_is_paged_and_asks_for_a_stage_of_the_funnel(app: &TestApp) {
    for _ in 0..5 {
        given(app, Some("google"), &["mql"]).await;
    }
    let report = funnel(app, "by=source").await.expect(200);
    let address = report["rows"][0]["stages"][1]["evidence"]["cycles"].as_str().unwrap().to_owned();
    let (mut page, mut ids) = (format!("{address}&limit=2"), vec![]);
    loop {
        let answer = app.get(&page).by(app.admin().await).await.expect(200);
        assert_eq!(answer["total_count"], 5);
        ids.extend(answer.each("id"));
        let Some(cursor) = answer["next_cursor"].as_str() else {
            break;
        };
        page = format!("{address}&limit=2&cursor={cursor}");
    }
    assert!(ids.len() == 5 && ids.is_sorted(), "{ids:?}");
    for bad in ["", "stage=nurture", "stage=lead&figure=from_previous", "stage=mql&figure=all"] {
        let answer = app.get(&format!("/v1/reports/funnel/evidence?{bad}")).by(app.admin().await).await;
        answer.refused(400, "invalid_parameter");
    }
    let viewer = app.key(&["leads:read"]).await;
    app.get(&address).by(&viewer).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_stay_is_the_first_and_a_recycled_cycle_was_never_a_lead(app: &TestApp) {
    given(app, None, &["mql", "nurture", "mql"]).await;
    let report = funnel(app, "by=quarter&min_sample=1").await.expect(200);
    let stays: Vec<_> =
        report["totals"].as_array().unwrap().iter().map(|stage| &stage["time_in_stage"]["stays"]).collect();
    assert_eq!(stays[..3], [1, 1, 0]);
    assert_eq!(cycles(&report["totals"])[..2], [2, 2]);
    let mql = &report["rows"][0]["stages"][1];
    assert_eq!(
        (&mql["people"], &mql["dropped"]["cycles"], &mql["from_previous"]["insufficient"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(report["rows"][0]["key"], "2026-Q1");
}

#[tandem_tests::test]
async fn leads_that_were_nurtured_first_and_qualified_later_count_once(app: &TestApp) {
    for _ in 0..4 {
        given(app, None, &["nurture", "mql"]).await;
    }
    let report = funnel(app, "by=source&min_sample=1").await.expect(200);
    assert_eq!(cycles(&report["totals"])[..3], [4, 4, 0]);
    let (lead, mql) = (&report["totals"][0], &report["totals"][1]);
    assert_eq!((&mql["from_previous"]["value"], &mql["people"]), (&json!(1.0), &json!(4)));
    assert_eq!((&lead["time_in_stage"]["stays"], &lead["dropped"]["cycles"]), (&json!(4), &json!(0)));
}

#[tandem_tests::test]
async fn a_period_that_is_none_is_refused(app: &TestApp) {
    for query in [
        "by=colour",
        "by=source,source",
        "by=source,month,owner",
        "basis=both",
        "min_sample=0",
        "without=month",
        "form_id=user_01h455vb4pex5vsknk084sn02q",
        "by=source&from=2026-13-01",
        "by=source&from=yesterday",
        "by=source&from=2026-02-30",
    ] {
        funnel(app, query).await.refused(400, "invalid_parameter");
    }
    let answer = funnel(app, "by=source&from=2026-05-01&to=2026-04-01").await;
    assert!(answer.status == 400, "{}", answer.text);
    for query in [
        "by=source&from=0001-01-01&to=9999-12-31",
        "by=month&from=0001-01-01&to=9999-12-31",
        "by=month&from=2026-01-01&to=2026-01-01",
    ] {
        assert!([200, 400].contains(&funnel(app, query).await.status), "{query}");
    }
}

/// A lead by an admin who has logged in anew.
async fn given_later(app: &TestApp) {
    let by = app.login("admin@example.com").await;
    let email = format!("lead{}@example.com", app.next());
    app.post("/v1/leads").by(&by).json(json!({"email": email})).await.expect(201);
}

async fn funnel_later(app: &TestApp, query: &str) -> Answer {
    let by = app.login("admin@example.com").await;
    app.get(&format!("/v1/reports/funnel?{query}")).by(&by).await.expect(200)
}

#[tandem_tests::test]
async fn every_report_divides_by_industry_and_by_ad(app: &TestApp) {
    let by = app.admin().await;
    for (name, industry, content) in
        [("a", Some("Retail"), Some("banner")), ("b", Some("Retail"), None), ("c", None, Some("video"))]
    {
        let domain = format!("{name}.example");
        let mut company = json!({"domain": domain});
        if let Some(industry) = industry {
            company["industry"] = json!(industry);
        }
        let touch = json!({"source": "google", "content": content});
        let lead = json!({"email": format!("{name}@{domain}"), "company": company, "first_touch": touch});
        let lead = app.post("/v1/leads").by(by).json(lead).await.expect(201).id();
        app.moved(&lead, "mql", None).await;
        let now = app.clock.now();
        let task = json!({"lead_id": lead, "type": "task", "due_at": now, "done_at": now});
        app.post("/v1/activities").by(by).json(task).await.expect(201);
    }
    let by_one = async |by_what: &str| rows(&funnel(app, &format!("by={by_what}")).await.expect(200));
    let counted = |key: Value, cycles: i64| (key, vec![cycles, cycles, 0, 0, 0, 0]);
    assert_eq!(by_one("industry").await, [counted(json!("Retail"), 2), counted(json!(null), 1)]);
    assert_eq!(
        by_one("utm_content").await,
        [counted(json!("banner"), 1), counted(json!("video"), 1), counted(json!(null), 1)]
    );
    let get = async |path: &str| app.get(path).by(by).await.expect(200);
    for (filter, count) in
        [("industry=Retail", 2), ("utm_content=video", 1), ("without=industry,utm_content", 0)]
    {
        for (report, figure) in [("rejections", "handoffs"), ("response-times", "handoffs")] {
            let report = get(&format!("/v1/reports/{report}?{filter}")).await;
            assert_eq!(report["totals"][figure], count, "{filter} {}", report.text);
        }
        let kpis = get(&format!("/v1/reports/kpis?{filter}")).await;
        let kpi = |name: &str| {
            let mut all = kpis["figures"].as_array().unwrap().iter();
            all.find(|one| one["figure"] == name).unwrap()["value"].clone()
        };
        assert_eq!((kpi("mqls"), kpi("follow_ups")), (json!(count as f64), json!(count as f64)), "{filter}");
        let leaks = get(&format!("/v1/reports/leakage?{filter}")).await;
        let unowned =
            leaks["totals"].as_array().unwrap().iter().find(|one| one["leak"] == "no_owner").unwrap();
        assert_eq!(unowned["count"], count, "{filter}");
        assert_eq!(get(unowned["evidence"].as_str().unwrap()).await["total_count"], count);
    }
    let leaks = get("/v1/reports/leakage?by=industry").await;
    assert_eq!(leaks["rows"][0]["key"], "Retail");
}
