//! Previews of versions of the agreement: what they would have done is what the live path does with the same history.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Given, START, TestApp, User, hours, minutes};

use crate::agreement::{agree, document};
use crate::trace::chance::Chance;
use crate::tracked::reader;

const DAY: i64 = 24 * hours(1);

/// Preview a version over the last 90 days, and wait until it is finished.
pub async fn previewed(app: &TestApp, by: &User, version: i64) -> Value {
    preview(app, by, version, json!({})).await
}

async fn preview(app: &TestApp, by: &User, version: i64, period: Value) -> Value {
    let path = format!("/v1/agreements/{version}/preview");
    let begun = app.post(&path).by(by).json(period).await.expect(202);
    assert_eq!(begun["state"], "running");
    let place = begun.header("location").unwrap().to_owned();
    app.run_jobs().await;
    let done = app.get(&place).by(by).await.expect(200);
    assert_eq!(done["state"], "finished", "{}", done.text);
    assert_eq!(done["progress"]["done"], done["progress"]["total"]);
    done.body
}

async fn listed(app: &TestApp, by: &User, preview: &Value, list: &str) -> Vec<Value> {
    let id = preview["id"].as_str().unwrap();
    let path = format!("/v1/agreements/{}/previews/{id}/{list}", preview["version"]);
    let (mut all, mut next) = (vec![], path.clone());
    loop {
        let page = app.get(&next).by(by).await.expect(200);
        all.extend_from_slice(page["data"].as_array().unwrap());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?cursor={cursor}"),
            None => return all,
        }
    }
}

/// A history of leads, drawn by chance: what happens, in the order of arrival.
pub struct Play<'a> {
    pub app: &'a TestApp,
    pub chance: Chance,
    pub leads: Vec<String>,
    /// Whether sales decides, and people move and archive leads.
    pub with_people: bool,
    /// Whether every tenth event arrives days late.
    pub is_late: bool,
}

