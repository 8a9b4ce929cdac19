//! Reviews: the scorecard, the frozen pack with its evidence, attendance, action items that stay open.

use serde_json::{Value, json};
use tandem_tests::{Answer, Backend, TestApp, User, hours};

struct People {
    mia: User,
    sam: User,
    rae: User,
}

impl People {
    async fn of(app: &TestApp) -> Self {
        Self {
            mia: app.user("marketing_manager").await,
            sam: app.user("sales_manager").await,
            rae: app.user("revops").await,
        }
    }

    async fn review(&self, app: &TestApp) -> Answer {
        let march = json!({"from": "2026-03-01", "to": "2026-04-01"});
        app.post("/v1/reviews").by(&self.rae).json(march).await.expect(201)
    }
}

async fn read(app: &TestApp, by: &User, review: &str) -> Answer {
    app.get(&format!("/v1/reviews/{review}")).by(by).await.expect(200)
}

async fn hold(app: &TestApp, by: &User, review: &str, attended_by: &[&User]) -> Answer {
    let attended_by: Vec<&str> = attended_by.iter().map(|user| user.id.as_str()).collect();
    let held_at = app.clock.now();
    let body = json!({"held_at": held_at, "attended_by": attended_by});
    app.post(&format!("/v1/reviews/{review}/hold")).by(by).json(body).await
}

/// The links of every rate in an answer, with the numbers that they must lead to.
fn rates(value: &Value, found: &mut Vec<(String, i64)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| rates(item, found)),
        Value::Object(members) => {
            for side in ["numerator", "denominator"] {
                if let (Some(link), Some(count)) = (value["evidence"][side].as_str(), value[side].as_i64()) {
                    found.push((link.to_owned(), count));
                }
            }
            members.values().for_each(|member| rates(member, found));
        }
        _ => {}
    }
}

/// Every rate of an answer leads to lists of so many records; how many lists were read.
async fn every_rate_opens(app: &TestApp, by: &User, answer: &Value) -> usize {
    let mut links = vec![];
    rates(answer, &mut links);
    for (link, count) in &links {
        let list = app.get(link).by(by).await.expect(200);
        assert_eq!(list["total_count"], json!(count), "{link}");
    }
    links.len()
}

fn grades(scorecard: &Value) -> Vec<(&str, &str)> {
    let answers = scorecard["answers"].as_array().unwrap().iter();
    answers.map(|one| (one["question"].as_str().unwrap(), one["grade"].as_str().unwrap())).collect()
}

async fn scorecard(app: &TestApp, by: &User) -> Answer {
    app.get("/v1/reports/alignment").by(by).await.expect(200)
}

fn share<'a>(scorecard: &'a Value, name: &str) -> &'a Value {
    let figures = scorecard["answers"].as_array().unwrap().iter();
    let mut figures = figures.flat_map(|answer| answer["figures"].as_array().unwrap());
    figures.find(|figure| figure["figure"] == name).unwrap()
}

#[tandem_tests::test]
async fn a_scorecard_of_nothing_is_unknown_and_says_what_to_do(app: &TestApp) {
    let rae = app.user("revops").await;
    let card = scorecard(app, &rae).await;
    assert_eq!(
        grades(&card.body),
        [
            ("agreement", "red"),
            ("assignment", "unknown"),
            ("packets", "unknown"),
            ("feedback", "unknown"),
            ("tracking", "unknown"),
            ("review", "red"),
            ("losses", "unknown"),
            ("commitments", "amber"),
        ]
    );
    for answer in card["answers"].as_array().unwrap() {
        assert!(answer["next"].is_string(), "{answer}");
    }
    assert_eq!(card["period"]["from"], "2026-03-01");
    assert!(every_rate_opens(app, &rae, &card.body).await >= 16);
    let table = app.get("/v1/reports/alignment").by(&rae).header("accept", "text/csv").await.expect(200);
    assert!(table.text.starts_with("line,question,grade,figure,value,of,low,high,next\n"), "{}", table.text);
    app.get("/v1/reports/alignment?from=2026-03-02&to=2026-03-01")
        .by(&rae)
        .await
        .refused(400, "invalid_parameter");
}

