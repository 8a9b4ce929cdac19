//! Hand-offs, their clocks and deals by chance, for the figures of sales to be asked about.

use tandem_store::rows::{activities, clocks, cycles, deals, handoffs};
use tandem_tests::START;
use uuid::Uuid;

use crate::trace::chance::Chance;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A hand-off of most cycles that became MQL, in every state, some without an owner or a contact; and its clocks, some
/// restarted, some void.
pub fn some_handoffs(
    chance: &mut Chance,
    cycles: &[cycles::Model],
) -> (Vec<handoffs::Model>, Vec<clocks::Model>) {
    let (mut handoffs, mut all_clocks) = (vec![], vec![]);
    for (n, cycle) in cycles.iter().enumerate() {
        let Some(made_at) = cycle.mql_at.filter(|_| chance.below(12) > 0) else {
            continue;
        };
        let handoff = a_handoff(chance, n, cycle, made_at);
        for kind in ["review", "first_contact"] {
            all_clocks.extend(its_clocks(chance, &handoff, kind));
        }
        handoffs.push(handoff);
    }
    for (n, clock) in all_clocks.iter_mut().enumerate() {
        clock.id = Uuid::from_u128(0x3_0000 + (n as u128 * 7919) % 65_536);
    }
    (handoffs, all_clocks)
}

fn a_handoff(chance: &mut Chance, n: usize, cycle: &cycles::Model, made_at: i64) -> handoffs::Model {
    let states = [
        "pending",
        "accepted",
        "accepted",
        "rejected",
        "rejected",
        "disputed",
        "upheld",
        "overturned",
        "void",
    ];
    let state = *chance.pick(&states);
    let is_rejected = matches!(state, "rejected" | "disputed" | "upheld" | "overturned");
    let mut some = |of: usize| chance.below(of) > 0;
    let (is_owned, is_decided) = (some(5), !matches!(state, "pending" | "void"));
    let (is_contacted, self_sourced, imported) = (some(2), !some(12), !some(12));
    let after = |chance: &mut Chance, hours: usize| made_at + chance.below(hours * HOUR as usize) as i64;
    let assigned_at = is_owned.then(|| after(chance, 30));
    let reason = is_rejected.then(|| (*chance.pick(&["no_budget", "not_a_fit", "a&b"])).to_owned());
    handoffs::Model {
        joins_deal_id: None,
        joins_lead_id: (n.is_multiple_of(5)).then(|| Uuid::from_u128(1)),
        taken_from: None,
        disputed_by: None,
        disputed_at: None,
        argument: None,
        ruled_by: None,
        ruled_at: None,
        ruling_note: None,
        remind_at: None,
        id: Uuid::from_u128(0x2_0000 + (n as u128 * 7919) % 65_536),
        version: 1,
        lead_id: cycle.lead_id,
        company_id: None,
        cycle: cycle.number,
        state: state.to_owned(),
        made_at,
        made_by: None,
        self_sourced,
        imported,
        owner_id: is_owned.then(|| Uuid::from_u128(1 + chance.below(4) as u128)),
        queue: (!is_owned).then(|| "general".to_owned()),
        assigned_at,
        decided_at: is_decided.then(|| after(chance, 90)),
        decided_by: None,
        reason,
        note: None,
        until: None,
        evidence_activity_id: None,
        opened_at: None,
        opened_by: None,
        first_contact_at: is_contacted.then(|| after(chance, 100)),
        due_at: i64::MAX,
        void_reason: None,
        agreement_version: 1 + chance.below(2) as i64,
        routing_decision_id: None,
        updated_at: made_at,
    }
}

fn its_clocks(chance: &mut Chance, handoff: &handoffs::Model, kind: &str) -> Vec<clocks::Model> {
    let promised = chance.below(8) > 0;
    let due_at = handoff.made_at + (1 + chance.below(60) as i64) * HOUR;
    let clock = |state: &str, how: Option<&str>| clocks::Model {
        quota_count: None,
        quota_days: None,
        id: Uuid::nil(),
        version: 1,
        kind: kind.to_owned(),
        side: "sales".into(),
        state: state.to_owned(),
        lead_id: Some(handoff.lead_id),
        handoff_id: Some(handoff.id),
        deal_id: None,
        owner_id: handoff.owner_id,
        queue: handoff.queue.clone(),
        started_at: handoff.made_at,
        warn_at: handoff.made_at,
        due_at,
        next_look: None,
        act_at: None,
        met_at: None,
        breached_at: None,
        ended_at: how.map(|_| handoff.made_at),
        ended_how: how.map(str::to_owned),
        has_warned: false,
        has_breached: false,
        agreement_version: 1,
    };
    if !promised || handoff.imported || handoff.self_sourced {
        return vec![];
    }
    let met_at = if kind == "review" { handoff.decided_at } else { handoff.first_contact_at };
    let is_void = met_at.is_none() && chance.below(4) == 0;
    let state = match met_at {
        Some(at) if at <= due_at => "met",
        Some(_) => "met_late",
        None if is_void => "void",
        None if due_at < START.millis() => "breached",
        None => "running",
    };
    let mut found = vec![];
    if chance.below(6) == 0 {
        found.push(clock("void", Some("restarted")));
    }
    found.push(clocks::Model { met_at, ..clock(state, is_void.then_some("left_stage")) });
    found
}

