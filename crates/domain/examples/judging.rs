//! How long it takes to score and judge one lead by 50 rules: `cargo run --release -p tandem-domain --example judging`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use tandem_domain::agreement::PROVISIONAL;
use tandem_domain::agreement::conditions::{Event, Facts, Field, History, Known, Value};
use tandem_domain::agreement::document::Rules;
use tandem_domain::id::Ids;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Currency;
use tandem_domain::scoring::score;
use tandem_domain::tracking::events::EventKind;

const NOW: Timestamp = Timestamp::from_millis(1_781_524_800_000);
const TYPES: [&str; 4] = ["page_view", "download", "email_click", "form_submit"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let document = document()?;
    let forms = BTreeSet::new();
    let known = Known {
        custom: &[],
        forms: &forms,
        segments: &BTreeSet::new(),
        purposes: &BTreeSet::new(),
        zone: &TimeZone::UTC,
        currency: Currency::EUR,
    };
    let rules = Rules::read(&document, None, &known).map_err(|faults| format!("{faults:?}"))?;
    for (name, of_one_type) in [("of four types", false), ("all page views", true)] {
        for events in [0, 50, 1_000] {
            let facts = facts(events, of_one_type)?;
            let judge = median(|| {
                let score = score(&facts, &rules.scoring, NOW);
                let facts = Facts {
                    score: Some(score.standing()),
                    ..Facts::default()
                };
                black_box((rules.icp.judge(&facts, NOW), score));
            });
            println!("{events:>5} events, {name:<15} {judge:>10.1?}");
        }
    }
    Ok(())
}

/// 25 rules for fit and 25 for engagement, half of these with a filter.
fn document() -> Result<Json, serde_json::Error> {
    let mut document: Json = serde_json::from_str(PROVISIONAL)?;
    let fit: Vec<Json> = (0..25)
        .map(|place| {
            let when = json!({"all": [
                {"field": "company.employees", "op": "gte", "value": place * 10},
                {"any": [
                    {"field": "country", "op": "in", "value": ["IT", "DE", "FR"]},
                    {"field": "job_title", "op": "contains", "value": "director"},
                ]},
            ]});
            json!({"id": format!("f{place}"), "label": "Fit", "when": when, "points": 1})
        })
        .collect();
    let engagement: Vec<Json> = (0..25)
        .map(|place| {
            let mut rule = json!({
                "id": format!("e{place}"), "label": "Engagement", "event": TYPES[place % 4], "points": 2.5,
                "within": format!("{}d", 7 + place), "max_times": 3, "group": "web",
            });
            if place % 2 == 0 {
                let path = format!("/pages/{}", place * 40);
                rule["where"] = json!([{"property": "path", "op": "eq", "value": path}]);
            }
            rule
        })
        .collect();
    document["scoring"]["fit"]["rules"] = json!(fit);
    document["scoring"]["engagement"]["rules"] = json!(engagement);
    Ok(document)
}

/// A lead with events of the last 20 days.
fn facts(events: usize, are_of_one_type: bool) -> Result<Facts, &'static str> {
    let ids = Ids::new(NOW, 0);
    let mut facts = Facts::default();
    for (name, value) in [
        ("company.employees", Value::Number(120.0)),
        ("country", Value::Text("IT".into())),
        ("job_title", Value::Text("Managing Director".into())),
    ] {
        let field = Field::named(name, &[]).ok_or("unknown field")?;
        facts.fields.insert(field, value);
    }
    for (place, kind) in TYPES.into_iter().enumerate() {
        let is_of_type = |event: &usize| {
            if are_of_one_type {
                place == 0
            } else {
                event % 4 == place
            }
        };
        let of_type = (0..events).filter(is_of_type).map(|event| Event {
            id: ids.next(),
            at: NOW.plus_millis(-(event as i64) * 20 * 86_400),
            url: Some(format!(
                "https://www.example.com/pages/{event}?utm_source=newsletter"
            )),
            referrer: None,
            properties: serde_json::Map::new(),
        });
        let history = History::new(of_type);
        facts
            .histories
            .insert(EventKind::named(kind).ok_or("unknown type")?, history);
    }
    Ok(facts)
}

#[allow(clippy::disallowed_methods)]
fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..2_001)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