/// A lead with a touch that became an MQL, and its hand-off.
async fn given_handoff(app: &TestApp, by: &User, touched: bool) -> (String, String) {
    let mut body = json!({"email": format!("lead@firm{}.example", app.next())});
    if touched {
        body["first_touch"] = json!({"source": "google"});
    }
    let lead = app.post("/v1/leads").by(by).json(body).await.expect(201).id();
    app.moved(&lead, "mql", None).await;
    let handoffs = app.get(&format!("/v1/handoffs?lead_id={lead}")).by(by).await.expect(200);
    (lead, handoffs.each("id").remove(0))
}

#[tandem_tests::test]
async fn the_scorecard_counts_what_the_teams_did(app: &TestApp) {
    let People { mia, sam, rae } = People::of(app).await;
    let rep = app.user("sales").await;
    let (read_first, one) = given_handoff(app, app.admin().await, true).await;
    let (called_first, two) = given_handoff(app, app.admin().await, false).await;
    let (_, rejected) = given_handoff(app, app.admin().await, true).await;
    for handoff in [&one, &two] {
        app.post(&format!("/v1/handoffs/{handoff}/accept")).by(&rep).json(json!({})).await.expect(200);
    }
    app.get(&format!("/v1/handoffs/{one}/packet?opened=true")).by(&rep).await.expect(200);
    for lead in [&read_first, &called_first] {
        let call = json!({"lead_id": lead, "type": "call", "direction": "outbound"});
        app.post("/v1/activities").by(&rep).json(call).await.expect(201);
    }
    let why = json!({"reason": "no_budget"});
    app.post(&format!("/v1/handoffs/{rejected}/reject")).by(&rep).json(why).await.expect(200);
    let answer = json!({"handoff_ids": [rejected], "note": "The form asks for it"});
    app.post("/v1/feedback/acknowledge").by(&mia).json(answer).await.expect(200);
    app.qualified(&read_first).await;
    let open = async |name: &str| {
        let body =
            json!({"name": name, "lead_ids": [read_first], "amount": {"amount": 100, "currency": "EUR"}});
        app.post("/v1/deals").by(&sam).json(body).await.expect(201).id()
    };
    let deals = [open("Lost one").await, open("Lost two").await, open("Lost three").await, open("Won").await];
    let ends = [
        json!({"outcome": "lost", "reason": "price"}),
        json!({"outcome": "lost", "reason": "price", "note": "Half of ours"}),
        json!({"outcome": "lost", "reason": "price", "objections": [{"text": "No budget before May"}]}),
        json!({"outcome": "won", "reason": "product_fit"}),
    ];
    for (deal, end) in deals.iter().zip(ends) {
        app.post(&format!("/v1/deals/{deal}/close")).by(&sam).json(end).await.expect(200);
    }

    let card = scorecard(app, &rae).await;
    let fraction = |name: &str| {
        let rate = &share(&card.body, name)["rate"];
        (rate["numerator"].as_i64().unwrap(), rate["denominator"].as_i64().unwrap())
    };
    // They waited in the general queue: reviewed in time, but assigned by no rule.
    assert_eq!(fraction("assigned_by_rule_and_reviewed_in_time"), (0, 3));
    assert_eq!(fraction("packet_opened_before_contact"), (1, 2));
    assert_eq!(fraction("rejections_answered"), (1, 1));
    assert_eq!(fraction("new_leads_with_a_touch"), (2, 3));
    assert_eq!(fraction("won_deals_with_a_path"), (1, 1));
    assert_eq!(fraction("losses_explained"), (2, 3));
    assert!(every_rate_opens(app, &rae, &card.body).await >= 16);
}

