//! Disputes: marketing disputes a rejection, and somebody neutral rules on it.

use super::change::HandoffChange;
use super::error::HandoffError;
use super::hand_over::{notices, placed};
use super::qualify::becomes_sql;
use super::{Dispute, Handoff, HandoffState, Ruling, clocks};
use crate::access::{Denied, Person, Role, Staff};
use crate::act::{Act, Origin};
use crate::change::Change;
use crate::clocks::{Clock, ClockKind};
use crate::id::{HandoffId, LeadId, UserId};
use crate::leads::save::give;
use crate::lifecycle::{Stage, Step, take};
use crate::notices::{About, NextAct, NoticeKind, for_each};
use crate::routing::decision::RoutingChange;
use crate::routing::route;
use crate::words::words;
use crate::world::World;

/// How long after a rejection marketing may dispute it, in milliseconds.
const WITHIN: i64 = 7 * 86_400_000;

words! {
    /// What a dispute was ruled to be.
    Verdict {
        /// The rejection stands.
        Upheld = "upheld",
        /// The lead goes on as if sales had accepted it.
        Overturned = "overturned",
    }
}

impl Verdict {
    /// The state of the hand-off after the ruling.
    pub const fn state(self) -> HandoffState {
        match self {
            Verdict::Upheld => HandoffState::Upheld,
            Verdict::Overturned => HandoffState::Overturned,
        }
    }
}

/// A ruling that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOn {
    /// The ruling.
    pub decision: Verdict,
    /// Why.
    pub note: String,
}

/// Dispute a rejection: by marketing, within seven days, once. It answers the rejection, so that the promised feedback is
/// met. The same user's same dispute again changes nothing.
///
/// The world holds the lead with its hand-offs and clocks, and the enabled users.
pub fn dispute(
    world: &mut World,
    id: HandoffId,
    argument: &str,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let handoff = world.sales.handoffs.get(&id).ok_or(HandoffError::NoSuchHandoff)?;
    let person = act.by.demand_person()?;
    if !(person.is_marketing() || person.is_admin()) {
        return Err(Denied::WrongRole.into());
    }
    if let Some(known) = &handoff.dispute {
        let is_same = known.by == person.id && known.argument.as_deref() == Some(argument);
        return match is_same {
            true => Ok(vec![]),
            false => Err(HandoffError::Disputed(Box::new(handoff.clone()))),
        };
    }
    let decided_at = handoff.decided_at.unwrap_or(handoff.made_at);
    if handoff.state != HandoffState::Rejected {
        return Err(HandoffError::NotRejected(Box::new(handoff.clone())));
    }
    let until = decided_at.plus_millis(WITHIN);
    if act.now > until {
        return Err(HandoffError::TooLate { until });
    }
    let act = act.not_before(handoff.updated_at);
    let mut handoff = handoff.clone();
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.state = HandoffState::Disputed;
    handoff.dispute = Some(Dispute {
        by: person.id,
        at: act.now,
        argument: Some(argument.to_owned()),
        is_reminded: false,
    });
    world.sales.handoffs.insert(id, handoff.clone());
    let mut changes = vec![HandoffChange::Disputed(Box::new(handoff.clone())).into()];
    let meet = |clock: &mut Clock| clock.meet(act.now, act.now);
    changes.extend(clocks::change(world, id, ClockKind::Feedback, meet, &act));
    let staff = world.sales.staff.clone().unwrap_or_default();
    changes.extend(call_for(&staff, &handoff, NoticeKind::HandoffDisputed, &act));
    Ok(changes)
}

impl Handoff {
    /// Whether its rejection is disputed and not ruled on.
    pub fn is_disputed(&self) -> bool {
        self.state == HandoffState::Disputed
    }

    /// Whether a person may rule on its dispute: revops who neither rejected nor disputed it, and an admin where there is nobody
    /// of revops who may. `staff` are the enabled users.
    pub fn may_rule(&self, person: &Person, staff: &Staff) -> Result<(), HandoffError> {
        let is_ruler = person.role == Role::Revops;
        if !is_ruler && !person.is_admin() {
            return Err(Denied::WrongRole.into());
        }
        if !self.is_neutral(person.id) {
            return Err(HandoffError::NotNeutral);
        }
        match is_ruler || self.rulers(staff).is_empty() {
            true => Ok(()),
            false => Err(Denied::WrongRole.into()),
        }
    }

    fn is_neutral(&self, user: UserId) -> bool {
        let disputer = self.dispute.as_ref().map(|dispute| dispute.by);
        self.decided_by != Some(user) && disputer != Some(user)
    }

    /// Those of revops who may rule on its dispute.
    fn rulers(&self, staff: &Staff) -> Vec<UserId> {
        let mut all = staff.with_role(Role::Revops);
        all.retain(|user| self.is_neutral(*user));
        all
    }
}

