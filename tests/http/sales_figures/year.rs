//! A year of a company, driven through the interface by chance: people send forms, marketing hands over, sales accepts,
//! rejects, calls in time, late or not at all, logs calls late, opens deals and closes them, and people come back. Then
//! every figure is compared with the public lists.

mod leaks;
mod lists;

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, TestApp, hours, minutes};

use super::plain;
use crate::trace::chance::Chance;

const LEADS: usize = 500;
const REPS: usize = 6;
/// The company's zone, which is that of the agreed working hours; the reps have hours of their own.
const COMPANY: &str = "Europe/Rome";
const ZONES: [&str; 2] = ["Europe/Rome", "America/New_York"];

/// A user of sales.
struct Rep {
    id: String,
    zone: &'static str,
}

/// Who acts: a key, which does not expire, in the name of users; and the forms that people send.
struct Cast {
    key: String,
    marketer: String,
    reps: Vec<Rep>,
    /// A form that asks for a service, and one that asks for nothing.
    forms: [String; 2],
}

/// A hand-off that somebody still has to work on.
struct Open {
    lead: String,
    handoff: String,
    rep: String,
    stage: &'static str,
    is_contacted: bool,
    deal: Option<String>,
}

impl Cast {
    async fn of(app: &TestApp) -> Self {
        let marketer = app.user("marketing").await.id;
        let mut reps = vec![];
        for n in 0..REPS {
            let zone = ZONES[n * ZONES.len() / REPS];
            let id = app.user("sales").await.id;
            let day = json!([["09:00", "18:00"]]);
            let week = json!({"mon": day, "tue": day, "wed": day, "thu": day, "fri": day});
            let calendar = json!({"calendar": {"timezone": zone, "week": week, "holidays": []}});
            let path = format!("/v1/users/{id}/availability");
            app.put(&path).by(app.admin().await).json(calendar).await.expect(200);
            reps.push(Rep { id, zone });
        }
        let mut rules = vec![];
        for (name, country, zone) in [("North", "IT", ZONES[0]), ("South", "DE", ZONES[1])] {
            let members: Vec<&String> =
                reps.iter().filter(|rep| rep.zone == zone).map(|rep| &rep.id).collect();
            let team = json!({"name": name, "members": members});
            let team = app.post("/v1/teams").by(app.admin().await).json(team).await.expect(201).id();
            let when = json!({"field": "country", "op": "eq", "value": country});
            rules.push(json!({"name": name, "when": when, "to": {"team_id": team}}));
        }
        app.put("/v1/routing").by(app.admin().await).json(json!({"rules": rules})).await.expect(200);
        let mut forms = vec![];
        for service in [json!("demo"), Value::Null] {
            let form = json!({"name": "Contact", "service_requested": service, "allowed_origins": [], "fields": [
                {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
                {"name": "country", "label": "Country", "type": "text", "maps_to": "country"},
            ]});
            let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
            forms.push(form["key"].as_str().unwrap().to_owned());
        }
        let scopes = [
            "leads:read",
            "leads:write",
            "forms:read",
            "handoffs:read",
            "handoffs:write",
            "activities:read",
            "activities:write",
            "deals:read",
            "deals:write",
        ];
        let key = app.key(&scopes).await;
        Self { key, marketer, reps, forms: forms.try_into().unwrap() }
    }

    async fn act(&self, app: &TestApp, who: &str, path: &str, body: Value) -> Answer {
        app.post(path).by(&self.key).header("x-on-behalf-of", who).json(body).await
    }

    /// The hand-off of a lead that waits for a decision, if there is one.
    async fn pending(&self, app: &TestApp, chance: &mut Chance, lead: &str) -> Option<Open> {
        let path = format!("/v1/handoffs?lead_id={lead}&state=pending");
        let list = app.get(&path).by(&self.key).await.expect(200);
        let handoff = list["data"].as_array().unwrap().first()?;
        // What nobody owns waits in the general queue, from which everybody takes.
        let rep = handoff["owner_id"].as_str().unwrap_or(&chance.pick(&self.reps).id);
        Some(Open {
            lead: lead.to_owned(),
            handoff: handoff["id"].as_str().unwrap().to_owned(),
            rep: rep.to_owned(),
            stage: "mql",
            is_contacted: false,
            deal: None,
        })
    }
}

async fn drive(app: &TestApp, cast: &Cast, chance: &mut Chance) {
    let mut open: Vec<Open> = vec![];
    for n in 0..LEADS {
        app.clock.advance(minutes(chance.below(28 * 60) as i64) + chance.below(60_000) as i64);
        let lead = match chance.below(2) {
            0 => somebody(app, cast, chance, n).await,
            _ => sends_a_form(app, cast, chance, n).await,
        };
        let handed_over = cast.pending(app, chance, &lead).await;
        // Nobody works some of them.
        open.extend(handed_over.filter(|_| chance.below(12) > 0));
        if n > 0 && chance.below(5) == 0 {
            let again = chance.below(n);
            let lead = sends_a_form(app, cast, chance, again).await;
            let handed_over = cast.pending(app, chance, &lead).await;
            open.extend(handed_over.filter(|new| open.iter().all(|known| known.handoff != new.handoff)));
        }
        for _ in 0..3 {
            if !open.is_empty() {
                app.clock.advance(minutes(chance.below(60) as i64));
                // The latest ones mostly, so that some are left alone for long.
                let place = open.len() - 1 - chance.below(open.len().min(8));
                if work(app, cast, chance, &mut open[place]).await {
                    open.swap_remove(place);
                }
            }
        }
        if n % 5 == 0 {
            app.run_jobs().await;
        }
    }
    app.run_jobs().await;
}

fn email(n: usize) -> String {
    format!("person{n}@firm{}.example", n % 40)
}

/// The country of a person, the same in every form.
fn country(n: usize) -> &'static str {
    ["IT", "DE", "CH"][n % 3]
}