#[tandem_tests::test]
async fn a_review_stays_as_it_was(app: &TestApp) {
    let people = People::of(app).await;
    let rae = &people.rae;
    for touched in [true, true, false] {
        given_handoff(app, app.admin().await, touched).await;
    }
    let campaign = |name: &str, day: &str| json!({"name": name, "channel": "email", "starts_on": day});
    let make =
        async |body: Value| app.post("/v1/campaigns").by(app.admin().await).json(body).await.expect(201).id();
    let soon = make(campaign("Soon", "2026-03-20")).await;
    make(campaign("Later", "2026-06-01")).await;
    make(campaign("Running", "2026-03-01")).await;

    let made = people.review(app).await;
    assert_eq!(made.header("location"), Some(format!("/v1/reviews/{}", made.id()).as_str()));
    let review = read(app, rae, &made.id()).await;
    let pack = &review["pack"];
    assert_eq!(pack["funnel"]["totals"][1]["cycles"], 3);
    let figures = pack["kpis"]["figures"].as_array().unwrap();
    let leads = figures.iter().find(|figure| figure["figure"] == "leads").unwrap();
    assert_eq!(leads["value"], json!(3.0));
    assert_eq!(pack["campaigns_ahead"], json!([{"id": soon, "name": "Soon", "starts_on": "2026-03-20"}]));
    assert_eq!((&pack["action_items"], &review["action_items"]), (&json!([]), &json!([])));
    assert_eq!(pack["commitments"].as_array().unwrap().len(), 1);
    assert_eq!(pack["commitments"][0]["month"], "2026-03");
    let prefix = format!("/v1/reviews/{}/evidence?list=", made.id());
    assert!(leads["evidence"].as_str().unwrap().starts_with(&prefix), "{leads}");
    for name in ["quotes_sent", "collected"] {
        let figure = figures.iter().find(|figure| figure["figure"] == name).unwrap();
        let link = figure["evidence"].as_str().unwrap();
        assert!(link.starts_with(&prefix), "{figure}");
        assert_eq!(app.get(link).by(rae).await.expect(200)["total_count"], 0, "{figure}");
    }
    let closed = share(&pack["scorecard"], "due_action_items_closed");
    assert!(closed["evidence"].as_str().unwrap().starts_with(&prefix), "{closed}");
    let opened = every_rate_opens(app, rae, pack).await;
    assert!(opened > 40, "{opened}");

    given_handoff(app, app.admin().await, true).await;
    let again = read(app, rae, &made.id()).await;
    assert_eq!(again["pack"], *pack);
    let list = leads["evidence"].as_str().unwrap();
    let all = app.get(list).by(rae).await.expect(200);
    assert_eq!((&all["total_count"], all.each("id").len()), (&json!(3), 3));
    let first = app.get(&format!("{list}&limit=2")).by(rae).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("{list}&limit=2&cursor={cursor}")).by(rae).await.expect(200);
    assert_eq!([first.each("id"), second.each("id")].concat(), all.each("id"));
    assert_eq!(second["has_more"], false);
    // Its records are read by the scope that reads such records, and amounts by that of deals.
    let key = app.key(&["reports:read"]).await;
    app.get(list).by(&key).await.refused(403, "insufficient_scope");
    let shown = app.get(&format!("/v1/reviews/{}", made.id())).by(&key).await.expect(200);
    let units = |answer: &Answer| -> Vec<Value> {
        let figures = answer["pack"]["kpis"]["figures"].as_array().unwrap().iter();
        figures.map(|figure| figure["unit"].clone()).collect()
    };
    assert!(units(&review).contains(&json!("money")) && !units(&shown).contains(&json!("money")));
    let moved = |answer: &Answer| -> Vec<Value> {
        let changes = answer["pack"]["changes"].as_array().unwrap().iter();
        changes.map(|change| change["figure"].clone()).collect()
    };
    assert_eq!(moved(&review), ["mqls", "mql_to_sql", "sql_to_opportunity", "win_rate", "booked"]);
    assert_eq!(moved(&shown), ["mqls", "mql_to_sql", "sql_to_opportunity", "win_rate"]);
    assert_eq!((&pack["losses"]["totals"]["deals"], &shown["pack"]["losses"]), (&json!(0), &Value::Null));
    let totals = &pack["campaigns"]["totals"];
    assert_eq!((&totals["leads"]["count"], &shown["pack"]["campaigns"]), (&json!(3), &Value::Null));
    for of in ["revenue", "leads", "conversations", "cost"] {
        let link = totals[of]["evidence"].as_str().unwrap();
        assert!(link.starts_with(&prefix), "{of}: {link}");
        let count = [&totals[of]["count"], &totals[of]["entries"]].into_iter().find(|count| count.is_i64());
        assert_eq!(&app.get(link).by(rae).await.expect(200)["total_count"], count.unwrap(), "{of}");
    }
    let some = app.key(&["reports:read", "campaigns:read"]).await;
    let some = app.get(&format!("/v1/reviews/{}", made.id())).by(&some).await.expect(200);
    let totals = &some["pack"]["campaigns"]["totals"];
    assert_eq!(
        (&totals["leads"]["count"], &totals["revenue"], &totals["roi"]),
        (&json!(3), &Value::Null, &Value::Null)
    );
    app.get(&format!("/v1/reviews/{}/evidence?list=9999", made.id())).by(rae).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_period_of_no_day_and_a_rep_are_refused(app: &TestApp) {
    let people = People::of(app).await;
    for (from, to) in
        [("2026-03-02", "2026-03-02"), ("2026-03-02", "2026-03-01"), ("2020-01-01", "2026-01-01")]
    {
        let body = json!({"from": from, "to": to});
        let refused =
            app.post("/v1/reviews").by(&people.rae).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [("#/to", "not_allowed")], "{from} {to}");
    }
    let body = json!({"from": "2026-03-01", "to": "2026-04-01"});
    let rep = app.user("sales").await;
    app.post("/v1/reviews").by(&rep).json(body.clone()).await.refused(403, "insufficient_scope");
    let key = app.key(&["reviews:write"]).await;
    let once = async || app.post("/v1/reviews").by(&key).once("r").json(body.clone()).await.expect(201);
    let (first, again) = (once().await, once().await);
    assert_eq!(first.id(), again.id());
    let listed = app.get("/v1/reviews").by(&rep).await.expect(200);
    assert_eq!(listed.each("id"), [first.id()]);
}

