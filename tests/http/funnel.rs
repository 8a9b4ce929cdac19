//! The funnel against an evaluator that is slow and plain: it goes through all cycles for each figure. And the list
//! behind each figure holds just the cycles that the evaluator counted.

pub(crate) mod cycles;

use std::collections::{BTreeMap, BTreeSet};

use cycles::some_cycles;
use jiff::tz::TimeZone;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tandem_domain::id::{CycleId, FormId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store::rows::cycles::{Entity, Model};
use tandem_tests::TestApp;
use uuid::Uuid;

use crate::trace::chance::Chance;

const STAGES: [&str; 6] = ["lead", "mql", "sal", "sql", "opportunity", "customer"];

fn reached(cycle: &Model) -> [Option<i64>; 6] {
    let Model { started_at, mql_at, sal_at, sql_at, opportunity_at, customer_at, .. } = *cycle;
    [Some(started_at), mql_at, sal_at, sql_at, opportunity_at, customer_at]
}

fn left(cycle: &Model) -> [Option<i64>; 6] {
    [
        cycle.lead_left_at,
        cycle.mql_left_at,
        cycle.sal_left_at,
        cycle.sql_left_at,
        cycle.opportunity_left_at,
        cycle.customer_left_at,
    ]
}

/// Which report: its basis, its days, and by what.
struct Question {
    activity: bool,
    days: Option<(&'static str, &'static str)>,
    by: Vec<&'static str>,
}

impl Question {
    fn path(&self) -> String {
        let basis = if self.activity { "activity" } else { "cohort" };
        let days = self.days.map(|(from, to)| format!("&from={from}&to={to}"));
        format!("/v1/reports/funnel?by={}&basis={basis}{}", self.by.join(","), days.unwrap_or_default())
    }

    /// The day of an instant in Rome lies in the period.
    fn holds(&self, at: Option<i64>) -> bool {
        let day = at.map(|at| Timestamp::from_millis(at).date_in(&rome()).to_string());
        match (day, self.days) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(day), Some((from, to))) => *from <= *day && *day < *to,
        }
    }

    /// What a cycle has in each dimension, where it is counted by an instant.
    fn keys(&self, cycle: &Model, at: i64) -> Vec<Option<String>> {
        let day = Timestamp::from_millis(at).date_in(&rome());
        let key = |by: &&str| match *by {
            "channel" => cycle.channel.clone(),
            "source" => cycle.source.clone(),
            "campaign" => cycle.campaign.clone(),
            "utm_content" => cycle.content.clone(),
            "country" => cycle.country.clone(),
            "form" => cycle.form_id.map(|id| FormId::from_uuid(id).to_string()),
            "owner" => cycle.owner_id.map(|id| UserId::from_uuid(id).to_string()),
            "month" => Some(day.to_string()[..7].to_owned()),
            "quarter" => Some(format!("{}-Q{}", day.year(), (day.month() + 2) / 3)),
            _ => {
                let week = day.iso_week_date();
                Some(format!("{}-W{:02}", week.year(), week.week()))
            }
        };
        self.by.iter().map(key).collect()
    }

    /// Whether an event counts in a row; `None` is the totals.
    fn counts(&self, cycle: &Model, row: Option<&[Option<String>]>, event: Option<i64>) -> bool {
        let at = if self.activity { event } else { event.and(Some(cycle.started_at)) };
        self.holds(at) && row.is_none_or(|row| self.keys(cycle, at.unwrap()) == row)
    }

    /// The cycles behind every figure of a stage, by the name of the figure; a reason is a figure of its own.
    fn figures<'c>(
        &self,
        cycles: &'c [Model],
        row: Option<&[Option<String>]>,
        stage: usize,
    ) -> BTreeMap<String, Vec<&'c Model>> {
        let mut found = BTreeMap::<String, Vec<&Model>>::new();
        let mut people = BTreeSet::new();
        let mut in_order: Vec<&Model> = cycles.iter().collect();
        in_order.sort_by_key(|cycle| cycle.number);
        for cycle in in_order {
            let at = reached(cycle);
            let mut add = |name: &str| found.entry(name.to_owned()).or_default().push(cycle);
            if self.counts(cycle, row, at[stage]) {
                add("cycles");
                if people.insert(cycle.lead_id) {
                    add("people");
                }
            }
            if stage > 0 && at[stage].is_some() && self.counts(cycle, row, at[stage - 1]) {
                add("from_previous");
            }
            if stage > 0 && at[stage].is_some() && self.counts(cycle, row, at[0]) {
                add("from_start");
            }
            if self.counts(cycle, row, left(cycle)[stage]) {
                add("time_in_stage");
            }
            let furthest = (0..6).rev().find(|stage| at[*stage].is_some()).unwrap();
            if furthest == stage && self.counts(cycle, row, cycle.ended_at) {
                add("dropped");
                add(&format!("dropped for {:?}", cycle.last_reason));
            }
        }
        found
    }
}