/// A lead that marketing enters, and mostly hands over by hand.
async fn somebody(app: &TestApp, cast: &Cast, chance: &mut Chance, n: usize) -> String {
    let mut lead = json!({"email": email(n), "country": country(n)});
    if chance.below(5) > 0 {
        lead["first_touch"] = json!({
            "source": *chance.pick(&["google", "bing", "newsletter"]),
            "channel": *chance.pick(&["paid_search", "email", "organic_search"]),
            "campaign": *chance.pick(&["spring", "autumn"]),
        });
    }
    let lead = app.post("/v1/leads").by(&cast.key).json(lead).await.expect(201).id();
    if chance.below(3) > 0 {
        let mql = json!({"to": "mql", "note": "asked for a demo"});
        cast.act(app, &cast.marketer, &format!("/v1/leads/{lead}/transitions"), mql).await.expect(201);
    }
    lead
}

/// Somebody, perhaps known, sends a form; the lead that it is.
async fn sends_a_form(app: &TestApp, cast: &Cast, chance: &mut Chance, n: usize) -> String {
    let form = &cast.forms[usize::from(chance.below(3) == 0)];
    let source = *chance.pick(&["google", "bing", "newsletter"]);
    let campaign = *chance.pick(&["spring", "autumn"]);
    let landing =
        format!("https://www.example.com/?utm_source={source}&utm_medium=cpc&utm_campaign={campaign}");
    let body = json!({
        "fields": {"email": email(n), "country": country(n)},
        "context": {"page_url": "https://www.example.com/contact", "landing_url": landing},
    });
    let sent = app.post(&format!("/v1/capture/{form}")).json(body).await.expect(201);
    let path = format!("/v1/submissions/{}", sent["submission_id"].as_str().unwrap());
    let submission = app.get(&path).by(&cast.key).await.expect(200);
    submission["lead_id"].as_str().unwrap().to_owned()
}

