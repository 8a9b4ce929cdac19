//! Routing one lead: the first rule whose condition holds and whose target can take it.

use std::collections::BTreeSet;

use super::availability::Availability;
use super::choose::{Candidate, PassedOver, Selection};
use super::decision::{AskedRule, PassedOverUser, RoutingChange, RoutingDecision, RuleOutcome};
use super::desk::Desk;
use super::rules::{Goal, Otherwise, RoutingRule};
use super::turns::Turn;
use crate::access::Queue;
use crate::act::Act;
use crate::clocks::Calendar;
use crate::id::{LeadId, TeamId, UserId};
use crate::leads::Lead;
use crate::world::World;

/// What one rule came to.
struct Chosen {
    owner: Option<UserId>,
    queue: Queue,
    passed_over: Vec<PassedOverUser>,
    turn: Option<(TeamId, Turn)>,
}

/// Decide who gets a lead, or a task about it; `holds` says of each rule whether its condition does. A `barred` user does not
/// get it, also where a rule names it. The turn that is taken is applied to the desk.
pub fn route(
    world: &mut World,
    lead_id: LeadId,
    holds: &[bool],
    barred: Option<UserId>,
    act: &Act,
) -> (RoutingDecision, Vec<RoutingChange>) {
    let rules = world.rules.routing.clone();
    let agreed = world.rules.agreement.agreement.working_hours();
    let mut decision = RoutingDecision {
        id: act.ids.next(),
        lead_id,
        at: act.now,
        owner_id: None,
        queue: None,
        rules: vec![],
        turn: None,
    };
    let rejected = rejected_by(world, lead_id);
    let mut desk = std::mem::take(&mut world.sales.desk);
    if let Some(lead) = world.leads.get(&lead_id) {
        for (rule, holds) in rules.document.rules.iter().zip(holds) {
            let mut asked = AskedRule {
                name: rule.name.clone(),
                outcome: RuleOutcome::NotMatched,
                passed_over: vec![],
            };
            if *holds {
                let chosen = ask(rule, lead, (&rejected, barred), &mut desk, agreed.as_ref(), act);
                asked.passed_over = chosen.passed_over;
                asked.outcome = match (chosen.owner, rule.otherwise) {
                    (Some(_), _) => RuleOutcome::Assigned,
                    (None, Otherwise::NextRule) => RuleOutcome::NobodyFree,
                    (None, Otherwise::Queue) => RuleOutcome::Queued,
                };
                decision.owner_id = chosen.owner;
                decision.turn = chosen.turn;
                decision.queue = (asked.outcome == RuleOutcome::Queued).then_some(chosen.queue);
            }
            decision.rules.push(asked);
            if decision.owner_id.is_some() || decision.queue.is_some() {
                break;
            }
        }
    }
    if decision.owner_id.is_none() {
        decision.queue = decision.queue.or(Some(Queue::General));
    }
    let mut changes = vec![];
    if let Some((team_id, _)) = &decision.turn
        && let Some(turns) = desk.turns.get(team_id)
    {
        changes.push(RoutingChange::Turned {
            team_id: *team_id,
            turns: turns.clone(),
            at: act.now,
        });
    }
    changes.push(RoutingChange::Decided(Box::new(decision.clone())));
    world.sales.desk = desk;
    (decision, changes)
}

/// The users who rejected a lead before.
pub fn rejected_by(world: &World, lead_id: LeadId) -> BTreeSet<UserId> {
    let of_lead = world.sales.handoffs.values();
    let rejected = of_lead.filter(|handoff| handoff.lead_id == lead_id && handoff.reason.is_some());
    rejected.filter_map(|handoff| handoff.decided_by).collect()
}

