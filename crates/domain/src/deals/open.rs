//! Opening a deal, and moving it along its pipeline.

use std::collections::HashSet;

use serde_json::json;

use super::{BuyingRole, Deal, DealError, MAX_MEMBERS, Member, READY, Recurring, moved};
use crate::act::Act;
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::deals::pipelines::Pipeline;
use crate::fault::Fault;
use crate::id::{CompanyId, DealId, LeadId, PipelineId, UserId};
use crate::instant::Day;
use crate::lifecycle::{Stage, Step, take};
use crate::money::Money;
use crate::world::World;

/// A deal that is to be opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenDeal {
    /// The name that people see.
    pub name: String,
    /// The id that another system knows it by, as (system, id).
    pub external_id: Option<(String, String)>,
    /// The pipeline; default the default pipeline.
    pub pipeline_id: Option<PipelineId>,
    /// The key of the stage; else the pipeline's first.
    pub stage: Option<String>,
    /// The leads that decide together.
    pub lead_ids: Vec<LeadId>,
    /// What they are in it.
    pub roles: Vec<(LeadId, BuyingRole)>,
    /// The lead whose stage the deal moves; else the first one.
    pub primary_lead_id: Option<LeadId>,
    /// The company; default that of the primary lead.
    pub company_id: Option<CompanyId>,
    /// Who is responsible; else the primary lead's owner, else the sales user who opens it.
    pub owner_id: Option<UserId>,
    /// The deal's value.
    pub amount: Option<Money>,
    /// How often the amount is due.
    pub recurring: Option<Recurring>,
    /// The expected day of closing.
    pub expected_close_on: Option<Day>,
}

/// A deal that is to go to another stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoveDeal {
    /// The key of the stage.
    pub stage: String,
    /// A note about the reason.
    pub note: Option<String>,
}

/// Open a deal. The primary lead becomes an opportunity with its first one; where its cycle is over, in the next cycle.
///
/// The world holds the leads, the company, the primary lead's other deals and the pipelines.
pub fn open(world: &mut World, asked: &OpenDeal, act: &Act) -> Result<(DealId, Vec<Change>), DealError> {
    let (id, mut opened) = open_without_move(world, asked, act)?;
    let Some(deal) = world.sales.deals.get(&id) else {
        return Err(DealError::NoSuchDeal);
    };
    let Some(lead_id) = deal.primary_lead_id else {
        return Ok((id, vec![opened]));
    };
    let moved = becomes_opportunity(world, lead_id, act);
    let cycle = world.leads.get(&lead_id).map(|lead| lead.cycle);
    if let (Some(kept), Change::Deal(DealChange::Opened { deal, .. })) =
        (world.sales.deals.get_mut(&id), &mut opened)
    {
        kept.cycle = cycle;
        deal.cycle = cycle;
    }
    Ok((id, std::iter::once(opened).chain(moved).collect()))
}