#[tandem_tests::test]
async fn a_review_held_by_both_managers_is_counted_from(app: &TestApp) {
    let people = People::of(app).await;
    let People { mia, sam, rae } = &people;
    let is_due = async || {
        app.get("/v1/agreements/current").by(app.login(&rae.email).await).await.expect(200)["review_due"]
            .clone()
    };
    assert_eq!(is_due().await, false);
    app.clock.advance(hours(24 * 31));
    assert_eq!(is_due().await, true, "a month has passed");

    let (mia, sam) = (&app.login(&mia.email).await, &app.login(&sam.email).await);
    let rae = &app.login(&rae.email).await;
    let review = People { mia: mia.clone(), sam: sam.clone(), rae: rae.clone() }.review(app).await.id();
    let alone = hold(app, mia, &review, &[mia, rae]).await.expect(200);
    assert_eq!((&alone["by_both_managers"], &alone["held_at"].is_string()), (&json!(false), &true));
    assert_eq!(is_due().await, true, "one manager alone reviews nothing");
    let both = hold(app, sam, &review, &[mia, sam]).await.expect(200);
    assert_eq!((&both["by_both_managers"], &both["attended_by"]), (&json!(true), &json!([mia.id, sam.id])));
    assert_eq!(is_due().await, false);
    let card = scorecard(app, &app.login(&rae.email).await).await;
    let grade = grades(&card.body).into_iter().find(|(question, _)| *question == "review").unwrap();
    assert_eq!(grade, ("review", "green"));

    let path = format!("/v1/reviews/{review}/hold");
    let ahead = json!({"held_at": "2027-01-01T00:00:00Z", "attended_by": [rae.id, "user_01h455vb4pex5vsknk084sn02q", rae.id]});
    let refused = app.post(&path).by(rae).json(ahead).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [("#/attended_by/1", "not_found"), ("#/attended_by/2", "not_allowed"), ("#/held_at", "not_allowed")]
    );
    let listed =
        app.get("/v1/journal?type=review.held").by(&app.login("admin@example.com").await).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}