/// Rule on a dispute. Overturned, the lead becomes an SAL in the same cycle and is routed again without the user who rejected
/// it; if it has left that cycle meanwhile, only the figures change. The same user's same ruling again changes nothing.
///
/// `holds` says of each routing rule whether its condition does. The world holds what an acceptance needs, and who is free.
pub fn rule_on(
    world: &mut World,
    id: HandoffId,
    asked: &RuleOn,
    holds: &[bool],
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let handoff = world.sales.handoffs.get(&id).ok_or(HandoffError::NoSuchHandoff)?;
    let person = act.by.demand_person()?;
    let staff = world.sales.staff.clone().unwrap_or_default();
    if let Some(known) = &handoff.ruling {
        let is_same = known.by == person.id
            && handoff.state == asked.decision.state()
            && known.note.as_deref() == Some(&asked.note);
        return match is_same {
            true => Ok(vec![]),
            false => Err(HandoffError::Ruled(Box::new(handoff.clone()))),
        };
    }
    handoff.may_rule(person, &staff)?;
    if !handoff.is_disputed() {
        return Err(HandoffError::NotDisputed(Box::new(handoff.clone())));
    }
    let lead = world.leads.get(&handoff.lead_id);
    let known = lead.map_or(handoff.updated_at, |lead| lead.updated_at.max(handoff.updated_at));
    let act = act.not_before(known).from_origin(Origin::Ruling);
    let mut handoff = handoff.clone();
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.state = asked.decision.state();
    handoff.ruling = Some(Ruling {
        by: person.id,
        at: act.now,
        note: Some(asked.note.clone()),
    });
    world.sales.handoffs.insert(id, handoff.clone());
    let mut changes = vec![HandoffChange::Ruled(Box::new(handoff.clone())).into()];
    if asked.decision == Verdict::Overturned {
        changes.extend(count_turn_again(world, id, &act));
        if goes_on(world, &handoff) {
            changes.extend(go_on(world, handoff.clone(), holds, &act));
        }
    }
    let managers = [Role::MarketingManager, Role::SalesManager].map(|role| staff.with_role(role));
    let subject = About::new("handoff", id);
    let read = NextAct::new("get_handoff", "GET", format!("/v1/handoffs/{id}"));
    let about = (NoticeKind::HandoffRuled, subject, Some(handoff.lead_id));
    let ruled = for_each(managers.into_iter().flatten(), about, Some(read), &act);
    changes.extend(ruled.into_iter().map(Change::from));
    Ok(changes)
}

/// Whether the lead is still where the rejection sent it, in the same cycle.
fn goes_on(world: &World, handoff: &Handoff) -> bool {
    let lead = world.leads.get(&handoff.lead_id);
    lead.is_some_and(|lead| {
        let is_out = matches!(lead.stage, Stage::Nurture | Stage::Disqualified);
        is_out && lead.cycle == handoff.cycle && lead.archived_at.is_none()
    })
}

/// The lead becomes an SAL again: with an owner whom routing names, or in its queue, and with new promises.
fn go_on(world: &mut World, mut handoff: Handoff, holds: &[bool], act: &Act) -> Vec<Change> {
    let lead_id = handoff.lead_id;
    let note = handoff.ruling.as_ref().and_then(|ruling| ruling.note.clone());
    let step = Step {
        note,
        takes_back: true,
        ..Step::plain(Stage::Sal, act.now, act.now)
    };
    let mut changes = Vec::from_iter(take(world, lead_id, step, act));
    let (decision, routed) = route(world, lead_id, holds, handoff.decided_by, act);
    world.sales.desk.assign(decision.owner_id, act.now);
    changes.extend(routed.into_iter().map(Change::from));
    let from = handoff.owner_id;
    handoff.owner_id = decision.owner_id;
    handoff.queue = decision.queue;
    handoff.taken_from = handoff.decided_by;
    handoff.routing_decision_id = Some(decision.id);
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    changes.extend(give(world, lead_id, handoff.owner_id, act));
    changes.push(placed(&handoff, from).into());
    for kind in [ClockKind::FirstContact, ClockKind::Attempts] {
        changes.extend(clocks::start(world, &handoff, kind, act.now, act).map(Change::from));
    }
    changes.extend(notices(world, &handoff, act));
    changes.extend(becomes_sql(world, lead_id, act));
    changes
}

/// The turn of an overturned rejection counts again.
fn count_turn_again(world: &mut World, id: HandoffId, act: &Act) -> Option<Change> {
    let desk = &mut world.sales.desk;
    let (team_id, turn) = desk.taken.remove(&id)?;
    let turns = desk.turns.entry(team_id).or_default();
    turns.take_again(&turn);
    let turned = RoutingChange::Turned {
        team_id,
        turns: turns.clone(),
        at: act.now,
    };
    Some(turned.into())
}

/// Remind those who can rule of a dispute that is open for long; nothing where it was ruled on meanwhile.
pub fn remind_to_rule(mut handoff: Handoff, staff: &Staff, act: &Act) -> Vec<Change> {
    if handoff.remind_at().is_none_or(|at| at > act.now) {
        return vec![];
    }
    let reminded = call_for(staff, &handoff, NoticeKind::RulingDue, act);
    if let Some(dispute) = &mut handoff.dispute {
        dispute.is_reminded = true;
    }
    let adjusted = HandoffChange::Adjusted(Box::new(handoff)).into();
    reminded.into_iter().chain([adjusted]).collect()
}

/// Notices for revops, and for admins where nobody of revops may rule.
fn call_for(staff: &Staff, handoff: &Handoff, kind: NoticeKind, act: &Act) -> Vec<Change> {
    let revops = handoff.rulers(staff);
    let users = match revops.is_empty() {
        true => staff.admins(),
        false => revops,
    };
    let subject = About::new("handoff", handoff.id);
    let path = format!("/v1/handoffs/{}/ruling", handoff.id);
    let rule = NextAct::new("rule_on_handoff", "POST", path);
    let about = (kind, subject, Some(handoff.lead_id));
    let notices = for_each(users, about, Some(rule), act);
    notices.into_iter().map(Change::from).collect()
}

/// Whether the rejection of a lead's last hand-off is disputed and not ruled on: no rule starts a new cycle meanwhile.
pub fn is_disputed(world: &World, lead_id: LeadId) -> bool {
    let handoff = world.handoff_of(lead_id);
    handoff.is_some_and(Handoff::is_disputed)
}
