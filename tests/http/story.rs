//! The first hand-offs of a company, from the first visit to what both teams see of it, with every figure worked out by hand.
//!
//! | | made | decided | first contact | what came of it |
//! | --- | --- | --- | --- | --- |
//! | Ada | Mon 2 March 10:05 | accepted 10:45 | 11:00 | won on 12 March 11:00: 50,000.00 EUR |
//! | Bob | Tue 3 March 10:00 | rejected Wed 9:30, `no_budget` | – | waits 90 days |
//! | Eve | Thu 5 March 16:00 | – | – | due Fri 6 March 16:00, breached |
//! | Bob | Tue 2 June 9:30:01, by rule | accepted 11:30:01 | 14:30:01 | SAL |
//!
//! Two reps take turns. Zone and working hours are UTC, nine to six from Monday to Friday; review and first contact are
//! promised within one working day. The figures are those of Friday 5 June, noon.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, TestApp, User};

use crate::bodies;
use crate::tracked::{collect, given_site};

/// Those who act, by a key that does not expire; and the form that asks for a demo.
struct Story {
    key: String,
    reps: [User; 2],
    form: String,
    form_id: String,
    site: String,
}

/// A lead that was handed over, to whom.
struct HandedOver {
    lead: String,
    handoff: Value,
    owner: User,
}

impl HandedOver {
    fn id(&self) -> &str {
        self.handoff["id"].as_str().unwrap()
    }
}

/// Let the next request come at this instant.
pub fn at(app: &TestApp, instant: &str) {
    let to = instant.parse::<Timestamp>().unwrap().millis() - 1;
    let now = app.clock.now().millis();
    assert!(now <= to, "{instant} has passed");
    app.clock.advance(to - now);
}

impl Story {
    async fn begin(app: &TestApp) -> Self {
        let admin = app.admin().await;
        let reps = [app.user("sales").await, app.user("sales").await];
        let members = json!([reps[0].id, reps[1].id]);
        let team = app.post("/v1/teams").by(admin).json(json!({"name": "Sales", "members": members})).await;
        let rules = json!({"rules": [{"name": "Turns", "to": {"team_id": team.expect(201).id()}}]});
        app.put("/v1/routing").by(admin).json(rules).await.expect(200);
        let form = json!({"name": "Ask for a demo", "service_requested": "demo", "allowed_origins": [], "fields": [
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
            {"name": "phone", "label": "Phone", "type": "phone", "maps_to": "phone"},
            {"name": "need", "label": "What do you need?", "type": "textarea", "maps_to": "need"},
        ]});
        let form = app.post("/v1/forms").by(admin).json(form).await.expect(201);
        let scopes = [
            "leads:read",
            "leads:write",
            "events:write",
            "handoffs:read",
            "handoffs:write",
            "activities:read",
            "activities:write",
            "deals:read",
            "deals:write",
            "reports:read",
            "journal:read",
        ];
        Self {
            key: app.key(&scopes).await,
            reps,
            form: form["key"].as_str().unwrap().to_owned(),
            form_id: form.id(),
            site: given_site(app).await,
        }
    }

    async fn get(&self, app: &TestApp, path: &str) -> Answer {
        app.get(path).by(&self.key).await.expect(200)
    }

    async fn act(&self, app: &TestApp, who: &User, path: &str, body: Value) -> Answer {
        app.post(path).by(&self.key).header("x-on-behalf-of", &who.id).json(body).await
    }

    async fn lead(&self, app: &TestApp, lead: &str) -> Answer {
        self.get(app, &format!("/v1/leads/{lead}")).await
    }

    /// Somebody asks for a demo; the hand-off that this request made.
    async fn asks(&self, app: &TestApp, body: Value) -> HandedOver {
        app.post(&format!("/v1/capture/{}", self.form)).json(body.clone()).await.expect(201);
        let email = body["fields"]["email"].as_str().unwrap();
        let lead = self.get(app, &format!("/v1/leads?q={email}")).await["data"][0].clone();
        assert_eq!(lead["stage"], "mql", "the request made an MQL");
        self.handed_over(app, lead["id"].as_str().unwrap()).await
    }

