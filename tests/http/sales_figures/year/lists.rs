//! The records behind the figures, read from public lists alone: stage changes give the cycles, activities the first
//! contacts, calendars the due times.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_domain::id::{
    ActivityTag, ClockTag, CompanyTag, DealTag, FormTag, HandoffTag, Id, LeadTag, Named, TeamTag, UserTag,
};
use tandem_domain::instant::Timestamp;
use tandem_store::rows::{activities, clocks, cycles, deals, handoffs};
use tandem_tests::TestApp;
use uuid::Uuid;

use super::{COMPANY, Cast};
use crate::sales_figures::READS;
use crate::sales_figures::plain::{Costs, Rows, rome};
use crate::sales_figures::rows::a_task;

/// The public lists.
pub struct Public {
    pub leads: Vec<Value>,
    pub handoffs: Vec<Value>,
    pub activities: Vec<Value>,
    pub deals: Vec<Value>,
    pub now: i64,
}

/// Every item of a list.
async fn crawl(app: &TestApp, key: &str, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (vec![], String::new());
    let path = if path.contains('?') { format!("{path}&") } else { format!("{path}?") };
    loop {
        let page = app.get(&format!("{path}limit=200{cursor}")).by(key).await.expect(200);
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

pub fn at(value: &Value) -> Option<i64> {
    value.as_str().map(|text| text.parse::<Timestamp>().unwrap().millis())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn id<T: Named>(value: &Value) -> Option<Uuid> {
    value.as_str().map(|text| text.parse::<Id<T>>().unwrap().uuid())
}

/// Read everything and build the rows that the plain evaluation takes.
pub async fn read(app: &TestApp, cast: &Cast) -> (Public, Rows) {
    let admin = app.login("admin@example.com").await;
    let scopes = [&READS[..], &["users:read"]].concat();
    let made = serde_json::json!({"name": "reader", "scopes": scopes});
    let reader = app.post("/v1/api-keys").by(&admin).json(made).await.expect(201);
    let reader = reader["secret"].as_str().unwrap().to_owned();
    let public = Public {
        leads: crawl(app, &reader, "/v1/leads?include=touches").await,
        handoffs: crawl(app, &reader, "/v1/handoffs").await,
        activities: crawl(app, &cast.key, "/v1/activities").await,
        deals: crawl(app, &reader, "/v1/deals").await,
        now: app.clock.now().millis(),
    };
    let submissions = crawl(app, &cast.key, "/v1/submissions").await;
    let mut cycles = vec![];
    for lead in &public.leads {
        let path = format!("/v1/leads/{}", lead["id"].as_str().unwrap());
        let moves = app.get(&format!("{path}/transitions")).by(&reader).await.expect(200);
        let touches = match lead["cycle"] == 1 {
            true => vec![],
            false => crawl(app, &reader, &format!("{path}/touches")).await,
        };
        // The form that made it known was sent in the instant in which it was created.
        let first = submissions
            .iter()
            .find(|one| one["lead_id"] == lead["id"] && one["received_at"] == lead["created_at"]);
        let form = first.and_then(|one| id::<FormTag>(&one["form_id"]));
        cycles.extend(cycles_of(lead, moves["data"].as_array().unwrap(), &touches, form));
    }
    let mut teams = BTreeMap::<Uuid, Vec<Uuid>>::new();
    for team in crawl(app, &reader, "/v1/teams").await {
        for member in team["members"].as_array().unwrap() {
            let member = member.as_str().map_or(&member["id"], |_| member);
            teams
                .entry(id::<UserTag>(member).unwrap())
                .or_default()
                .push(id::<TeamTag>(&team["id"]).unwrap());
        }
    }
    let of = |handoff: &Value| handoff["clocks"].as_array().unwrap().clone();
    let clocks =
        public.handoffs.iter().flat_map(|handoff| of(handoff).into_iter().map(move |clock| (handoff, clock)));
    let rows = Rows {
        reader,
        now: public.now,
        cycles,
        handoffs: public.handoffs.iter().map(handoff_of).collect(),
        clocks: clocks.map(|(handoff, clock)| clock_of(handoff, &clock)).collect(),
        deals: public.deals.iter().map(|deal| deal_of(deal, &public.leads)).collect(),
        tasks: public.activities.iter().filter(|one| one["type"] == "task").map(task_of).collect(),
        // Nobody states what anything costs.
        costs: Costs { spent: vec![], months: vec![], margin: 1.0 },
        office: rome(),
        teams,
    };
    (public, rows)
}

fn cycles_of(lead: &Value, moves: &[Value], touches: &[Value], form_id: Option<Uuid>) -> Vec<cycles::Model> {
    let is_past_mql =
        |stage: &str| matches!(stage, "mql" | "sal" | "sql" | "opportunity" | "customer" | "churned");
    let mut ended_before = None;
    let mut of_number = |number: i64| {
        let own: Vec<&Value> = moves.iter().filter(|one| one["cycle"] == number).collect();
        let entered = |stage: &str| own.iter().find(|one| one["to"] == stage).and_then(|one| at(&one["at"]));
        let is_handed_over = own.iter().any(|one| is_past_mql(one["to"].as_str().unwrap()));
        let is_over = match own.last().map(|one| one["to"].as_str().unwrap()) {
            Some("disqualified" | "churned") => true,
            Some("nurture") => is_handed_over,
            _ => false,
        };
        let started_at =
            if number == 1 { at(&lead["created_at"]) } else { own.first().and_then(|one| at(&one["at"])) };
        let ended_at = own.last().filter(|_| is_over).and_then(|one| at(&one["at"]));
        // Where a cycle comes from: the first touch after the cycle before, up to its start.
        let is_of_it = |touch: &&Value| {
            let occurred_at = at(&touch["occurred_at"]);
            occurred_at > ended_before && occurred_at <= started_at
        };
        let returned = touches.iter().filter(|_| number > 1).filter(is_of_it);
        let first = Some(&lead["first_touch"]).filter(|touch| at(&touch["occurred_at"]) <= started_at);
        let touch = returned.min_by_key(|touch| at(&touch["occurred_at"])).or(first).unwrap_or(&Value::Null);
        ended_before = ended_at;
        cycles::Model {
            id: Uuid::nil(),
            lead_id: id::<LeadTag>(&lead["id"]).unwrap(),
            number,
            started_at: started_at.unwrap(),
            ended_at,
            lead_at: started_at,
            mql_at: entered("mql"),
            sal_at: entered("sal"),
            sql_at: entered("sql"),
            opportunity_at: entered("opportunity"),
            customer_at: entered("customer"),
            nurture_at: entered("nurture"),
            disqualified_at: entered("disqualified"),
            churned_at: entered("churned"),
            lead_left_at: None,
            mql_left_at: None,
            sal_left_at: None,
            sql_left_at: None,
            opportunity_left_at: None,
            customer_left_at: None,
            path: 0,
            last_reason: None,
            agreement_version: 1,
            channel: text(&touch["channel"]),
            source: text(&touch["source"]),
            campaign: text(&touch["campaign"]),
            campaign_key: None,
            content: text(&touch["content"]),
            form_id,
            country: text(&lead["country"]),
            owner_id: None,
        }
    };
    (1..=lead["cycle"].as_i64().unwrap()).map(&mut of_number).collect()
}

/// The id of the work that a hand-off joins, whatever it is: only that there is one counts.
fn joins_of(shown: &Value, what: &str) -> Option<Uuid> {
    shown["joins"][what].as_str().map(|_| Uuid::from_u128(1))
}

fn handoff_of(shown: &Value) -> handoffs::Model {
    handoffs::Model {
        joins_deal_id: joins_of(shown, "deal_id"),
        joins_lead_id: joins_of(shown, "lead_id"),
        taken_from: None,
        disputed_by: None,
        disputed_at: None,
        argument: None,
        ruled_by: None,
        ruled_at: None,
        ruling_note: None,
        remind_at: None,
        id: id::<HandoffTag>(&shown["id"]).unwrap(),
        version: 1,
        lead_id: id::<LeadTag>(&shown["lead_id"]).unwrap(),
        company_id: None,
        cycle: shown["cycle"].as_i64().unwrap(),
        state: text(&shown["state"]).unwrap(),
        made_at: at(&shown["made_at"]).unwrap(),
        made_by: None,
        self_sourced: shown["self_sourced"] == true,
        imported: shown["imported"] == true,
        owner_id: id::<UserTag>(&shown["owner_id"]),
        queue: None,
        assigned_at: at(&shown["assigned_at"]),
        decided_at: at(&shown["decided_at"]),
        decided_by: None,
        reason: text(&shown["reason"]),
        note: None,
        until: None,
        evidence_activity_id: None,
        opened_at: None,
        opened_by: None,
        first_contact_at: at(&shown["first_contact_at"]),
        due_at: i64::MAX,
        void_reason: None,
        agreement_version: shown["agreement_version"].as_i64().unwrap(),
        routing_decision_id: None,
        updated_at: 0,
    }
}

fn clock_of(handoff: &Value, shown: &Value) -> clocks::Model {
    clocks::Model {
        quota_count: None,
        quota_days: None,
        id: id::<ClockTag>(&shown["id"]).unwrap(),
        version: 1,
        kind: text(&shown["kind"]).unwrap(),
        side: "sales".into(),
        state: text(&shown["state"]).unwrap(),
        lead_id: id::<LeadTag>(&handoff["lead_id"]),
        handoff_id: id::<HandoffTag>(&handoff["id"]),
        deal_id: None,
        owner_id: id::<UserTag>(&shown["owner_id"]),
        queue: None,
        started_at: at(&shown["started_at"]).unwrap(),
        warn_at: 0,
        due_at: at(&shown["due_at"]).unwrap(),
        next_look: None,
        act_at: None,
        met_at: at(&shown["met_at"]),
        breached_at: None,
        ended_at: None,
        ended_how: text(&shown["void_reason"]),
        has_warned: false,
        has_breached: false,
        agreement_version: 1,
    }
}

fn task_of(shown: &Value) -> activities::Model {
    let (created_at, done_at) = (at(&shown["created_at"]).unwrap(), at(&shown["done_at"]));
    let lead_id = id::<LeadTag>(&shown["lead_id"]);
    a_task(id::<ActivityTag>(&shown["id"]).unwrap(), lead_id, created_at, done_at)
}

/// A deal, with its lead's company where it has none of its own.
fn deal_of(shown: &Value, leads: &[Value]) -> deals::Model {
    let opened_at = at(&shown["opened_at"]).unwrap();
    let lead = leads.iter().find(|lead| lead["id"] == shown["primary_lead_id"]);
    let company_id = id::<CompanyTag>(&shown["company_id"])
        .or(lead.and_then(|lead| id::<CompanyTag>(&lead["company"]["id"])));
    deals::Model {
        id: id::<DealTag>(&shown["id"]).unwrap(),
        version: 1,
        external_system: None,
        external_id: None,
        name: String::new(),
        pipeline_id: Uuid::nil(),
        stage: String::new(),
        stage_since: opened_at,
        state: text(&shown["state"]).unwrap(),
        amount: shown["amount"]["amount"].as_i64(),
        currency: text(&shown["amount"]["currency"]),
        recurring: None,
        expected_close_on: None,
        owner_id: id::<UserTag>(&shown["owner_id"]),
        company_id,
        primary_lead_id: id::<LeadTag>(&shown["primary_lead_id"]),
        cycle: shown["cycle"].as_i64(),
        closed_at: at(&shown["closed_at"]),
        reason: None,
        competitor: None,
        closed_from: None,
        base_amount: shown["base_amount"]["amount"].as_i64(),
        base_currency: text(&shown["base_amount"]["currency"]),
        rate: None,
        moved_lead: false,
        opened_at,
        created_at: opened_at,
        updated_at: opened_at,
    }
}

/// First contacts follow from the activities, due times from the calendars, and states from both.
pub fn clocks_follow_from_the_facts(public: &Public, cast: &Cast) {
    for handoff in &public.handoffs {
        let (lead, made_at) = (&handoff["lead_id"], at(&handoff["made_at"]).unwrap());
        let later = public.handoffs.iter().filter(|other| other["lead_id"] == *lead);
        let next = later.filter_map(|other| at(&other["made_at"])).filter(|other| *other > made_at).min();
        let calls =
            public.activities.iter().filter(|one| one["lead_id"] == *lead && one["direction"] == "outbound");
        let calls = calls.filter_map(|one| at(&one["occurred_at"]));
        let contact = calls.filter(|call| *call >= made_at && next.is_none_or(|next| *call < next)).min();
        assert_eq!(at(&handoff["first_contact_at"]), contact, "{handoff:#}");

        let owner = cast.reps.iter().find(|rep| handoff["owner_id"] == *rep.id);
        for clock in handoff["clocks"].as_array().unwrap() {
            if clock["state"] == "void" {
                assert_eq!(clock["kind"], "first_contact", "{handoff:#}");
                // A call after the lead has left does not meet the promise.
                assert!(
                    contact.is_none_or(|at_call| Some(at_call) > at(&handoff["decided_at"])),
                    "{handoff:#}"
                );
                continue;
            }
            let started_at = at(&clock["started_at"]).unwrap();
            let agreed = next_working_day(started_at, COMPANY);
            // The hours of the first owner replace the agreed ones, unless the promise was broken by then.
            let in_time = at(&handoff["assigned_at"]).is_some_and(|assigned| assigned <= agreed);
            let zone = owner.filter(|_| in_time).map_or(COMPANY, |owner| owner.zone);
            let due_at = next_working_day(started_at, zone);
            assert_eq!(at(&clock["due_at"]), Some(due_at), "{zone}: {handoff:#}");
            let met_at = if clock["kind"] == "review" { at(&handoff["decided_at"]) } else { contact };
            assert_eq!(at(&clock["met_at"]), met_at, "{handoff:#}");
            let states: &[&str] = match met_at {
                Some(met_at) if met_at <= due_at => &["met"],
                Some(_) => &["met_late"],
                None if due_at < public.now => &["breached"],
                None => &["running", "warned"],
            };
            assert!(states.contains(&clock["state"].as_str().unwrap()), "{states:?}: {handoff:#}");
        }
    }
}

/// One working day after an instant, nine to six from Monday to Friday: the same time of the next such day, at six at the
/// latest. By hand: the days of the clock changes of these two years are constants.
fn next_working_day(from: i64, zone: &str) -> i64 {
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    // Summer time, in UTC: from and to.
    let (winter, summers): (i64, [[&str; 2]; 2]) = match zone {
        "Europe/Rome" => (
            HOUR,
            [
                ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"],
                ["2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"],
            ],
        ),
        _ => (
            -5 * HOUR,
            [
                ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"],
                ["2027-03-14T07:00:00Z", "2027-11-07T06:00:00Z"],
            ],
        ),
    };
    let millis = |text: &str| text.parse::<Timestamp>().unwrap().millis();
    let is_summer = |at: i64| summers.iter().any(|[first, end]| millis(first) <= at && at < millis(end));
    let offset = |at: i64| winter + if is_summer(at) { HOUR } else { 0 };
    let local = from + offset(from);
    let (mut day, time) = (local.div_euclid(DAY) + 1, local.rem_euclid(DAY));
    // The first of January 1970 was a Thursday.
    while (day + 3).rem_euclid(7) > 4 {
        day += 1;
    }
    // Clocks change on Sundays, so that a working day has one offset.
    let noon = day * DAY + 12 * HOUR;
    day * DAY + time.min(18 * HOUR) - offset(noon)
}