fn rome() -> TimeZone {
    TimeZone::get("Europe/Rome").unwrap()
}

/// Type 7, by sorting.
fn percentile(lengths: &mut [i64], share: f64) -> Option<f64> {
    lengths.sort_unstable();
    let place = share * lengths.len().checked_sub(1)? as f64;
    let (low, high) = (lengths[place.floor() as usize] as f64, lengths[place.ceil() as usize] as f64);
    Some((low + (high - low) * place.fract()) / 1000.0)
}

fn is_near(shown: &Value, expected: Option<f64>) -> bool {
    match (shown.as_f64(), expected) {
        (Some(shown), Some(expected)) => (shown - expected).abs() < 1e-3,
        (None, None) => shown.is_null(),
        _ => false,
    }
}

/// One stage as it is shown against the plain evaluation.
fn compare(
    question: &Question,
    shown: &Value,
    cycles: &[Model],
    row: Option<&[Option<String>]>,
    stage: usize,
) {
    let of = |place: usize| question.figures(cycles, row, place);
    let figures = of(stage);
    let count = |figures: &BTreeMap<String, Vec<&Model>>, name: &str| figures.get(name).map_or(0, Vec::len);
    let told = format!("{} {row:?} {}: {shown:#}", question.path(), STAGES[stage]);
    assert_eq!(shown["stage"], STAGES[stage]);
    assert_eq!(shown["cycles"], count(&figures, "cycles"), "cycles, {told}");
    assert_eq!(shown["people"], count(&figures, "people"), "people, {told}");
    if stage > 0 {
        let before = [("from_previous", stage - 1), ("from_start", 0)];
        for (name, before) in before {
            assert_eq!(shown[name]["numerator"], count(&figures, name), "{name}, {told}");
            assert_eq!(shown[name]["denominator"], count(&of(before), "cycles"), "{name}, {told}");
        }
    }
    let stays = figures.get("time_in_stage").cloned().unwrap_or_default();
    let begun = |cycle: &Model| {
        if stage == 0 { cycle.lead_at } else { reached(cycle)[stage] }
    };
    let mut lengths: Vec<i64> = stays.iter().map(|c| left(c)[stage].unwrap() - begun(c).unwrap()).collect();
    let time = &shown["time_in_stage"];
    assert_eq!(time["stays"], lengths.len(), "stays, {told}");
    assert!(is_near(&time["median_seconds"], percentile(&mut lengths, 0.5)), "median, {told}");
    assert!(is_near(&time["p90_seconds"], percentile(&mut lengths, 0.9)), "p90, {told}");
    assert_eq!(shown["dropped"]["cycles"], count(&figures, "dropped"), "dropped, {told}");
    let reasons = shown["dropped"]["reasons"].as_array().unwrap();
    let named = figures.keys().filter(|name| name.starts_with("dropped for")).count();
    assert_eq!(reasons.len(), named, "reasons, {told}");
}

