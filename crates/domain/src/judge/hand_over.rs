//! A lead that became an MQL is handed over; one that leaves work has no promise left.

use super::facts::{are_loaded, fields};
use super::{Cause, Needs, Rule, Rulebook, assess};
use crate::act::Act;
use crate::agreement::conditions::{Condition, Facts, Standing};
use crate::change::Change;
use crate::handoff::packet::{PacketScore, TREND};
use crate::handoff::{self, MadeBy};
use crate::id::LeadId;
use crate::instant::Timestamp;
use crate::scoring::{Score, score};
use crate::stage::Stage;
use crate::world::World;

/// The stages in which sales has something to do with a lead.
const IN_WORK: [Stage; 4] = [Stage::Mql, Stage::Sal, Stage::Sql, Stage::Opportunity];

/// Hands leads over to sales once they are MQLs, and ends what is pending once they leave for nurture or disqualified.
#[derive(Debug)]
pub(super) struct HandOver;

impl Rule for HandOver {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let lead_id = cause.lead_id;
        let mut needs = Needs::default();
        let is_mql = cause.moved_to == Some(Stage::Mql);
        if (is_mql || has_left(world, cause)) && !world.sales.loaded.contains(&lead_id) {
            needs.sales.insert(lead_id);
        }
        needs.staff = has_left(world, cause) && world.sales.staff.is_none();
        if is_mql && world.handoff_of(lead_id).is_none() {
            if !world.sales.packets.contains_key(&lead_id) {
                needs.packets.insert(lead_id);
            }
            needs.extend(lacks_of_routing(world, lead_id));
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        match cause.moved_to {
            Some(Stage::Mql) => {
                let person = act.by.person().filter(|_| !cause.moved_by_rule);
                let made_by = person.map_or(MadeBy::Rule, |person| MadeBy::User(person.id));
                let judged = assess(world, cause.lead_id, act.now).map(|judged| judged.score);
                let standing = judged.as_ref().map(Score::standing);
                let holds = routes(world, cause.lead_id, standing, act.now);
                let before = total_before(world, cause.lead_id, act.now);
                if let Some(facts) = world.sales.packets.get_mut(&cause.lead_id) {
                    facts.score = judged.map(|score| PacketScore::of(score, before));
                }
                handoff::hand_over(world, cause.lead_id, made_by, &holds, act)
            }
            _ if has_left(world, cause) => handoff::leave(world, cause.lead_id, act),
            _ => vec![],
        }
    }
}

/// The total score of a lead some days before, by what it had done by then; who it is counts as it is known now. Nothing
/// where it was not known then.
fn total_before(world: &mut World, lead_id: LeadId, at: Timestamp) -> Option<i64> {
    let then = at.plus_millis(-TREND);
    let done_before = std::mem::take(&mut world.sales.packets.get_mut(&lead_id)?.done_before);
    let lead = world.leads.get(&lead_id).filter(|lead| lead.created_at <= then)?;
    let rules = &world.rules.agreement.rules;
    let facts = Facts {
        histories: done_before,
        ..fields(world, lead, &rules.needs)
    };
    Some(score(&facts, &rules.scoring, then).total)
}

/// Whether the lead went to nurture or disqualified from where sales worked on it.
fn has_left(world: &World, cause: &Cause) -> bool {
    let is_out = matches!(cause.moved_to, Some(Stage::Nurture | Stage::Disqualified));
    let came_from = world.leads.get(&cause.lead_id).and_then(|lead| lead.came_from);
    is_out && came_from.is_some_and(|stage| IN_WORK.contains(&stage))
}

/// What is lacking to route a lead: the enabled users, who is free, and what the conditions look at.
pub(super) fn lacks_of_routing(world: &World, lead_id: LeadId) -> Needs {
    let mut needs = Needs {
        staff: world.sales.staff.is_none(),
        ..Needs::default()
    };
    let routing = &world.rules.routing;
    // A lead that stays with its owner has its clocks in the owner's working hours.
    let lead = world.leads.get(&lead_id);
    let is_owned = lead.is_some_and(|lead| lead.owner_id.is_some());
    let joins = routing.document.join_company && lead.is_some_and(|lead| lead.company_id.is_some());
    if (is_owned || joins || routing.asks_who_is_free()) && !world.sales.routable.contains(&lead_id) {
        needs.routing.insert(lead_id);
    }
    if !are_loaded(world, lead_id, &routing.needs) {
        needs.judging.insert(lead_id);
    }
    needs
}

/// Of each routing rule, whether its condition holds for a lead; what the conditions look at is loaded.
pub fn routes(world: &mut World, lead_id: LeadId, score: Option<Standing>, at: Timestamp) -> Vec<bool> {
    let routing = world.rules.routing.clone();
    let Some(lead) = world.leads.get(&lead_id) else {
        return vec![];
    };
    let mut facts = fields(world, lead, &routing.needs);
    // The history is lent and not copied: it may hold thousands of events.
    let histories = world.judging.histories.get_mut(&lead_id);
    facts.histories = histories.map(std::mem::take).unwrap_or_default();
    let stored = world.judging.scores.get(&lead_id);
    let segments = stored.map(|stored| stored.segments.keys().copied().collect());
    facts.segments.ids = segments.unwrap_or_default();
    facts.score = score.or(stored.map(|stored| Standing {
        fit: stored.fit,
        engagement: stored.engagement,
        total: stored.total,
        band: stored.band.clone(),
        valid_until: stored.valid_until,
    }));
    let holds = |condition: &Option<Condition>| {
        condition
            .as_ref()
            .is_none_or(|condition| condition.judge(&facts, at).holds)
    };
    let all = routing.conditions.iter().map(holds).collect();
    if let Some(lent) = world.judging.histories.get_mut(&lead_id) {
        *lent = facts.histories;
    }
    all
}
