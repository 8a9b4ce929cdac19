//! One step of a lead to another stage: what it leaves on the lead, in its cycle and in the history.

use super::{ByRule, Cycle, ScoreThen, Stage, Transition};
use crate::act::Act;
use crate::change::Change;
use crate::id::{LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::world::World;

/// A step that was decided: by hand, by a deal, by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The new stage.
    pub to: Stage,
    /// When it happened.
    pub at: Timestamp,
    /// When it was created in Tandem.
    pub recorded_at: Timestamp,
    /// Whether it takes back the step that ended the cycle (an overturned rejection, a reopened deal), which then goes on.
    pub takes_back: bool,
    /// The code of the reason.
    pub reason: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// No rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
    /// Who takes an unowned lead with it.
    pub taken_by: Option<UserId>,
    /// The rule that made it, and why; `None` if somebody decided it.
    pub by_rule: Option<ByRule>,
}

impl Step {
    /// A step that needs no words.
    pub fn plain(to: Stage, at: Timestamp, recorded_at: Timestamp) -> Self {
        Self {
            to,
            at,
            recorded_at,
            takes_back: false,
            reason: None,
            note: None,
            until: None,
            taken_by: None,
            by_rule: None,
        }
    }

    /// Whether the next cycle begins with it: when the lead leaves a cycle that is over, but for a step that takes back
    /// its end. From nurture to disqualified it is still the same cycle.
    fn starts_cycle(&self, current: &Cycle) -> bool {
        current.is_over() && !self.takes_back && self.to != Stage::Disqualified
    }
}

/// Take a step; `None` where the lead is not among the loaded facts.
pub fn take(world: &mut World, lead_id: LeadId, step: Step, act: &Act) -> Option<Change> {
    let lead = world.leads.get(&lead_id)?;
    let before = world.cycles.get(&lead_id)?;
    let mut cycle = if step.starts_cycle(before) {
        before.next(step.at, &act.ids)
    } else {
        before.clone()
    };
    let mut moved = lead.clone();
    moved.version += 1;
    moved.updated_at = step.recorded_at.max(lead.updated_at);
    let from = Some(lead.stage);
    arrive(&mut moved, &mut cycle, &step);
    if step.to == Stage::Mql {
        cycle.agreement_version = world.rules.agreement.number;
    }
    let score = world.judging.scores.get(&lead_id);
    let transition = Transition {
        id: act.ids.next(),
        lead_id,
        cycle: cycle.number,
        from,
        to: step.to,
        at: step.at,
        actor_kind: act.by.kind(),
        actor_id: act.by.id(),
        on_behalf_of: act.by.on_behalf_of(),
        reason: step.reason,
        note: step.note,
        until: step.until,
        agreement_version: world.rules.agreement.number,
        score: score.map(|score| ScoreThen {
            fit: score.fit,
            engagement: score.engagement,
            total: score.total,
            band: score.band.clone(),
        }),
        by_rule: step.by_rule,
    };
    let from_owner = lead.owner_id;
    world.leads.insert(lead_id, moved.clone());
    world.cycles.insert(lead_id, cycle.clone());
    Some(Change::Lead(LeadChange::Moved {
        lead: Box::new(moved),
        transition,
        cycle,
        from_owner,
    }))
}

fn arrive(lead: &mut crate::leads::Lead, cycle: &mut Cycle, step: &Step) {
    lead.came_from = Some(lead.stage);
    lead.stage = step.to;
    lead.stage_since = step.at;
    lead.cycle = cycle.number;
    lead.nurture_until = step.until.filter(|_| step.to == Stage::Nurture);
    if step.to.clears_owner() {
        lead.previous_owner_id = lead.owner_id.take().or(lead.previous_owner_id);
    } else if lead.owner_id.is_none() {
        lead.owner_id = step.taken_by;
    }
    cycle.enter(lead.came_from, step.to, step.at);
    cycle.last_reason = step.reason.clone().or(cycle.last_reason.take());
    cycle.describe(lead);
}