/// Open a deal and leave the primary lead where it stands. An import opens a deal at its own instant, whatever stage the
/// lead stands in; what follows for the lead is derived of all its history.
pub fn open_without_move(
    world: &mut World,
    asked: &OpenDeal,
    act: &Act,
) -> Result<(DealId, Change), DealError> {
    let pipeline = pipeline_of(world, asked)?;
    let stage = match &asked.stage {
        None => pipeline.open_keys().swap_remove(0),
        Some(key) if pipeline.has_open(key) => key.clone(),
        Some(_) => {
            return Err(DealError::NoSuchStage {
                allowed: pipeline.open_keys(),
            });
        }
    };
    let pipeline_id = pipeline.id;
    let (primary, members) = group(world, &[], &asked.lead_ids, &asked.roles, asked.primary_lead_id)?;
    let lead = primary.and_then(|id| world.leads.get(&id));
    let company_id = asked.company_id.or(lead.and_then(|lead| lead.company_id));
    demand(world, asked, primary, company_id)?;
    if asked
        .external_id
        .as_ref()
        .is_some_and(|key| world.sales.deals_by_key.contains_key(key))
    {
        return Err(DealError::AlreadyExists);
    }
    act.may_work(lead.and_then(|lead| lead.owner_id))?;
    if let Some(lead) = lead.filter(|lead| act.is_live() && !READY.contains(&lead.stage)) {
        return Err(DealError::LeadNotSql { current: lead.stage });
    }
    let owner_id = asked
        .owner_id
        .or(lead.and_then(|lead| lead.owner_id))
        .or(act.taker());
    if act.is_live() {
        let to = owner_id
            .filter(|id| act.taker() != Some(*id) && lead.is_none_or(|lead| lead.owner_id != Some(*id)));
        if to.is_some() {
            act.by.may_assign(lead.and_then(|lead| lead.owner_id), to)?;
        }
    }
    let act = lead.map_or_else(|| act.clone(), |lead| act.not_before(lead.updated_at));
    let deal = Deal {
        id: act.ids.next(),
        version: 1,
        external_id: asked.external_id.clone(),
        name: asked.name.clone(),
        pipeline_id,
        stage,
        stage_since: act.at,
        amount: asked.amount,
        recurring: asked.recurring,
        expected_close_on: asked.expected_close_on,
        owner_id,
        company_id,
        primary_lead_id: primary,
        cycle: lead.map(|lead| lead.cycle),
        members,
        closing: None,
        moved_lead: false,
        opened_at: act.at,
        created_at: act.now,
        updated_at: act.now,
    };
    let made = moved(&deal, None, &act);
    let mut after = deal.facts();
    after.insert("external_id".into(), json!(deal.external_id));
    let opened = Change::Deal(DealChange::Opened {
        deal: Box::new(deal.clone()),
        made,
        after,
    });
    let (id, key) = (deal.id, deal.external_id.clone());
    world.sales.deals.insert(id, deal);
    world.sales.deals_by_key.extend(key.map(|key| (key, id)));
    Ok((id, opened))
}

/// The stages that a new deal does not move its primary lead from.
pub(super) const IN_BUSINESS: [Stage; 2] = [Stage::Opportunity, Stage::Customer];

/// The primary lead becomes an opportunity, unless it is one or a customer.
fn becomes_opportunity(world: &mut World, lead_id: LeadId, act: &Act) -> Option<Change> {
    let lead = world.leads.get(&lead_id)?;
    if IN_BUSINESS.contains(&lead.stage) {
        return None;
    }
    let act = &act.not_before(lead.updated_at);
    let step = Step {
        taken_by: act.taker(),
        ..Step::plain(Stage::Opportunity, act.at, act.now)
    };
    take(world, lead_id, step, act)
}

fn pipeline_of<'w>(world: &'w World, asked: &OpenDeal) -> Result<&'w Pipeline, DealError> {
    let refuse = |code, detail: &str| DealError::Invalid(vec![Fault::new("/pipeline_id", code, detail)]);
    let found = match asked.pipeline_id {
        Some(id) => world.sales.pipelines.get(&id),
        None => world
            .sales
            .pipelines
            .values()
            .find(|pipeline| pipeline.is_default),
    };
    let pipeline = found.ok_or_else(|| refuse("not_found", "is not a pipeline"))?;
    if pipeline.archived_at.is_some() {
        return Err(refuse("not_allowed", "the pipeline is archived"));
    }
    Ok(pipeline)
}