#[tandem_tests::test]
async fn an_action_item_comes_back_until_it_is_closed(app: &TestApp) {
    let people = People::of(app).await;
    let People { mia, sam, rae } = &people;
    let review = people.review(app).await.id();
    let path = format!("/v1/reviews/{review}/actions");
    let asked = json!({"text": " Ask for the budget ", "owner_id": mia.id, "due_on": "2026-03-02"});
    let item = app.post(&path).by(sam).json(asked).await.expect(201);
    assert_eq!(
        (&item["text"], &item["state"], &item["review_id"], &item["closed_at"]),
        (&json!("Ask for the budget"), &json!("open"), &json!(review), &Value::Null)
    );
    let later = json!({"text": "Meet the agency", "owner_id": sam.id, "due_on": "2026-05-01"});
    let later = app.post(&path).by(sam).json(later).await.expect(201).id();
    let nobody = json!({"text": " ", "owner_id": "user_01h455vb4pex5vsknk084sn02q", "due_on": "x"});
    let refused = app.post(&path).by(sam).json(nobody).await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["#/due_on", "#/text"]);
    let nobody = json!({"text": "x", "owner_id": "user_01h455vb4pex5vsknk084sn02q", "due_on": "2026-05-01"});
    let refused = app.post(&path).by(sam).json(nobody).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/owner_id", "not_found")]);

    let listed = async |query: &str| {
        let list = app.get(&format!("/v1/actions?{query}")).by(rae).await.expect(200);
        assert_eq!(list["total_count"], json!(list.each("id").len()), "{query}");
        list.each("id")
    };
    assert_eq!(listed("").await, [item.id(), later.clone()]);
    assert_eq!(listed("due_until=2026-03-02").await, [item.id()]);
    assert_eq!(listed(&format!("owner_id={}&state=open", sam.id)).await, std::slice::from_ref(&later));
    assert_eq!(listed(&format!("review_id={review}&state=done,dropped")).await, Vec::<String>::new());

    // The next review shows what is open of this one.
    let pack = |answer: &Answer| answer["pack"]["action_items"].as_array().unwrap().len();
    let second = people.review(app).await.id();
    assert_eq!(pack(&read(app, rae, &second).await), 2);
    let one = format!("/v1/actions/{}", item.id());
    let patch = |tag: &str, body: Value| app.patch(&one).by(mia).header("if-match", tag).json(body);
    let done = patch(item.etag(), json!({"state": "done", "note": "It does"})).await.expect(200);
    assert_eq!(
        (&done["state"], &done["note"], done["closed_at"].is_string()),
        (&json!("done"), &json!("It does"), true)
    );
    patch(item.etag(), json!({"state": "open"})).await.refused(412, "stale");
    assert_eq!(patch(done.etag(), json!({"state": "done"})).await.expect(200).etag(), done.etag());
    let third = people.review(app).await.id();
    assert_eq!(pack(&read(app, rae, &third).await), 1);
    assert_eq!(pack(&read(app, rae, &second).await), 2, "the one before stays as it was");
    let first = read(app, rae, &review).await;
    assert_eq!(first["action_items"][0]["state"], "done");
    app.patch(&one)
        .by(&app.user("sales").await)
        .json(json!({"state": "open"}))
        .await
        .refused(403, "insufficient_scope");
    let entries = app.get("/v1/journal").by(app.admin().await).await.expect(200).each("type");
    let entries: Vec<&str> =
        entries.iter().map(String::as_str).filter(|kind| kind.starts_with("action_item.")).collect();
    assert_eq!(entries, ["action_item.updated", "action_item.created", "action_item.created"]);

    // Marketing names the action item that follows from a rejection.
    let (_, handoff) = given_handoff(app, app.admin().await, true).await;
    let why = json!({"reason": "no_budget"});
    app.post(&format!("/v1/handoffs/{handoff}/reject")).by(sam).json(why).await.expect(200);
    let acknowledge = |action: &str| {
        let body = json!({"handoff_ids": [handoff], "action_item_id": action});
        app.post("/v1/feedback/acknowledge").by(mia).json(body)
    };
    let refused = acknowledge("action_01h455vb4pex5vsknk084sn02q").await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/action_item_id", "not_found")]);
    acknowledge(&later).await.expect(200);
    let entry = app.get("/v1/journal?type=handoff.acknowledged").by(app.admin().await).await.expect(200);
    assert_eq!(entry["data"][0]["data"]["action_item_id"], json!(later));
}