/// The list behind each figure of a stage holds the very cycles that the plain evaluation counts.
async fn open(
    app: &TestApp,
    question: &Question,
    shown: &Value,
    cycles: &[Model],
    row: Option<&[Option<String>]>,
    stage: usize,
) {
    let figures = question.figures(cycles, row, stage);
    let mut lists = vec![
        ("cycles".to_owned(), &shown["evidence"]["cycles"]),
        ("people".to_owned(), &shown["evidence"]["people"]),
        ("time_in_stage".to_owned(), &shown["time_in_stage"]["evidence"]),
        ("dropped".to_owned(), &shown["dropped"]["evidence"]),
    ];
    if stage > 0 {
        lists.push(("from_previous".into(), &shown["from_previous"]["evidence"]["numerator"]));
        lists.push(("from_start".into(), &shown["from_start"]["evidence"]["numerator"]));
    }
    for reason in shown["dropped"]["reasons"].as_array().unwrap() {
        let name = format!("dropped for {:?}", reason["reason"].as_str());
        lists.push((name, &reason["evidence"]));
    }
    for (name, address) in lists {
        let address = format!("{}&limit=200", address.as_str().unwrap());
        let answer = app.get(&address).by(app.admin().await).await.expect(200);
        let mut expected: Vec<Uuid> =
            figures.get(&name).into_iter().flatten().map(|cycle| cycle.id).collect();
        expected.sort_unstable();
        assert_eq!(answer["total_count"], expected.len(), "{name}: {address}");
        let expected: Vec<String> =
            expected.into_iter().take(200).map(|id| CycleId::from_uuid(id).to_string()).collect();
        assert_eq!(answer.each("id"), expected, "{name}: {address}");
    }
}

#[tandem_tests::test]
async fn the_funnel_equals_a_plain_evaluation_and_opens_to_its_records(app: &TestApp) {
    let zone = json!({"name": "Example Ltd", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    let mut chance = Chance(20_260_302);
    let cycles = some_cycles(&mut chance);
    let raw = app.database.raw().await;
    for chunk in cycles.chunks(50) {
        let rows: Vec<_> =
            chunk.iter().map(|row| tandem_store::rows::cycles::ActiveModel::from(row.clone())).collect();
        Entity::insert_many(rows).exec(&raw).await.unwrap();
    }
    raw.close().await.unwrap();
    let periods = [None, Some(("2025-12-10", "2026-03-30"))];
    let by: [&[&str]; 11] = [
        &["utm_content", "quarter"],
        &["source"],
        &["channel"],
        &["campaign"],
        &["form"],
        &["country", "owner"],
        &["month"],
        &["week"],
        &["quarter", "source"],
        &["owner", "month"],
        &["owner"],
    ];
    for (n, by) in by.iter().enumerate() {
        for activity in [false, true] {
            let question =
                Question { activity, days: periods[(n + usize::from(activity)) % 2], by: by.to_vec() };
            let report = app.get(&question.path()).by(app.admin().await).await.expect(200);
            assert!(!report.text.contains("NaN"));
            let rows = report["rows"].as_array().unwrap();
            let mut volume = 0;
            for row in rows {
                let mut keys = vec![row["key"].as_str().map(str::to_owned)];
                keys.extend(row.get("second_key").map(|key| key.as_str().map(str::to_owned)));
                for stage in 0..6 {
                    compare(&question, &row["stages"][stage], &cycles, Some(&keys), stage);
                }
                volume += row["stages"][0]["cycles"].as_u64().unwrap();
            }
            assert_eq!(report["totals"][0]["cycles"], volume, "no cycle is in no row");
            for stage in 0..6 {
                compare(&question, &report["totals"][stage], &cycles, None, stage);
            }
            let (row, stage) = (&rows[chance.below(rows.len())], chance.below(6));
            let mut keys = vec![row["key"].as_str().map(str::to_owned)];
            keys.extend(row.get("second_key").map(|key| key.as_str().map(str::to_owned)));
            open(app, &question, &row["stages"][stage], &cycles, Some(&keys), stage).await;
            open(app, &question, &report["totals"][stage], &cycles, None, stage).await;
        }
    }
}