/// The next thing that a rep does about a hand-off; whether nothing is left to do.
async fn work(app: &TestApp, cast: &Cast, chance: &mut Chance, one: &mut Open) -> bool {
    let decide = format!("/v1/handoffs/{}", one.handoff);
    match (one.stage, one.is_contacted, &one.deal) {
        ("mql", ..) if chance.below(3) == 0 => {
            let reason = json!({"reason": *chance.pick(&["no_budget", "not_a_fit", "not_ready"])});
            cast.act(app, &one.rep, &format!("{decide}/reject"), reason).await.expect(200);
            return true;
        }
        ("mql", ..) => {
            cast.act(app, &one.rep, &format!("{decide}/accept"), json!({})).await.expect(200);
            one.stage = "sal";
        }
        (_, false, _) if chance.below(4) > 0 => {
            one.is_contacted = true;
            let late = [0, 0, hours(1), hours(20)][chance.below(4)];
            let call = json!({
                "lead_id": one.lead, "type": "call", "direction": "outbound",
                "occurred_at": Timestamp::from_millis(app.clock.now().millis() - late),
                "outcome": *chance.pick(&["connected", "no_answer", "voicemail"]),
            });
            cast.act(app, &one.rep, "/v1/activities", call).await.expect(201);
        }
        ("sal", ..) if chance.below(6) == 0 => {
            let path = format!("/v1/leads/{}/transitions", one.lead);
            cast.act(app, &one.rep, &path, json!({"reason": "no_response"})).await.expect(201);
            return true;
        }
        ("sal", ..) => {
            let confirmed = json!({"confirmed": true});
            let all = json!({"budget": confirmed, "authority": confirmed, "need": confirmed, "timeline": confirmed});
            let path = format!("/v1/leads/{}/qualification", one.lead);
            app.patch(&path).by(&cast.key).header("x-on-behalf-of", &one.rep).json(all).await.expect(200);
            one.stage = "sql";
        }
        (_, _, None) => {
            let amount = json!({"amount": 1000 + chance.below(90_000), "currency": "EUR"});
            let day = Timestamp::from_millis(app.clock.now().millis() + hours(24 * 20)).to_string();
            let deal = json!({"name": "A deal", "lead_ids": [one.lead], "amount": amount, "expected_close_on": day[..10]});
            one.deal = Some(cast.act(app, &one.rep, "/v1/deals", deal).await.expect(201).id());
            // Some deals stay open, and their expected close passes.
            return chance.below(5) == 0;
        }
        (_, _, Some(deal)) => {
            let close = json!({"outcome": *chance.pick(&["won", "lost"]), "reason": "price"});
            cast.act(app, &one.rep, &format!("/v1/deals/{deal}/close"), close).await.expect(200);
            return true;
        }
    }
    false
}

#[tandem_tests::test]
#[ignore = "takes minutes: scripts/test --test http -- --ignored a_year_that_was_driven"]
async fn a_year_that_was_driven_equals_a_plain_evaluation_of_its_public_lists(app: &TestApp) {
    let zone = json!({"name": "Example Ltd", "timezone": COMPANY});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    let cast = Cast::of(app).await;
    drive(app, &cast, &mut Chance(20_260_302)).await;
    // The access token of the admin has expired long ago.
    let (public, rows) = lists::read(app, &cast).await;
    lists::clocks_follow_from_the_facts(&public, &cast);

    let periods = [
        (None, None),
        (Some(("2026-06-01", "2026-08-01")), Some(("2026-04-01", "2026-06-01"))),
        (Some(("2026-09-07", "2026-10-05")), Some(("2026-08-10", "2026-09-07"))),
    ];
    plain::rejections(app, &rows, &periods).await;
    plain::response_times(app, &rows, &[None, Some(("2026-05-04", "2026-11-02"))]).await;
    plain::commitments(app, &rows, &["2026-03", "2026-06", "2026-10"]).await;
    let asked = [
        (Some(("2026-05-01", "2026-07-01")), None, ("2026-05", "2026-06")),
        (Some(("2026-05-01", "2026-10-15")), Some("google"), ("2026-08", "2026-09")),
    ];
    plain::key_figures(app, &rows, &("", ""), &asked).await;
    leaks::equal_a_plain_evaluation(app, &public, &rows).await;
}
