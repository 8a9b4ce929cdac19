//! Imported history in any order: over batches, files and kinds of rows the same leads, cycles and figures come out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tandem_tests::TestApp;

use crate::imports::{counts, taken_in};
use crate::trace::chance::Chance;

const STAGES: [&str; 9] =
    ["lead", "mql", "sal", "sql", "opportunity", "customer", "nurture", "disqualified", "churned"];

fn of_lead(more: Value) -> Value {
    let mut fields = json!({"lead.external_id": {"column": "lead", "system": "crm"}});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "fields": fields })
}

fn moves_mapping() -> Value {
    of_lead(json!({"to": "to", "at": "at", "reason": "why", "owner": "rep"}))
}

fn deals_mapping() -> Value {
    of_lead(
        json!({"external_id": {"column": "deal", "system": "crm"}, "outcome": "outcome", "opened_at": "opened",
        "closed_at": "closed", "amount": {"column": "amount", "decimal": "."}, "owner": "rep"}),
    )
}

fn leads_mapping() -> Value {
    json!({"fields": {"external_id": {"column": "lead", "system": "crm"}, "created_at": "known", "country": "country",
        "first_touch.source": "source", "first_touch.occurred_at": "known"}})
}

/// A file of rows: its kind, its mapping, its header and its rows.
#[derive(Clone)]
struct File {
    kind: &'static str,
    mapping: fn() -> Value,
    header: &'static str,
    rows: Vec<String>,
}

impl File {
    async fn import(&self, app: &TestApp) -> [i64; 5] {
        let text = format!("{}\n{}\n", self.header, self.rows.join("\n"));
        let query = format!("kind={}&mode=history", self.kind);
        let import = taken_in(app, &query, Some((self.mapping)()), text).await;
        assert_eq!(import["state"], "done", "{}", import.text);
        counts(&import)
    }
}

const LEADS: usize = 60;