    /// The newest hand-off of a lead, with the rep whose turn it was.
    async fn handed_over(&self, app: &TestApp, lead: &str) -> HandedOver {
        let list = self.get(app, &format!("/v1/handoffs?lead_id={lead}&sort=-made_at")).await;
        let handoff = list["data"][0].clone();
        let owner = self.reps.iter().find(|rep| handoff["owner_id"] == rep.id).unwrap().clone();
        HandedOver { lead: lead.to_owned(), handoff, owner }
    }

    /// Ada: the whole way, to won.
    async fn ada(&self, app: &TestApp) -> HandedOver {
        at(app, "2026-03-02T10:00:00Z");
        let pages = [
            ("2026-03-02T10:00:00Z", "?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0"),
            ("2026-03-02T10:01:00Z", "pricing"),
            ("2026-03-02T10:02:00Z", "pricing?plan=team"),
            ("2026-03-02T10:03:00Z", "pricing?plan=company"),
        ];
        for (when, page) in pages {
            at(app, when);
            let url = format!("https://www.example.com/{page}");
            let view = json!([{"type": "page_view", "occurred_at": when, "url": url}]);
            collect(app, &self.site, "visitor-0001", view).await.expect(204);
        }
        at(app, "2026-03-02T10:05:00Z");
        let fields = json!({"email": "ada@lovelace.example", "need": "Analytics for 40 shops"});
        let ada = self.asks(app, json!({"fields": fields, "visitor_id": "visitor-0001"})).await;
        assert_eq!(ada.handoff["made_at"], "2026-03-02T10:05:00.000Z");

        at(app, "2026-03-02T10:30:00Z");
        let rep = app.login(&ada.owner.email).await;
        let notices = app.get("/v1/me/notices").by(&rep).await.expect(200);
        assert_eq!(notices.each("kind"), ["handoff_assigned"]);
        let work = app.get("/v1/me/work").by(&rep).await.expect(200);
        let acts: Vec<&Value> =
            work["data"].as_array().unwrap().iter().map(|item| &item["act"]["operation_id"]).collect();
        assert!(
            acts.contains(&&json!("accept_handoff")) && acts.contains(&&json!("log_activity")),
            "{acts:?}"
        );
        let packet =
            app.get(&format!("/v1/handoffs/{}/packet?opened=true", ada.id())).by(&rep).await.expect(200);
        assert_eq!(packet["origin"]["first"]["campaign"], "spring");
        assert_eq!(packet["request"]["need"], "Analytics for 40 shops");
        let counts = json!([{"type": "form_submit", "count": 1}, {"type": "page_view", "count": 4}]);
        assert_eq!(packet["behaviour"]["counts"], counts);

        at(app, "2026-03-02T10:45:00Z");
        let yes = json!({"confirmed": true});
        let known = json!({"qualification": {"budget": yes, "authority": yes, "need": yes, "timeline": yes}});
        self.act(app, &ada.owner, &format!("/v1/handoffs/{}/accept", ada.id()), known).await.expect(200);
        assert_eq!(self.lead(app, &ada.lead).await["stage"], "sql");
        at(app, "2026-03-02T11:00:00Z");
        self.call(app, &ada).await;

        at(app, "2026-03-03T09:00:00Z");
        let amount = json!({"amount": 5_000_000, "currency": "EUR"});
        let deal = json!({"name": "Analytics for 40 shops", "lead_ids": [ada.lead], "amount": amount});
        let deal = self.act(app, &ada.owner, "/v1/deals", deal).await.expect(201).id();
        // Others come in before it is won.
        let bob = self.bob(app).await;
        let eve = self.eve(app).await;
        assert_ne!(ada.owner.id, bob.owner.id, "turns alternate");
        assert_eq!(eve.owner.id, bob.owner.id, "a rejected hand-off was no turn");
        at(app, "2026-03-12T11:00:00Z");
        let won = json!({"outcome": "won", "reason": "product_fit"});
        self.act(app, &ada.owner, &format!("/v1/deals/{deal}/close"), won).await.expect(200);
        assert_eq!(self.lead(app, &ada.lead).await["stage"], "customer");
        self.bob_comes_back(app, &ada, &bob).await;
        ada
    }

    async fn call(&self, app: &TestApp, to: &HandedOver) {
        let call =
            json!({"lead_id": to.lead, "type": "call", "direction": "outbound", "outcome": "connected"});
        self.act(app, &to.owner, "/v1/activities", call).await.expect(201);
    }

