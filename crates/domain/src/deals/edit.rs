//! Updating a deal; its primary lead never changes, its amount not once it is closed.

use super::open::group;
use super::{BuyingRole, DealError, Member, Recurring};
use crate::act::Act;
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::fault::Fault;
use crate::id::{CompanyId, DealId, LeadId, UserId};
use crate::instant::Day;
use crate::journal::differences;
use crate::money::Money;
use crate::world::World;

/// What is to become different about a deal; `None` stays, `Some(None)` is emptied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EditDeal {
    /// The name that people see.
    pub name: Option<String>,
    /// The deal's value.
    pub amount: Option<Option<Money>>,
    /// How often the amount is due.
    pub recurring: Option<Option<Recurring>>,
    /// The expected day of closing.
    pub expected_close_on: Option<Option<Day>>,
    /// The owner.
    pub owner_id: Option<Option<UserId>>,
    /// The company.
    pub company_id: Option<Option<CompanyId>>,
    /// The whole group that decides.
    pub lead_ids: Option<Vec<LeadId>>,
    /// The buying role of each lead; a lead that is not listed loses its role. `None` keeps the roles.
    pub roles: Option<Vec<(LeadId, BuyingRole)>>,
}

/// Change a deal; `None` if nothing becomes different.
pub fn edit(
    world: &mut World,
    deal_id: DealId,
    asked: EditDeal,
    act: &Act,
) -> Result<Option<Change>, DealError> {
    let deal = world.sales.deals.get(&deal_id).ok_or(DealError::NoSuchDeal)?;
    let mut after = deal.clone();
    if let Some(owner_id) = asked.owner_id.filter(|owner_id| *owner_id != deal.owner_id) {
        if act.is_live() {
            act.by.may_assign(deal.owner_id, owner_id)?;
        }
        after.owner_id = owner_id;
    }
    let assigns_alone = asked
        == EditDeal {
            owner_id: asked.owner_id,
            ..EditDeal::default()
        };
    if asked.owner_id.is_none() || !assigns_alone {
        act.may_work(deal.owner_id)?;
    }
    let (lead_ids, roles) = (asked.lead_ids.clone(), asked.roles.clone());
    if lead_ids.is_some() || roles.is_some() {
        after.members = regrouped(world, deal, lead_ids, roles)?;
    }
    after.name = asked.name.unwrap_or(after.name);
    after.amount = asked.amount.unwrap_or(after.amount);
    after.recurring = asked.recurring.unwrap_or(after.recurring);
    after.expected_close_on = asked.expected_close_on.unwrap_or(after.expected_close_on);
    after.company_id = asked.company_id.unwrap_or(after.company_id);
    let mut faults = vec![];
    if after.amount.is_some_and(|amount| !amount.is_sound()) {
        faults.push(Fault::new(
            "/amount/amount",
            "out_of_range",
            "must be from 0 to 2^53 - 1",
        ));
    }
    if after.company_id.is_none() && after.primary_lead_id.is_none() {
        faults.push(Fault::new(
            "/company_id",
            "required",
            "a deal needs a lead or a company",
        ));
    }
    let is_new = after.company_id != deal.company_id;
    if after
        .company_id
        .is_some_and(|id| is_new && !world.companies.contains_key(&id))
    {
        faults.push(Fault::new("/company_id", "not_found", "is not a company"));
    }
    DealError::unless_sound(faults)?;
    if deal.closing.is_some() && (after.amount, after.recurring) != (deal.amount, deal.recurring) {
        return Err(DealError::Closed);
    }
    let Some((old, new)) = differences(&deal.facts(), &after.facts()) else {
        return Ok(None);
    };
    after.version += 1;
    after.updated_at = act.now.max(deal.updated_at);
    world.sales.deals.insert(deal_id, after.clone());
    Ok(Some(Change::Deal(DealChange::Edited {
        deal: Box::new(after),
        before: old,
        after: new,
    })))
}

/// The group as it is to be; the primary lead stays in it.
fn regrouped(
    world: &World,
    deal: &super::Deal,
    lead_ids: Option<Vec<LeadId>>,
    roles: Option<Vec<(LeadId, BuyingRole)>>,
) -> Result<Vec<Member>, DealError> {
    let known = || deal.members.iter();
    let lead_ids = lead_ids.unwrap_or_else(|| known().map(|member| member.lead_id).collect());
    let roles = roles.unwrap_or_else(|| {
        let kept = known().filter(|member| lead_ids.contains(&member.lead_id));
        kept.filter_map(|member| Some((member.lead_id, member.role?)))
            .collect()
    });
    let fault = |detail: &str| DealError::Invalid(vec![Fault::new("/lead_ids", "not_allowed", detail)]);
    match deal.primary_lead_id {
        None if !lead_ids.is_empty() => Err(fault(
            "a deal that was opened without a lead cannot get one later",
        )),
        Some(primary) if !lead_ids.contains(&primary) => Err(fault("the primary lead cannot change")),
        primary => Ok(group(world, &deal.members, &lead_ids, &roles, primary)?.1),
    }
}