impl Play<'_> {
    /// Turn the clock to an instant; what time changes on the way happens at its own instant.
    pub async fn until(&self, at: i64) {
        loop {
            let now = self.app.clock.now().millis();
            let by = reader(self.app).await;
            let mut due = at;
            let mut next = Some("/v1/leads?limit=200".to_owned());
            while let Some(path) = next {
                let page = self.app.get(&path).by(&by).await.expect(200);
                for lead in page["data"].as_array().unwrap() {
                    let until = lead["score"]["valid_until"].as_str();
                    let until = until.map(|text| text.parse::<Timestamp>().unwrap().millis());
                    due = until.filter(|until| *until > now).map_or(due, |until| until.min(due));
                }
                next =
                    page["next_cursor"].as_str().map(|cursor| format!("/v1/leads?limit=200&cursor={cursor}"));
            }
            self.app.clock.advance(due - now);
            self.app.run_jobs().await;
            if due == at {
                return;
            }
        }
    }

    async fn play(&mut self, steps: usize) {
        for _ in 0..steps {
            let pause = minutes(1) + self.chance.below(36 * hours(1) as usize) as i64;
            self.until(self.app.clock.now().millis() + pause).await;
            self.step().await;
        }
    }

    pub async fn step(&mut self) {
        self.act().await;
        self.app.run_jobs().await;
    }

    async fn act(&mut self) {
        let by = reader(self.app).await;
        if self.leads.len() < 14 && self.chance.below(3) == 0 {
            let number = self.leads.len();
            let domain = ["factory.example", "gmail.com", "mill.example"][number % 3];
            let body = json!({"email": format!("p{number}@{domain}"), "country": (number.is_multiple_of(2)).then_some("IT")});
            let lead = self.app.post("/v1/leads").by(&by).json(body).await.expect(201).id();
            self.leads.push(lead);
            self.app.clock.advance(minutes(1));
        }
        if self.leads.is_empty() {
            return;
        }
        let lead = self.chance.pick(&self.leads).clone();
        let path = format!("/v1/leads/{lead}");
        match self.chance.below(if self.with_people { 14 } else { 9 }) {
            0..=5 => self.events(&by, &lead).await,
            6 => {
                let value = [json!("IT"), json!("DE"), Value::Null][self.chance.below(3)].clone();
                self.app.patch(&path).by(&by).json(json!({"country": value})).await.expect(200);
            }
            7 => {
                let body = json!({"phone": format!("+3902123456{:02}", self.leads.len() + 10)});
                let _ = self.app.patch(&path).by(&by).json(body).await;
            }
            8 => {
                let known = self.app.get(&path).by(&by).await.expect(200);
                if let Some(company) = known["company"]["id"].as_str() {
                    let employees = [10, 60, 200][self.chance.below(3)];
                    let body = json!({"employees": employees});
                    self.app.patch(&format!("/v1/companies/{company}")).by(&by).json(body).await.expect(200);
                }
            }
            9 => drop(self.app.post(&format!("{path}/archive")).by(&by).await),
            10 => drop(self.app.post(&format!("{path}/restore")).by(&by).await),
            11 => {
                let to = *self.chance.pick(&["mql", "nurture"]);
                let mut body = json!({"to": to, "note": "by hand"});
                if to == "nurture" {
                    body["reason"] = json!("not_ready");
                }
                let _ = self.app.post(&format!("{path}/transitions")).by(&by).json(body).await;
            }
            _ => self.decide(&by).await,
        }
    }

    /// Some events of a lead, every tenth of them days late.
    async fn events(&mut self, by: &User, lead: &str) {
        let now = self.app.clock.now().millis();
        let events: Vec<Value> = (0..1 + self.chance.below(3))
            .map(|_| {
                let late = match self.chance.below(10) {
                    0 if self.is_late => self.chance.below(12 * DAY as usize) as i64,
                    _ => 0,
                };
                json!({
                    "type": self.chance.pick(&["page_view", "download", "email_click"]),
                    "lead": {"id": lead}, "occurred_at": Timestamp::from_millis(now - late),
                    "url": self.chance.pick(&["https://www.example.com/pricing", "https://www.example.com/blog"]),
                })
            })
            .collect();
        self.app.post("/v1/events").by(by).json(json!({"events": events})).await.expect(200);
    }

    /// Sales decides on a hand-off that waits.
    async fn decide(&mut self, by: &User) {
        let waiting = self.app.get("/v1/handoffs?state=pending").by(by).await.expect(200);
        let ids = waiting.each("id");
        if ids.is_empty() {
            return;
        }
        let path = format!("/v1/handoffs/{}", self.chance.pick(&ids));
        let body = match self.chance.below(3) {
            0 => return drop(self.app.post(&format!("{path}/accept")).by(by).json(json!({})).await),
            1 => json!({"reason": "not_ready"}),
            _ => json!({"reason": "unclear_request"}),
        };
        self.app.post(&format!("{path}/reject")).by(by).json(body).await.expect(200);
    }

    /// When rules made leads MQLs, by lead and cycle.
    async fn made(&self) -> BTreeMap<(String, i64), String> {
        let by = reader(self.app).await;
        let mut made = BTreeMap::new();
        for lead in &self.leads {
            let path = format!("/v1/leads/{lead}/transitions");
            let moves = self.app.get(&path).by(&by).await.expect(200);
            for one in moves["data"].as_array().unwrap() {
                if one["to"] == "mql" && !one["rule"].is_null() {
                    let cycle = one["cycle"].as_i64().unwrap();
                    made.insert((lead.clone(), cycle), one["at"].as_str().unwrap().to_owned());
                }
            }
        }
        made
    }
}

/// Rules that time, late arrivals, fields and companies decide.
pub fn rules(document: &mut Value) {
    document["stages"]["mql"]["when"] = json!({"any": [
        {"score": "total", "op": "gte", "value": 34},
        {"all": [{"event": "download", "count": {"gte": 2}, "within": "20d"}, {"field": "country", "op": "eq", "value": "IT"}]},
    ]});
    document["stages"]["nurture"]["cooldown"] = json!("10d");
    document["stages"]["nurture"]["unless"] = json!({"event": "download", "count": {"gte": 3}});
    document["scoring"]["engagement"]["rules"][0]["half_life"] = json!("5d");
}