fn ask(
    rule: &RoutingRule,
    lead: &Lead,
    (rejected, barred): (&BTreeSet<UserId>, Option<UserId>),
    desk: &mut Desk,
    agreed: Option<&Calendar>,
    act: &Act,
) -> Chosen {
    let goal = rule.to.goal().unwrap_or(Goal::Queue(Queue::General));
    // A rule that names the user means it, also where it rejected the lead before.
    let (users, minds, queue): (Vec<UserId>, bool, Queue) = match goal {
        Goal::Queue(queue) => (vec![], false, queue),
        Goal::User(user) => (vec![user], false, queue_of(desk, user)),
        Goal::Team(team) => {
            let members = desk.teams.get(&team).cloned().unwrap_or_default();
            (members, true, Queue::Team(team))
        }
        Goal::CompanyOwner => {
            let owner = lead
                .company_id
                .and_then(|id| desk.company_owners.get(&id))
                .copied();
            let queue = owner.map_or(Queue::General, |owner| queue_of(desk, owner));
            (Vec::from_iter(owner), true, queue)
        }
        Goal::PreviousOwner => {
            let owner = lead.previous_owner_id;
            let queue = owner.map_or(Queue::General, |owner| queue_of(desk, owner));
            (Vec::from_iter(owner), false, queue)
        }
    };
    let nobody = Availability::default();
    let is_barred = |user: &UserId| minds && rejected.contains(user) || barred == Some(*user);
    let candidates: Vec<Candidate<'_>> = users
        .iter()
        .map(|user| candidate(desk, *user, is_barred(user), &nobody))
        .collect();
    let selection = rule.selection();
    let over = |(user_id, reason): (UserId, PassedOver)| PassedOverUser { user_id, reason };
    let Goal::Team(team) = goal else {
        let obstacle = |one: &Candidate<'_>| one.obstacle(selection, agreed, act.now);
        let free = candidates.iter().find(|one| obstacle(one).is_none());
        let passed_over = candidates
            .iter()
            .filter_map(|one| Some(over((one.user, obstacle(one)?))));
        return Chosen {
            owner: free.map(|one| one.user),
            queue,
            passed_over: passed_over.collect(),
            turn: None,
        };
    };
    let mut turns = desk.turns.get(&team).cloned().unwrap_or_default();
    let decided = selection.choose(&candidates, &mut turns, agreed, act.now);
    let turn = decided.turn.map(|turn| (team, turn));
    let chosen = Chosen {
        owner: decided.chosen,
        queue,
        passed_over: decided.passed_over.into_iter().map(over).collect(),
        turn,
    };
    desk.turns.insert(team, turns);
    chosen
}

fn candidate<'d>(
    desk: &'d Desk,
    user: UserId,
    has_rejected: bool,
    nobody: &'d Availability,
) -> Candidate<'d> {
    let seller = desk.sellers.get(&user);
    Candidate {
        user,
        is_enabled: seller.is_some_and(|seller| seller.is_enabled),
        has_rejected,
        availability: seller.map_or(nobody, |seller| &seller.availability),
        open_leads: seller.map_or(0, |seller| seller.open_leads),
        last_assigned_at: seller.and_then(|seller| seller.last_assigned_at),
    }
}

/// Who of a team is next, one user left out, and what that does to the turns; nobody where nobody is free.
pub fn take_turn(
    world: &mut World,
    team_id: TeamId,
    without: UserId,
    act: &Act,
) -> (Option<UserId>, Option<RoutingChange>) {
    let agreed = world.rules.agreement.agreement.working_hours();
    let desk = &mut world.sales.desk;
    let mut turns = desk.turns.get(&team_id).cloned().unwrap_or_default();
    let nobody = Availability::default();
    let members = desk.teams.get(&team_id).into_iter().flatten();
    let others = members.filter(|user| **user != without);
    let candidates: Vec<Candidate<'_>> = others
        .map(|user| candidate(desk, *user, false, &nobody))
        .collect();
    let chosen = Selection::default()
        .choose(&candidates, &mut turns, agreed.as_ref(), act.now)
        .chosen;
    if chosen.is_none() {
        return (None, None);
    }
    desk.turns.insert(team_id, turns.clone());
    desk.assign(chosen, act.now);
    let turned = RoutingChange::Turned {
        team_id,
        turns,
        at: act.now,
    };
    (chosen, Some(turned))
}

/// The queue of a user's first team; the general one where it has none.
fn queue_of(desk: &Desk, user: UserId) -> Queue {
    desk.first_team(user).map_or(Queue::General, Queue::Team)
}