    /// Bob: rejected, because he has no budget.
    async fn bob(&self, app: &TestApp) -> HandedOver {
        at(app, "2026-03-03T10:00:00Z");
        let fields = json!({"email": "bob@babbage.example", "phone": "+390212345678"});
        let bob = self.asks(app, json!({"fields": fields})).await;
        at(app, "2026-03-04T09:30:00Z");
        let path = format!("/v1/handoffs/{}/reject", bob.id());
        self.act(app, &bob.owner, &path, json!({"reason": "no_budget"})).await.expect(200);
        let lead = self.lead(app, &bob.lead).await;
        assert_eq!((&lead["stage"], &lead["owner_id"]), (&json!("nurture"), &Value::Null));
        assert_eq!(lead["nurture_until"], "2026-06-02T09:30:00.000Z", "90 days");
        bob
    }

    /// Eve: nobody looks at her hand-off. The clocks fire with nobody calling.
    async fn eve(&self, app: &TestApp) -> HandedOver {
        at(app, "2026-03-05T16:00:00Z");
        let landing = "https://www.example.com/?utm_source=newsletter&utm_medium=email";
        let context = json!({"page_url": "https://www.example.com/demo", "landing_url": landing});
        let eve =
            self.asks(app, json!({"fields": {"email": "eve@hopper.example"}, "context": context})).await;
        for (when, states) in [
            // 80 % of the nine working hours between Thursday 16:00 and Friday 16:00 is 7 h 12 min.
            ("2026-03-06T14:12:00.000Z", ["running", "running"]),
            ("2026-03-06T14:12:00.001Z", ["warned", "warned"]),
            ("2026-03-06T16:00:00.000Z", ["warned", "warned"]),
            ("2026-03-06T16:00:00.002Z", ["breached", "breached"]),
        ] {
            at(app, when);
            app.run_jobs().await;
            let handoff = self.get(app, &format!("/v1/handoffs/{}", eve.id())).await;
            let clocks = handoff["clocks"].as_array().unwrap();
            assert_eq!(clocks.iter().map(|clock| &clock["state"]).collect::<Vec<_>>(), states, "{when}");
        }
        let shown = self.get(app, &format!("/v1/handoffs/{}", eve.id())).await;
        for clock in shown["clocks"].as_array().unwrap() {
            assert_eq!(clock["due_at"], "2026-03-06T16:00:00.000Z");
            assert_eq!(clock["breached_at"], "2026-03-06T16:00:00.001Z");
        }
        let rep = app.login(&eve.owner.email).await;
        let notices = app.get("/v1/me/notices").by(&rep).await.expect(200);
        let notices = notices["data"].as_array().unwrap().iter();
        let of_clocks = notices.filter(|one| one["lead_id"] == json!(eve.lead)).map(|one| &one["kind"]);
        let of_clocks = of_clocks.filter(|kind| kind.as_str().unwrap().starts_with("clock_"));
        let expected = ["clock_breached", "clock_breached", "clock_warned", "clock_warned"];
        assert_eq!(of_clocks.collect::<Vec<_>>(), expected);
        eve
    }

