//! What nobody works, by the public lists alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tandem_tests::{TestApp, hours};

use super::lists::{Public, at};
use crate::sales_figures::plain::{Rows, rome};

/// The ids of the records with one kind of leak, by owner.
type Found = BTreeMap<Option<String>, BTreeSet<String>>;

fn by_owner<'v>(found: impl Iterator<Item = (&'v Value, &'v Value)>) -> Found {
    let mut all = Found::new();
    for (owner, record) in found {
        let owner = owner.as_str().map(str::to_owned);
        all.entry(owner).or_default().insert(record["id"].as_str().unwrap().to_owned());
    }
    all
}

/// Compare the leakage by owner, and the list behind each figure.
pub async fn equal_a_plain_evaluation(app: &TestApp, public: &Public, rows: &Rows) {
    let lead_of =
        |handoff: &Value| public.leads.iter().find(|lead| lead["id"] == handoff["lead_id"]).unwrap();
    let overdue = |kind: &'static str| {
        let clocks = public.handoffs.iter().flat_map(|handoff| {
            handoff["clocks"].as_array().unwrap().iter().map(move |clock| (handoff, clock))
        });
        clocks.filter(move |(handoff, clock)| {
            let lead = lead_of(handoff);
            // A lead that left sales for nurture is in a cycle that has ended.
            let works = !matches!(lead["stage"].as_str(), Some("nurture" | "disqualified" | "churned"));
            clock["kind"] == kind
                && clock["state"] != "void"
                && clock["met_at"].is_null()
                && at(&clock["due_at"]) < Some(public.now)
                && lead["cycle"] == handoff["cycle"]
                && works
        })
    };
    let unreviewed = overdue("review").filter(|(handoff, _)| handoff["state"] == "pending");
    let stage = |lead: &Value, stages: &[&str]| stages.contains(&lead["stage"].as_str().unwrap());
    let no_owner = public
        .leads
        .iter()
        .filter(|lead| stage(lead, &["mql", "sal", "sql", "opportunity"]) && lead["owner_id"].is_null());
    let idle = |lead: &&Value| {
        stage(lead, &["lead"]) && at(&lead["stage_since"]) < Some(public.now - hours(24 * 30))
    };
    let now = jiff::Timestamp::from_millisecond(public.now).unwrap();
    let today = now.to_zoned(rome()).date().to_string();
    let passed = public.deals.iter().filter(|deal| {
        deal["state"] == "open" && deal["expected_close_on"].as_str().is_some_and(|day| *day < *today)
    });
    let expected: BTreeMap<&str, Found> = BTreeMap::from([
        ("unreviewed", by_owner(unreviewed.map(|(handoff, clock)| (&handoff["owner_id"], clock)))),
        (
            "uncontacted",
            by_owner(overdue("first_contact").map(|(handoff, clock)| (&handoff["owner_id"], clock))),
        ),
        ("no_owner", by_owner(no_owner.map(|lead| (&lead["owner_id"], lead)))),
        ("idle", by_owner(public.leads.iter().filter(idle).map(|lead| (&lead["owner_id"], lead)))),
        ("close_date_passed", by_owner(passed.map(|deal| (&deal["owner_id"], deal)))),
    ]);

    let report = app.get("/v1/reports/leakage?by=owner").by(&rows.reader).await.expect(200);
    let shown = report["rows"].as_array().unwrap();
    for (leak, found) in &expected {
        assert!(!found.is_empty(), "a year without {leak} proves little");
        let of = |leaks: &Value| {
            leaks.as_array().unwrap().iter().find(|one| one["leak"] == *leak).unwrap().clone()
        };
        let all: usize = found.values().map(BTreeSet::len).sum();
        assert_eq!(of(&report["totals"])["count"], all, "{leak}");
        for row in shown {
            let owner = row["key"].as_str().map(str::to_owned);
            let own = found.get(&owner).cloned().unwrap_or_default();
            let figure = of(&row["leaks"]);
            assert_eq!(figure["count"], own.len(), "{leak} of {owner:?}");
            let address = format!("{}&limit=200", figure["evidence"].as_str().unwrap());
            let list = app.get(&address).by(&rows.reader).await.expect(200);
            assert_eq!(list["total_count"], own.len(), "{address}");
            let id = match *leak {
                "unreviewed" | "uncontacted" => "clock_id",
                "close_date_passed" => "deal_id",
                _ => "lead_id",
            };
            assert_eq!(list.each(id).into_iter().take(200).collect::<BTreeSet<_>>(), own, "{address}");
        }
        let keys: BTreeSet<_> = shown.iter().map(|row| row["key"].as_str().map(str::to_owned)).collect();
        assert!(found.keys().all(|owner| keys.contains(owner)), "{leak}: {keys:?}");
    }
}