/// The same history for each group of leads: files of leads, moves and deals. 970 moves.
fn history(group: &str) -> (File, Vec<File>) {
    let day = |day: usize| format!("2025-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
    let mut chance = Chance(12);
    let rep = |chance: &mut Chance| *chance.pick(&["", "", "ada@sales.example", "bob@sales.example"]);
    let leads: Vec<String> = (0..LEADS)
        .map(|n| {
            let (known, country) = (day(chance.below(100)), *chance.pick(&["IT", "CH", ""]));
            format!("{group}-{n},{known},{country},{group}")
        })
        .collect();
    let mut moves = BTreeSet::new();
    let mut lines = vec![];
    while lines.len() < 970 {
        let (lead, to, day) = (chance.below(LEADS), *chance.pick(&STAGES), day(chance.below(300)));
        let (why, rep) = (*chance.pick(&["", "no_budget", "not_ready"]), rep(&mut chance));
        if moves.insert((lead, to, day.clone())) {
            lines.push(format!("{group}-{lead},{to},{day},{why},{rep}"));
        }
    }
    let mut deals = vec![];
    for n in 0..90 {
        let (lead, opened) = (chance.below(LEADS), chance.below(250));
        let closed = day(opened + chance.below(50));
        let (outcome, amount) = (*chance.pick(&["won", "lost", "open"]), 100 + n);
        let rep = rep(&mut chance);
        let opened = if outcome != "open" && chance.below(3) == 0 { String::new() } else { day(opened) };
        let closed = if outcome == "open" { String::new() } else { closed };
        if outcome != "open" && !opened.is_empty() && chance.below(2) == 0 {
            deals.push(format!("{group}-d{n},{group}-{lead},open,{opened},,{amount},{rep}"));
        }
        deals.push(format!("{group}-d{n},{group}-{lead},{outcome},{opened},{closed},{amount},{rep}"));
    }
    let file = |kind, mapping: fn() -> Value, header, rows: &[String]| File {
        kind,
        mapping,
        header,
        rows: rows.to_vec(),
    };
    let known = file("leads", leads_mapping, "lead,known,country,source", &leads);
    let (first, second) = lines.split_at(600);
    let (open, closed) = deals.split_at(deals.len() / 2);
    let moves = |rows| file("stage_changes", moves_mapping, "lead,to,at,why,rep", rows);
    let deals = |rows| file("deals", deals_mapping, "deal,lead,outcome,opened,closed,amount,rep", rows);
    (known, vec![moves(first), moves(second), deals(open), deals(closed)])
}

/// What the interface shows of a group: each lead with its moves and deals, and the figures.
async fn shown(app: &TestApp, group: &str) -> BTreeMap<String, Value> {
    let by = app.admin().await;
    let mut shown = BTreeMap::new();
    for n in 0..LEADS {
        let lead = app.get(&format!("/v1/leads/by-external-id/crm/{group}-{n}")).by(by).await.expect(200);
        let moves = app.get(&format!("/v1/leads/{}/transitions", lead.id())).by(by).await.expect(200);
        let mut moves: Vec<String> = moves["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| json!([one["at"], one["to"], one["from"], one["cycle"], one["reason"]]).to_string())
            .collect();
        // Of one instant they are listed in the order in which they were recorded.
        moves.sort();
        let members = ["stage", "stage_since", "cycle", "created_at", "owner_id", "country"];
        let lead: Vec<&Value> = members.iter().map(|name| &lead[*name]).collect();
        shown.insert(format!("{n}"), json!([lead, moves]));
    }
    let mut path = "/v1/deals?limit=200".to_owned();
    loop {
        let page = app.get(&path).by(by).await.expect(200);
        for deal in page["data"].as_array().unwrap() {
            let id = deal["external_id"]["id"].as_str().unwrap();
            if let Some(name) = id.strip_prefix(&format!("{group}-")) {
                let members = ["state", "opened_at", "closed_at", "amount", "owner_id", "cycle"];
                let deal: Vec<&Value> = members.iter().map(|name| &deal[*name]).collect();
                shown.insert(format!("deal {name}"), json!(deal));
            }
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/deals?limit=200&cursor={next}");
    }
    for by_what in ["month", "owner", "country", "source"] {
        let path = format!("/v1/reports/funnel?by={by_what}&source={group}");
        let report = app.get(&path).by(by).await.expect(200);
        let text = serde_json::to_string(&report["data"]).unwrap().replace(group, "group");
        shown.insert(format!("funnel by {by_what}"), serde_json::from_str(&text).unwrap());
    }
    shown
}

#[tandem_tests::test]
async fn the_same_rows_in_another_order_are_the_same_history(app: &TestApp) {
    for (email, name) in [("ada@sales.example", "Ada"), ("bob@sales.example", "Bob")] {
        let user = json!({"email": email, "name": name, "role": "sales"});
        app.post("/v1/users").by(app.admin().await).json(user).await.expect(201);
    }
    let (known, files) = history("forth");
    assert_eq!(known.import(app).await, [LEADS as i64, 0, 0, 0, 0]);
    for file in &files {
        file.import(app).await;
    }
    let forth = shown(app, "forth").await;

    // The newest rows first, deals before moves, halves of files exchanged.
    let (mut known, files) = history("back");
    known.rows.reverse();
    known.import(app).await;
    for place in [3, 1, 0, 2] {
        let mut file = files[place].clone();
        file.rows.sort_by(|one, other| {
            let at = |row: &str| row.split(',').nth(2).unwrap().to_owned();
            at(other).cmp(&at(one))
        });
        file.import(app).await;
    }
    let back = shown(app, "back").await;
    for (name, one) in &forth {
        assert_eq!(Some(one), back.get(name), "{name}");
    }
    assert_eq!(forth.len(), back.len());

    // Everything again changes nothing.
    for file in files.iter().chain([&known]) {
        let [created, updated, unchanged, ..] = file.import(app).await;
        assert_eq!((created, updated), (0, 0), "{}", file.kind);
        assert!(unchanged > 0);
    }
    assert_eq!(shown(app, "back").await, back);
}

#[tandem_tests::test]
async fn a_lead_that_was_disqualified_between_two_beginnings_has_two_cycles(app: &TestApp) {
    let leads = "lead,known,country,source\na-1,2026-01-01,,x\n";
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), leads).await;
    for row in ["a-1,lead,2026-01-03,,", "a-1,disqualified,2026-01-02,,"] {
        let file = format!("lead,to,at,why,rep\n{row}\n");
        taken_in(app, "kind=stage_changes&mode=history", Some(moves_mapping()), file).await;
    }
    let by = app.admin().await;
    let lead = app.get("/v1/leads/by-external-id/crm/a-1").by(by).await.expect(200);
    assert_eq!((&lead["stage"], &lead["cycle"]), (&json!("lead"), &json!(2)));
    let moves = app.get(&format!("/v1/leads/{}/transitions", lead.id())).by(by).await.expect(200);
    let cycles: Vec<&Value> = moves["data"].as_array().unwrap().iter().map(|one| &one["cycle"]).collect();
    assert_eq!(cycles, [1, 1, 2], "{}", moves.text);
    let entries = app.get("/v1/journal?type=lead.history_corrected").by(by).await.expect(200);
    assert_eq!(entries["data"].as_array().unwrap().len(), 1, "{}", entries.text);
}

#[tandem_tests::test]
async fn a_wrong_date_is_corrected_by_importing_again(app: &TestApp) {
    let by = app.admin().await;
    let lead = |known: &str| format!("lead,known,country,source\na-1,{known},,x\n");
    let deal = |opened: &str, closed: &str, amount: &str| {
        format!("deal,lead,outcome,opened,closed,amount,rep\nd-1,a-1,won,{opened},{closed},{amount},\n")
    };
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), lead("2015-03-02")).await;
    let first = deal("2025-04-01", "2025-05-01", "1500");
    taken_in(app, "kind=deals&mode=history", Some(deals_mapping()), first).await;

    let again = taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), lead("2025-03-02")).await;
    assert_eq!(counts(&again), [0, 1, 0, 0, 0]);
    let second = deal("2025-04-02", "2025-06-01", "1.5");
    let again = taken_in(app, "kind=deals&mode=history", Some(deals_mapping()), second.clone()).await;
    assert_eq!(counts(&again)[..3], [0, 1, 0]);

    let lead = app.get("/v1/leads/by-external-id/crm/a-1").by(by).await.expect(200);
    assert_eq!(lead["stage_since"].as_str().unwrap()[..10], *"2025-06-01");
    assert_eq!(lead["created_at"].as_str().unwrap()[..10], *"2025-03-02");
    let path = format!("/v1/leads/{}/transitions", lead.id());
    let moves = app.get(&path).by(by).await.expect(200);
    let moves: Vec<String> = moves["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["to"].as_str().unwrap(), &one["at"].as_str().unwrap()[..10]))
        .collect();
    assert_eq!(moves, ["lead 2025-03-02", "opportunity 2025-04-02", "customer 2025-06-01"]);
    let deals = app.get("/v1/deals").by(by).await.expect(200);
    let id = deals["data"][0]["id"].as_str().unwrap().to_owned();
    let deal = app.get(&format!("/v1/deals/{id}")).by(by).await.expect(200);
    assert_eq!(deal["amount"], json!({"amount": 150, "currency": "EUR"}));
    let funnel = app.get("/v1/reports/funnel?by=month").by(by).await.expect(200);
    assert!(funnel.text.contains("2025-03") && !funnel.text.contains("2015"), "{}", funnel.text);

    // What was changed here since is not changed back by the file.
    let renamed = json!({"name": "Renamed"});
    app.patch(&format!("/v1/deals/{id}")).by(by).json(renamed).await.expect(200);
    let again = taken_in(app, "kind=deals&mode=history", Some(deals_mapping()), second).await;
    assert_eq!(counts(&again)[..3], [0, 0, 1]);
    let deal = app.get(&format!("/v1/deals/{id}")).by(by).await.expect(200);
    assert_eq!(deal["name"], "Renamed");
}