/// The primary lead and the group, or everything that is wrong with them. Those who are members already are leads.
pub(super) fn group(
    world: &World,
    known: &[Member],
    lead_ids: &[LeadId],
    roles: &[(LeadId, BuyingRole)],
    primary: Option<LeadId>,
) -> Result<(Option<LeadId>, Vec<Member>), DealError> {
    let mut faults = vec![];
    let lead_ids: Vec<LeadId> = match (lead_ids, primary) {
        ([], Some(primary)) => vec![primary],
        (ids, _) => ids.to_vec(),
    };
    let mut seen = HashSet::new();
    for (index, id) in lead_ids.iter().enumerate() {
        if !world.leads.contains_key(id) && !known.iter().any(|member| member.lead_id == *id) {
            faults.push(Fault::new(
                format!("/lead_ids/{index}"),
                "not_found",
                "is not a lead",
            ));
        }
        if !seen.insert(*id) {
            faults.push(Fault::new(
                format!("/lead_ids/{index}"),
                "not_allowed",
                "is listed twice",
            ));
        }
    }
    if lead_ids.len() > MAX_MEMBERS {
        faults.push(Fault::new(
            "/lead_ids",
            "too_many_items",
            "a deal has at most 50 leads",
        ));
    }
    if primary.is_some_and(|primary| !lead_ids.contains(&primary)) {
        faults.push(Fault::new(
            "/primary_lead_id",
            "not_allowed",
            "must be one of lead_ids",
        ));
    }
    let mut with_role = HashSet::new();
    for (index, (id, _)) in roles.iter().enumerate() {
        let at = format!("/roles/{index}/lead_id");
        if !lead_ids.contains(id) {
            faults.push(Fault::new(&at, "not_allowed", "must be one of lead_ids"));
        }
        if !with_role.insert(*id) {
            faults.push(Fault::new(&at, "not_allowed", "is listed twice"));
        }
    }
    DealError::unless_sound(faults)?;
    let role = |id: LeadId| roles.iter().find(|(lead, _)| *lead == id).map(|(_, role)| *role);
    let members = lead_ids
        .iter()
        .map(|id| Member {
            lead_id: *id,
            role: role(*id),
        })
        .collect();
    Ok((primary.or(lead_ids.first().copied()), members))
}

fn demand(
    world: &World,
    asked: &OpenDeal,
    primary: Option<LeadId>,
    company: Option<CompanyId>,
) -> Result<(), DealError> {
    let mut faults = vec![];
    if primary.is_none() && company.is_none() {
        faults.push(Fault::new(
            "/lead_ids",
            "required",
            "a deal needs a lead or a company",
        ));
    }
    if asked
        .company_id
        .is_some_and(|id| !world.companies.contains_key(&id))
    {
        faults.push(Fault::new("/company_id", "not_found", "is not a company"));
    }
    if asked.amount.is_some_and(|amount| !amount.is_sound()) {
        faults.push(Fault::new(
            "/amount/amount",
            "out_of_range",
            "must be from 0 to 2^53 - 1",
        ));
    }
    DealError::unless_sound(faults)
}

/// Move an open deal to another stage of its pipeline. Won and lost are reached by closing it.
pub fn move_to(
    world: &mut World,
    deal_id: DealId,
    asked: &MoveDeal,
    act: &Act,
) -> Result<Vec<Change>, DealError> {
    let deal = world.sales.deals.get(&deal_id).ok_or(DealError::NoSuchDeal)?;
    let pipeline = world
        .sales
        .pipelines
        .get(&deal.pipeline_id)
        .ok_or(DealError::NoSuchDeal)?;
    act.may_work(deal.owner_id)?;
    let stay = |allowed, why| DealError::NoSuchMove {
        current: deal.stage.clone(),
        allowed,
        why,
    };
    if deal.closing.is_some() {
        return Err(stay(vec![], "the deal is closed"));
    }
    let others = || {
        pipeline
            .open_keys()
            .into_iter()
            .filter(|key| *key != deal.stage)
            .collect()
    };
    if asked.stage == "won" || asked.stage == "lost" {
        return Err(stay(others(), "a deal is won or lost only by closing it"));
    }
    if !pipeline.has_open(&asked.stage) {
        return Err(DealError::NoSuchStage {
            allowed: pipeline.open_keys(),
        });
    }
    if asked.stage == deal.stage {
        return Err(stay(others(), "the deal is already in this stage"));
    }
    let act = act.not_before(deal.updated_at);
    let mut after = deal.clone();
    after.version += 1;
    after.updated_at = act.now;
    after.stage_since = act.at;
    after.owner_id = after.owner_id.or(act.taker());
    let from = std::mem::replace(&mut after.stage, asked.stage.clone());
    let mut made = moved(&after, Some(from), &act);
    made.note = asked.note.clone();
    world.sales.deals.insert(deal_id, after.clone());
    Ok(vec![Change::Deal(DealChange::Moved {
        deal: Box::new(after),
        made,
    })])
}