    /// Bob looks at the prices while he waits. When the wait is over he is an MQL again, with nobody calling.
    async fn bob_comes_back(&self, app: &TestApp, ada: &HandedOver, bob: &HandedOver) {
        at(app, "2026-06-01T15:00:00Z");
        let event = |kind: &str, page: &str| {
            let url = format!("https://www.example.com/{page}");
            json!({"type": kind, "lead": {"email": "bob@babbage.example"}, "url": url})
        };
        let events =
            [event("page_view", "pricing"), event("page_view", "pricing"), event("page_view", "pricing")];
        let events = [&events[..], &[event("download", "guide.pdf")]].concat();
        app.post("/v1/events").by(&self.key).json(json!({"events": events})).await.expect(200);
        app.run_jobs().await;
        let lead = self.lead(app, &bob.lead).await;
        // Three prices 30, three pages 6, a download 10; a company's e-mail 15, a phone 10.
        assert_eq!((&lead["score"]["engagement"], &lead["score"]["fit"]), (&json!(46), &json!(25)));
        assert_eq!((&lead["stage"], &lead["cycle"]), (&json!("nurture"), &json!(1)), "he waits");

        at(app, "2026-06-02T09:30:00Z");
        // A second after the wait has ended, to the millisecond.
        app.clock.advance(1001);
        app.run_jobs().await;
        let again = self.handed_over(app, &bob.lead).await;
        assert_eq!((&again.handoff["cycle"], &again.handoff["made_by"]), (&json!(2), &json!("rule")));
        assert_eq!(again.handoff["made_at"], "2026-06-02T09:30:01.000Z");
        assert_eq!(again.owner.id, ada.owner.id, "not to the rep who rejected him");
        let packet = self.get(app, &format!("/v1/handoffs/{}/packet", again.id())).await;
        assert_eq!(packet["earlier_cycles"][0]["reason"], "no_budget");

        at(app, "2026-06-02T11:30:01Z");
        let path = format!("/v1/handoffs/{}/accept", again.id());
        self.act(app, &again.owner, &path, json!({})).await.expect(200);
        at(app, "2026-06-02T14:30:01Z");
        self.call(app, &again).await;
        let task = json!({"lead_id": again.lead, "type": "task", "subject": "Offer", "due_at": "2026-06-12T10:00:00Z"});
        self.act(app, &again.owner, "/v1/activities", task).await.expect(201);
    }
}

/// The row of a report with this key.
fn row<'r>(report: &'r Answer, key: Option<&str>) -> &'r Value {
    let rows = report["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["key"].as_str() == key);
    &found.unwrap_or_else(|| panic!("no row {key:?}: {}", report.text))["figures"]
}

#[tandem_tests::test]
async fn three_people_are_handed_over_and_each_figure_is_as_worked_out_by_hand(app: &TestApp) {
    let story = Story::begin(app).await;
    let ada = story.ada(app).await;
    let eve_owner = story.reps.iter().find(|rep| rep.id != ada.owner.id).unwrap();
    at(app, "2026-06-05T12:00:00Z");
    app.run_jobs().await;
    rejections(app, &story, &ada.owner, eve_owner).await;
    response_times(app, &story, &ada.owner, eve_owner).await;
    commitments(app, &story, &ada.owner, eve_owner).await;
    key_figures(app, &story).await;
    leakage(app, &story, eve_owner).await;
    bodies(app, &story, &ada).await;
}

/// What front ends and partners read of the story, whole.
async fn bodies(app: &TestApp, story: &Story, ada: &HandedOver) {
    let HandedOver { lead, .. } = ada;
    let handoff = ada.id();
    for (name, path) in [
        ("lead", format!("/v1/leads/{lead}")),
        ("leads", "/v1/leads?sort=created_at&include=touches".to_owned()),
        ("score", format!("/v1/leads/{lead}/score")),
        ("timeline", format!("/v1/leads/{lead}/timeline")),
        ("handoff", format!("/v1/handoffs/{handoff}")),
        ("packet", format!("/v1/handoffs/{handoff}/packet")),
        ("sla", "/v1/reports/sla?month=2026-03".to_owned()),
        ("funnel", "/v1/reports/funnel?by=channel".to_owned()),
        ("leakage", "/v1/reports/leakage".to_owned()),
    ] {
        bodies::is_as_it_was(name, &story.get(app, &path).await);
    }
    let rep = app.login(&ada.owner.email).await;
    bodies::is_as_it_was("work", &app.get("/v1/me/work").by(&rep).await.expect(200));
    let unfit = json!({"emial": "ada@example.com", "budget": {"amount": -1, "currency": "EURO"}});
    let refused = app.post("/v1/leads").by(&story.key).header("x-request-id", "story").json(unfit).await;
    bodies::is_as_it_was("problem", &refused.expect(422));
}

/// Hand-offs, pending, decided, rejected, accepted.
fn verdicts(figures: &Value) -> [i64; 5] {
    let count = |name: &str| figures[name].as_i64().unwrap();
    let accepted = figures["acceptance"]["numerator"].as_i64().unwrap();
    assert_eq!(figures["acceptance"]["denominator"], figures["decided"]);
    [count("handoffs"), count("pending"), count("decided"), count("rejected"), accepted]
}