/// A deal of each cycle that became an opportunity: open, won or lost, some without an amount, some in a currency that
/// no rate converts.
pub fn some_deals(chance: &mut Chance, cycles: &[cycles::Model]) -> Vec<deals::Model> {
    let deal = |(n, cycle): (usize, &cycles::Model)| {
        let opened_at = cycle.opportunity_at?;
        let state = *chance.pick(&["open", "won", "won", "lost"]);
        let closed_at = (state != "open").then(|| opened_at + chance.below(40 * DAY as usize) as i64);
        let amount = (chance.below(6) > 0).then(|| chance.below(900_000) as i64);
        let currency = amount.map(|_| (*chance.pick(&["EUR", "EUR", "NOK"])).to_owned());
        let is_valued = state == "won" && currency.as_deref() == Some("EUR");
        Some(deals::Model {
            id: Uuid::from_u128(0x4_0000 + (n as u128 * 7919) % 65_536),
            version: 1,
            external_system: None,
            external_id: None,
            name: format!("Deal {n}"),
            pipeline_id: Uuid::from_u128(1),
            stage: state.to_owned(),
            stage_since: opened_at,
            state: state.to_owned(),
            amount,
            currency,
            recurring: None,
            expected_close_on: None,
            owner_id: (chance.below(4) > 0).then(|| Uuid::from_u128(1 + chance.below(4) as u128)),
            company_id: (chance.below(3) == 0).then(|| Uuid::from_u128(7001 + chance.below(6) as u128)),
            primary_lead_id: Some(cycle.lead_id),
            cycle: Some(cycle.number),
            closed_at,
            reason: None,
            competitor: None,
            closed_from: None,
            base_amount: amount.filter(|_| is_valued),
            base_currency: is_valued.then(|| "EUR".to_owned()),
            rate: None,
            moved_lead: false,
            opened_at,
            created_at: opened_at,
            updated_at: opened_at,
        })
    };
    cycles.iter().enumerate().filter_map(deal).collect()
}

/// Tasks of leads, and of nobody, most of them done.
pub fn some_tasks(chance: &mut Chance, cycles: &[cycles::Model]) -> Vec<activities::Model> {
    let mut task = |n: usize| {
        let about = chance.pick(cycles);
        let at = about.started_at + chance.below(40 * DAY as usize) as i64;
        let done_at = (chance.below(5) > 0).then_some(at);
        let lead_id = (chance.below(6) > 0).then_some(about.lead_id);
        let id = Uuid::from_u128(0x5_0000 + (n as u128 * 7919) % 65_536);
        activities::Model { due_at: at, updated_at: at, ..a_task(id, lead_id, about.started_at, done_at) }
    };
    (0..150).map(&mut task).collect()
}

/// A task without a due date, of nobody, done or not.
pub fn a_task(id: Uuid, lead_id: Option<Uuid>, created_at: i64, done_at: Option<i64>) -> activities::Model {
    activities::Model {
        id,
        version: 1,
        lead_id,
        deal_id: None,
        company_id: None,
        user_id: None,
        owner_id: None,
        queue: None,
        kind: "task".to_owned(),
        direction: None,
        occurred_at: created_at,
        duration_s: None,
        outcome: None,
        subject: None,
        body: None,
        due_at: i64::MAX,
        done_at,
        is_open: done_at.is_none(),
        remind_at: None,
        is_reminded: false,
        automatic: false,
        promises: "[]".to_owned(),
        content_ids: "[]".into(),
        external_system: None,
        external_id: None,
        conversation_id: None,
        intent: None,
        is_touched: false,
        created_at,
        updated_at: created_at,
    }
}