#[tandem_tests::test]
async fn a_review_is_read_by_every_replica(app: &TestApp) {
    if app.database.backend != Backend::Postgres {
        return;
    }
    let people = People::of(app).await;
    let other = app.second_server().await;
    let review = people.review(app).await.id();
    let path = format!("/v1/reviews/{review}");
    let there = other.get(&path).by(&people.rae).await.expect(200);
    assert_eq!(there.body, read(app, &people.rae, &review).await.body);
    let body = json!({"held_at": app.clock.now(), "attended_by": [people.mia.id, people.sam.id]});
    other.post(&format!("{path}/hold")).by(&people.sam).json(body).await.expect(200);
    assert_eq!(read(app, &people.rae, &review).await["by_both_managers"], true);
    other.stop().await;
}

#[tandem_tests::test]
async fn a_review_is_a_page_to_print_and_reports_are_charts(app: &TestApp) {
    let people = People::of(app).await;
    let rae = &people.rae;
    given_handoff(app, app.admin().await, true).await;
    let review = people.review(app).await.id();
    let item = json!({"text": "<script>alert(1)</script>", "owner_id": rae.id, "due_on": "2026-05-01"});
    app.post(&format!("/v1/reviews/{review}/actions")).by(rae).json(item).await.expect(201);
    let path = format!("/v1/reviews/{review}");
    let page = app.get(&path).by(rae).header("accept", "text/html,*/*;q=0.8").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    for text in [
        "<h1>Review of 2026-03-01 to before 2026-04-01</h1>",
        "<h2>Scorecard</h2>",
        "<tr><td>mql</td><td>1</td><td>1</td><td>100 % (1 of 1)</td></tr>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "0.00 EUR",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert_eq!(page.text.matches("<svg").count(), 2, "the funnel and the key figures");
    assert!(!page.text.contains("<script") && !page.text.contains("src="), "nothing runs, nothing is loaded");
    // Amounts need the scope of deals.
    let key = app.key(&["reports:read"]).await;
    let page = app.get(&path).by(&key).header("accept", "text/html").await.expect(200);
    assert!(!page.text.contains("0.00 EUR"));
    assert_eq!(read(app, rae, &review).await["id"], json!(review), "without the header it is JSON");

    for (report, text) in [
        ("funnel?basis=activity", "opportunity"),
        ("kpis", "There is nothing to show."),
        ("attribution?outcome=mql&model=linear", "Credit by linear"),
    ] {
        let chart = app.get(&format!("/v1/reports/{report}")).by(rae).header("accept", "image/svg+xml");
        let chart = chart.await.expect(200);
        assert_eq!(chart.header("content-type"), Some("image/svg+xml"), "{report}");
        assert!(chart.text.starts_with("<svg") && chart.text.contains(text), "{report}: {}", chart.text);
    }
}