async fn rejections(app: &TestApp, story: &Story, ada_owner: &User, eve_owner: &User) {
    let report = async |query: &str| story.get(app, &format!("/v1/reports/rejections?{query}")).await;
    let by_reason = report("by=reason").await;
    assert_eq!(verdicts(&by_reason["totals"]), [4, 1, 3, 1, 2]);
    assert_eq!(by_reason["totals"]["reasons"][0]["reason"], "no_budget");
    assert_eq!(by_reason["totals"]["reasons"][0]["handoffs"], 1);
    assert_eq!(verdicts(row(&by_reason, Some("no_budget"))), [1, 0, 1, 1, 0]);
    assert_eq!(verdicts(row(&by_reason, None)), [3, 1, 2, 0, 2]);
    let by_owner = report("by=owner").await;
    assert_eq!(verdicts(row(&by_owner, Some(&ada_owner.id))), [2, 0, 2, 0, 2]);
    assert_eq!(verdicts(row(&by_owner, Some(&eve_owner.id))), [2, 1, 1, 1, 0]);
    let by_channel = report("by=channel").await;
    assert_eq!(verdicts(row(&by_channel, Some("paid_search"))), [1, 0, 1, 0, 1]);
    assert_eq!(verdicts(row(&by_channel, Some("email"))), [1, 1, 0, 0, 0]);
    assert_eq!(verdicts(row(&by_channel, None)), [2, 0, 2, 1, 1]);
    let by_campaign = report("by=campaign").await;
    assert_eq!(verdicts(row(&by_campaign, Some("spring"))), [1, 0, 1, 0, 1]);
    assert_eq!(verdicts(row(&by_campaign, None)), [3, 1, 2, 1, 1]);
    assert_eq!(verdicts(row(&report("by=form").await, Some(&story.form_id))), [4, 1, 3, 1, 2]);
    let by_month = report("by=month").await;
    assert_eq!(verdicts(row(&by_month, Some("2026-03"))), [3, 1, 2, 1, 1]);
    assert_eq!(verdicts(row(&by_month, Some("2026-06"))), [1, 0, 1, 0, 1]);
    for (days, all, before) in [
        ("from=2026-03-01&to=2026-04-01", [3, 1, 2, 1, 1], [0, 1]),
        ("from=2026-04-01&to=2026-05-01", [0, 0, 0, 0, 0], [1, -1]),
        ("from=2026-06-01&to=2026-07-01", [1, 0, 1, 0, 1], [0, 0]),
    ] {
        let totals = report(days).await["totals"].clone();
        assert_eq!(verdicts(&totals), all, "{days}");
        assert_eq!(
            [&totals["rejected_before"], &totals["change"]],
            [&json!(before[0]), &json!(before[1])],
            "{days}"
        );
    }
    // Bob's second cycle began in June; of March's cycles there are three.
    let cohort = report("basis=cohort&from=2026-03-01&to=2026-04-01").await;
    assert_eq!(verdicts(&cohort["totals"]), [3, 1, 2, 1, 1]);
}

/// A delay: finished, open, and the median, nine tenths and 19 of 20 in seconds.
fn delay(figure: &Value, time: &str) -> (i64, i64, [Option<f64>; 3]) {
    let seconds = ["p50_seconds", "p90_seconds", "p95_seconds"].map(|name| figure[time][name].as_f64());
    (figure["finished"].as_i64().unwrap(), figure["open"].as_i64().unwrap(), seconds)
}

