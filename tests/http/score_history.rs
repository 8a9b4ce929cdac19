//! Scores of the past: what a lead's score was is the same answer on every later day, until the past changes.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, hours, minutes, seconds};

use crate::agreement::agree;
use crate::previews::{Play, rules};
use crate::trace::chance::Chance;
use crate::tracked::{at, reader};

const DAY: i64 = 24 * hours(1);
const FIGURES: [&str; 8] =
    ["fit", "engagement", "total", "band", "exact", "contributions", "mql_blocked_by", "agreement_version"];

fn figures(score: &Value) -> Vec<Value> {
    FIGURES.iter().map(|name| score[name].clone()).collect()
}

async fn score_at(app: &TestApp, lead: &str, instant: &str) -> Answer {
    app.get(&format!("/v1/leads/{lead}/score?as_of={instant}")).by(&reader(app).await).await
}

async fn history(app: &TestApp, lead: &str) -> Vec<Value> {
    let path = format!("/v1/leads/{lead}/score/history?limit=200");
    app.get(&path).by(&reader(app).await).await.expect(200)["data"].as_array().unwrap().clone()
}

#[tandem_tests::test]
async fn the_score_of_any_instant_is_what_it_was_then_today_and_after_a_year(app: &TestApp) {
    agree(app, rules).await;
    let mut play = Play { app, chance: Chance(41), leads: vec![], with_people: true, is_late: false };
    let mut seen: Vec<(String, String, Vec<Value>)> = vec![];
    for step in 0..70 {
        let pause = minutes(1) + play.chance.below(30 * hours(1) as usize) as i64;
        play.until(app.clock.now().millis() + pause).await;
        play.step().await;
        if step == 40 {
            agree(app, |document| {
                document["scoring"]["fit"]["rules"][0]["points"] = json!(18);
                document["scoring"]["engagement"]["rules"][1]["points"] = json!(3.5);
            })
            .await;
            app.run_jobs().await;
        }
        if !play.leads.is_empty() {
            let lead = play.chance.pick(&play.leads).clone();
            let by = reader(app).await;
            // Transactions of one millisecond have stamps of their own, a little ahead of the clock.
            app.clock.advance(seconds(1));
            let score = app.get(&format!("/v1/leads/{lead}/score")).by(&by).await.expect(200);
            seen.push((lead, json!(app.clock.now()).as_str().unwrap().to_owned(), figures(&score.body)));
        }
        app.clock.advance(minutes(1));
    }
    for pause in [0, 365 * DAY] {
        app.clock.advance(pause);
        for (lead, instant, known) in &seen {
            let score = score_at(app, lead, instant).await.expect(200);
            assert_eq!(&figures(&score.body), known, "{lead} at {instant}");
        }
    }
    let versions: Vec<&Value> = seen.iter().map(|(_, _, known)| &known[7]).collect();
    assert!(versions.contains(&&json!(2)) && versions.contains(&&json!(3)));

    // Each record of the history is the score of its instant.
    app.run_jobs().await;
    let mut causes = std::collections::BTreeSet::new();
    for lead in &play.leads {
        for record in history(app, lead).await {
            let score = score_at(app, lead, record["at"].as_str().unwrap()).await.expect(200);
            causes.insert(record["cause"].as_str().unwrap().to_owned());
            // Several things of one instant leave several records; the last one is the score of the instant.
            if record["cause"] == "time" || record["cause"] == "event" {
                assert_eq!(
                    (&record["exact"], &record["band"]),
                    (&score["exact"], &score["band"]),
                    "{record}"
                );
            }
        }
    }
    for cause in ["created", "event", "record", "company", "agreement", "time"] {
        assert!(causes.contains(cause), "{cause}: {causes:?}");
    }
}

#[tandem_tests::test]
async fn a_late_arrival_changes_the_past_and_says_so(app: &TestApp) {
    let lead = app.given_lead("ada@factory.example").await.id();
    app.clock.advance(5 * DAY);
    let then = at(3 * DAY);
    let then = then.as_str().unwrap();
    let before = score_at(app, &lead, then).await.expect(200);
    assert_eq!((&before["engagement"], &before["history_changed_at"]), (&json!(0), &Value::Null));

    let late = json!({"events": [{"type": "download", "lead": {"id": lead}, "occurred_at": at(2 * DAY)}]});
    app.post("/v1/events").by(&reader(app).await).json(late).await.expect(200);
    let after = score_at(app, &lead, then).await.expect(200);
    assert_eq!(after["engagement"], 10);
    // To the second: transactions of one millisecond have stamps of their own.
    let second = at(5 * DAY).as_str().unwrap()[..19].to_owned();
    let changed_at = after["history_changed_at"].as_str().unwrap();
    assert!(changed_at.starts_with(&second), "{changed_at}");
    let earlier = score_at(app, &lead, at(DAY).as_str().unwrap()).await.expect(200);
    assert_eq!(earlier["engagement"], 0);
    let lead_now = app.get(&format!("/v1/leads/{lead}")).by(&reader(app).await).await.expect(200);
    assert_eq!(lead_now["score"]["history_changed_at"], changed_at);
    let records = history(app, &lead).await;
    let causes: Vec<&Value> = records.iter().map(|record| &record["cause"]).collect();
    assert_eq!(causes, ["event", "created"]);

    // What only decays leaves no record, and is computed for any instant.
    app.clock.advance(40 * DAY);
    app.run_jobs().await;
    assert_eq!(history(app, &lead).await.len(), 2);
    let gone = score_at(app, &lead, at(2 * DAY + 30 * DAY + 1).as_str().unwrap()).await.expect(200);
    let still = score_at(app, &lead, at(2 * DAY + 30 * DAY).as_str().unwrap()).await.expect(200);
    assert_eq!((&gone["engagement"], &still["engagement"]), (&json!(0), &json!(10)));

    score_at(app, &lead, at(-1).as_str().unwrap()).await.refused(404, "not_found");
    let ahead = score_at(app, &lead, at(50 * DAY).as_str().unwrap()).await;
    ahead.refused(400, "invalid_parameter");
}
