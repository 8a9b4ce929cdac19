//! The history of stages, and what the moves of a lead depend on.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::handoff::Handoff;
use tandem_domain::id::LeadId;
use tandem_domain::lifecycle::{Transition, in_order};
use tandem_domain::world::World;

use crate::db::Read;
use crate::error::StoreError;
use crate::leads::{self, members_of};
use crate::rows::{cycles, deals, handoffs, transitions};

/// The stage changes of a lead and its members, oldest first; at most 1,000.
pub async fn transitions(on: &impl Read, lead_id: LeadId) -> Result<Vec<Transition>, StoreError> {
    let rows = transitions::Entity::find()
        .filter(Condition::all().add(transitions::Column::LeadId.in_subquery(members_of(lead_id.uuid()))))
        .order_by_asc(transitions::Column::At)
        .order_by_asc(transitions::Column::Id)
        .limit(1000)
        .all(on.conn())
        .await?;
    let made: Result<Vec<Transition>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    made.map(in_order)
}

/// A lead with its current cycle, its hand-offs, its qualification and the deals that it is the primary lead of, under the agreement in force: what its
/// possible moves follow from. Nothing is locked: an answer to a reader, no ground for a decision.
pub async fn standing(on: &impl Read, lead_id: LeadId) -> Result<World, StoreError> {
    let rules = crate::rules::read(on).await?;
    let found = leads::get(on, lead_id).await?;
    let current = cycles::Entity::find()
        .filter(cycles::Column::LeadId.eq(lead_id.uuid()))
        .order_by_desc(cycles::Column::Number)
        .one(on.conn())
        .await?;
    let theirs = deals::Entity::find()
        .filter(deals::Column::PrimaryLeadId.in_subquery(members_of(lead_id.uuid())))
        .order_by_asc(deals::Column::Id);
    let mut world = leads::world_by(&rules);
    world
        .judging
        .scores
        .extend(found.score.map(|score| (lead_id, score)));
    found
        .company
        .into_iter()
        .for_each(|company| world.add_company(company));
    world.sales.qualifications.insert(lead_id, found.qualification);
    world.add_lead(found.lead, current.map(cycles::Model::into_domain));
    let of_lead = handoffs::Column::LeadId.in_subquery(members_of(lead_id.uuid()));
    for row in handoffs::Entity::find().filter(of_lead).all(on.conn()).await? {
        let handoff = row.into_domain()?;
        world.sales.handoffs.insert(handoff.id, handoff);
    }
    // Who may rule depends on who else there is.
    if world.sales.handoffs.values().any(Handoff::is_disputed) {
        world.sales.staff = Some(crate::access::staff(on).await?);
    }
    for deal in crate::deals::read(on, theirs).await? {
        world.add_deal(deal);
    }
    Ok(world)
}