async fn response_times(app: &TestApp, story: &Story, ada_owner: &User, eve_owner: &User) {
    // Ada 55 minutes, Bob five hours, Eve open; Bob's first hand-off was rejected before the contact was due.
    let (ada, bob) = (3300.0, 18_000.0);
    let report = story.get(app, "/v1/reports/response-times?by=owner").await;
    let totals = &report["totals"];
    assert_eq!([&totals["handoffs"], &totals["excused"]], [&json!(4), &json!(1)]);
    for time in ["elapsed", "business"] {
        assert_eq!(delay(&totals["response_time"], time), (2, 1, [Some(bob), None, None]));
        assert_eq!(delay(&totals["human_delay"], time), (2, 1, [Some(bob), None, None]));
        assert_eq!(
            delay(&totals["system_delay"], time),
            (4, 0, [Some(0.0); 3]),
            "routed in the same request"
        );
    }
    let inside = &totals["inside_promise"];
    assert_eq!([&inside["numerator"], &inside["denominator"]], [&json!(2), &json!(3)]);

    let own = row(&report, Some(&ada_owner.id));
    assert_eq!([&own["handoffs"], &own["excused"]], [&json!(2), &json!(0)]);
    let middle = ada + (bob - ada) / 2.0;
    let (tenth, twentieth) = (bob - (bob - ada) / 10.0, bob - (bob - ada) / 20.0);
    assert_eq!(delay(&own["response_time"], "elapsed"), (2, 0, [Some(middle), Some(tenth), Some(twentieth)]));
    assert_eq!(
        [&own["inside_promise"]["numerator"], &own["inside_promise"]["denominator"]],
        [&json!(2), &json!(2)]
    );
    let own = row(&report, Some(&eve_owner.id));
    assert_eq!([&own["handoffs"], &own["excused"]], [&json!(2), &json!(1)]);
    assert_eq!(delay(&own["response_time"], "elapsed"), (0, 1, [None; 3]));
    assert_eq!(
        [&own["inside_promise"]["numerator"], &own["inside_promise"]["denominator"]],
        [&json!(0), &json!(1)]
    );

    // Bob sent his form on 3 March 10:00, 91 days, 4 hours, 30 minutes and a second before he was called.
    let since = story.get(app, "/v1/reports/response-times?since=capture").await;
    assert_eq!(delay(&since["totals"]["response_time"], "elapsed").2, [Some(7_878_601.0), None, None]);
}

async fn commitments(app: &TestApp, story: &Story, ada_owner: &User, eve_owner: &User) {
    let owners = [&ada_owner.id, &eve_owner.id];
    // Promised, kept, broken: all, Ada's rep, Eve's rep.
    let promised = [
        ("2026-03", "review", [[3, 2, 1], [1, 1, 0], [2, 1, 1]]),
        ("2026-03", "first_contact", [[2, 1, 1], [1, 1, 0], [1, 0, 1]]),
        ("2026-05", "review", [[0; 3]; 3]),
        ("2026-06", "review", [[1, 1, 0], [1, 1, 0], [0; 3]]),
        ("2026-06", "first_contact", [[1, 1, 0], [1, 1, 0], [0; 3]]),
    ];
    for (month, kind, [all, ada, eve]) in promised {
        let report = story.get(app, &format!("/v1/reports/sla?month={month}")).await;
        let promises = report["promises"].as_array().unwrap();
        let promise = promises.iter().find(|one| one["commitment"] == kind).unwrap();
        let counts = |of: &Value| ["promised", "kept", "broken"].map(|name| of[name].as_i64().unwrap());
        assert_eq!(counts(promise), all, "{month} {kind}");
        for (owner, expected) in owners.iter().zip([ada, eve]) {
            let own = promise["owners"].as_array().unwrap().iter().find(|one| one["owner_id"] == **owner);
            assert_eq!(own.map_or([0; 3], counts), expected, "{month} {kind} {owner}");
        }
    }
    for (month, rate, state) in [
        ("2026-03", Some((1, 2, 0.5)), json!("kept")),
        ("2026-05", None, Value::Null),
        ("2026-06", Some((1, 1, 1.0)), json!("open")),
    ] {
        let report = story.get(app, &format!("/v1/reports/sla?month={month}")).await;
        let number = &report["numbers"][0];
        assert_eq!((&number["commitment"], &number["target"]), (&json!("min_acceptance_rate"), &json!(0.4)));
        assert_eq!(number["state"], state, "{month}");
        let (part, whole) = rate.map_or((0, 0), |(part, whole, _)| (part, whole));
        assert_eq!(
            [&number["rate"]["numerator"], &number["rate"]["denominator"]],
            [&json!(part), &json!(whole)]
        );
        for name in ["so_far", "pace"] {
            assert_eq!(number[name].as_f64(), rate.map(|(_, _, value)| value), "{month} {name}");
        }
    }
}