fn instants(leads: &[Value], member: &str) -> BTreeMap<(String, i64), String> {
    let of = |one: &Value| {
        let key = (one["lead_id"].as_str().unwrap().to_owned(), one["cycle"].as_i64().unwrap());
        (key, one[member].as_str().unwrap().to_owned())
    };
    leads.iter().map(of).collect()
}

/// The same leads and cycles, within a second: transactions of one millisecond have stamps of their own.
fn assert_same(one: &BTreeMap<(String, i64), String>, other: &BTreeMap<(String, i64), String>) {
    let millis = |text: &String| text.parse::<Timestamp>().unwrap().millis();
    assert!(one.keys().eq(other.keys()), "{one:?} {other:?}");
    for (key, at) in one {
        assert!((millis(at) - millis(&other[key])).abs() < 1000, "{key:?}: {at} {}", other[key]);
    }
}

#[tandem_tests::test]
async fn the_preview_of_the_version_in_force_is_what_the_live_path_made(app: &TestApp) {
    let version = agree(app, rules).await["agreement"]["version"].as_i64().unwrap();
    let chance = Chance(20_261_201);
    let mut play = Play { app, chance, leads: vec![], with_people: true, is_late: true };
    play.play(160).await;
    let by = reader(app).await;
    let made = play.made().await;
    assert!(made.len() > 6 && made.keys().any(|(_, cycle)| *cycle > 1), "{made:?}");

    let period = json!({"from": Timestamp::from_millis(START.millis() - DAY)});
    let done = preview(app, &by, version, period).await;
    assert_eq!((&done["gained"]["leads"], &done["lost"]["leads"]), (&json!(0), &json!(0)), "{done}");
    let kept = listed(app, &by, &done, "kept").await;
    assert_eq!(instants(&kept, "made_at"), made);
    assert_same(&instants(&kept, "would_be_at"), &made);
    assert_eq!(done["actual"], done["expected"]);
    assert_eq!(done["kept"]["handed_over"], json!(made.len()));
    assert_eq!(done["ready_now"], 0, "everybody who is ready has been moved");
}

#[tandem_tests::test]
async fn the_preview_of_a_draft_is_what_it_would_have_made_of_the_same_history(app: &TestApp) {
    app.admin().await;
    let mut draft = document(app).await;
    rules(&mut draft);
    let version = agree(app, |document| {
        document["stages"]["mql"]["when"] = json!({"field": "job_title", "op": "eq", "value": "nobody"});
    });
    version.await;
    let mut play = Play { app, chance: Chance(7), leads: vec![], with_people: false, is_late: true };
    play.play(90).await;
    assert_eq!(play.made().await, BTreeMap::new());
    let by = reader(app).await;
    let body = json!({"document": draft});
    let number = app.post("/v1/agreements").by(&by).json(body).await.expect(201)["version"].as_i64().unwrap();
    let done = previewed(app, &by, number).await;
    let gained = listed(app, &by, &done, "gained").await;
    let expected = instants(&gained, "would_be_at");
    assert!(expected.len() > 3, "{expected:?}");
    assert!(gained.iter().all(|one| !one["evidence"].as_array().unwrap().is_empty()));

    // The same history under the draft itself: who became an MQL, and when.
    let other = TestApp::start(app.database.backend).await.unwrap();
    agree(&other, |document| *document = draft.clone()).await;
    let mut again = Play { app: &other, chance: Chance(7), leads: vec![], with_people: false, is_late: true };
    again.play(90).await;
    let by_place =
        |play: &Play<'_>, made: BTreeMap<(String, i64), String>| -> BTreeMap<(String, i64), String> {
            let place = |id: &str| play.leads.iter().position(|lead| lead == id).unwrap();
            made.into_iter().map(|((lead, cycle), at)| ((place(&lead).to_string(), cycle), at)).collect()
        };
    let made = again.made().await;
    assert_same(&by_place(&play, expected), &by_place(&again, made));
    other.stop().await;
}