async fn key_figures(app: &TestApp, story: &Story) {
    let march = BTreeMap::from([
        ("leads", Some(3.0)),
        ("mqls", Some(3.0)),
        ("mqls_handed_over", Some(3.0)),
        ("acceptance", Some(0.5)),
        ("mql_to_sal", Some(1.0 / 3.0)),
        ("mql_to_sql", Some(1.0 / 3.0)),
        ("sql_to_opportunity", Some(1.0)),
        ("lead_to_opportunity", Some(1.0 / 3.0)),
        ("opportunity_to_customer", Some(1.0)),
        ("lead_to_customer", Some(1.0 / 3.0)),
        ("mql_to_customer", Some(1.0 / 3.0)),
        // Ada 55 minutes, Eve open: the upper rank of the median is open.
        ("response_time", None),
        ("deals_open", Some(0.0)),
        ("deals_won", Some(1.0)),
        ("average_deal", Some(5_000_000.0)),
        ("win_rate", Some(1.0)),
        // From the call on 2 March 11:00 to 12 March 11:00.
        ("sales_cycle", Some(864_000.0)),
        ("lvr", None),
    ]);
    let june = BTreeMap::from([
        ("leads", Some(1.0)),
        ("mqls", Some(1.0)),
        ("mqls_handed_over", Some(1.0)),
        ("acceptance", Some(1.0)),
        ("mql_to_sal", Some(1.0)),
        ("mql_to_sql", Some(0.0)),
        ("sql_to_opportunity", None),
        ("lead_to_opportunity", Some(0.0)),
        ("opportunity_to_customer", None),
        ("lead_to_customer", Some(0.0)),
        ("mql_to_customer", Some(0.0)),
        ("response_time", Some(18_000.0)),
        ("deals_open", Some(0.0)),
        ("deals_won", Some(0.0)),
        ("average_deal", None),
        ("win_rate", None),
        ("sales_cycle", None),
        ("lvr", None),
    ]);
    for (days, expected) in [("from=2026-03-01&to=2026-04-01", &march), ("", &june)] {
        let report = story.get(app, &format!("/v1/reports/kpis?{days}")).await;
        let figures = report["figures"].as_array().unwrap();
        for (name, value) in expected {
            let figure = figures.iter().find(|figure| figure["figure"] == *name).unwrap();
            let shown = figure["value"].as_f64();
            let is_near = shown.zip(*value).is_some_and(|(shown, value)| (shown - value).abs() < 1e-9);
            assert!(is_near || shown.is_none() && value.is_none(), "{name} is {value:?}: {figure:#}");
        }
    }
    let report = story.get(app, "/v1/reports/kpis?from=2026-04-01&to=2026-05-01").await;
    let mqls = &report["figures"].as_array().unwrap()[1];
    assert_eq!([&mqls["value"], &mqls["before"], &mqls["change"]], [&json!(0.0), &json!(3.0), &json!(-3.0)]);
    let lvr = report["figures"].as_array().unwrap().iter().find(|figure| figure["figure"] == "lvr").unwrap();
    assert_eq!(lvr["value"], -1.0, "no MQL in April, three in March");
}

async fn leakage(app: &TestApp, story: &Story, eve_owner: &User) {
    let report = story.get(app, "/v1/reports/leakage?by=owner").await;
    let counts = |leaks: &Value| -> BTreeMap<String, i64> {
        let all = leaks.as_array().unwrap().iter();
        let all =
            all.map(|leak| (leak["leak"].as_str().unwrap().to_owned(), leak["count"].as_i64().unwrap()));
        all.filter(|(_, count)| *count > 0).collect()
    };
    let eve = BTreeMap::from([("uncontacted".to_owned(), 1), ("unreviewed".to_owned(), 1)]);
    assert_eq!(counts(&report["totals"]), eve, "{}", report.text);
    for row in report["rows"].as_array().unwrap() {
        let is_hers = row["key"] == eve_owner.id;
        assert_eq!(counts(&row["leaks"]), if is_hers { eve.clone() } else { BTreeMap::new() });
    }
    for leak in report["totals"].as_array().unwrap().iter().filter(|leak| leak["count"] == 1) {
        assert_eq!(leak["oldest"], "2026-03-06T16:00:00.000Z", "{leak:#}");
        let list = story.get(app, leak["evidence"].as_str().unwrap()).await;
        assert_eq!(list["data"][0]["owner_id"], json!(eve_owner.id));
    }
}
