//! What can be done with leads: load, decide, save, within the caller's transaction.

use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::fault::Fault;
use tandem_domain::handoff::{self, Clocks, NotAssigned};
use tandem_domain::id::{LeadId, UserId};
use tandem_domain::leads::save::{self, OnConflict, Statement};
use tandem_domain::leads::{Company, Lead};
use tandem_domain::scoring::StoredScore;
use tandem_domain::settle::Unsettled;
use tandem_domain::world::World;
use tandem_store::{self as store, Tx};

use super::body::LeadPatch;
use crate::duplicates;
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::IfMatch;
use crate::handoff::refused::taken;

/// A lead as a decision left it, with its company.
pub struct Decided {
    /// The lead.
    pub lead: Lead,
    /// Its company.
    pub company: Option<Company>,
    /// Its score.
    pub score: Option<StoredScore>,
    /// Whether it was made.
    pub created: bool,
}

/// Find or make the leads that statements are about, one after the other, each standing on the one before.
///
/// A refused statement changes nothing and refuses no other; the leads that it takes for one are suggested as
/// duplicates.
pub async fn upsert(
    tx: &Tx,
    act: &Act,
    statements: &[Statement],
) -> Result<Vec<Result<Decided, Problem>>, Problem> {
    let mut world = store::leads::world(tx, statements).await?;
    let (mut items, mut conflicts) = (vec![], vec![]);
    let mut saved = vec![];
    for said in statements {
        let one = save::upsert(&mut world, said, OnConflict::Refuse, act);
        saved.push(one.map(|one| {
            items.push((act, Unsettled::from(one.changes)));
            (one.lead_id, one.created)
        }));
        if let Some(Err(save::SaveError::IdentifiersConflict(leads))) = saved.last() {
            conflicts.push(leads.clone());
        }
    }
    let suggested = duplicates::of_refused(tx, &world, &conflicts).await?;
    items.push((act, suggested.into()));
    store::settle_all(tx, &mut world, items).await?;
    let decided = saved.into_iter().map(|one| {
        let (lead_id, created) = one.map_err(refused)?;
        decided(&world, lead_id, created)
    });
    Ok(decided.collect())
}

/// Update a lead by a merge patch.
pub async fn edit(
    tx: &Tx,
    act: &Act,
    lead_id: LeadId,
    if_match: &IfMatch,
    patch: LeadPatch,
) -> Result<Decided, Problem> {
    let mut world = store::leads::world_for_edit(tx, lead_id, &patch.addresses()).await?;
    let lead = known(&world, lead_id)?;
    check_if_match(tx, if_match, &world, lead)?;
    let edit = patch.read(lead).map_err(invalid)?;
    let changes = save::edit(&mut world, lead_id, &edit, act).map_err(refused)?;
    store::settle(tx, &mut world, act, changes).await?;
    decided(&world, lead_id, false)
}

/// Archive a lead, or restore it.
pub async fn archive(
    tx: &Tx,
    act: &Act,
    lead_id: LeadId,
    if_match: &IfMatch,
    away: bool,
) -> Result<Decided, Problem> {
    let mut world = store::leads::world_of(tx, [lead_id]).await?;
    check_if_match(tx, if_match, &world, known(&world, lead_id)?)?;
    store::handoff::add_to(tx, &mut world, lead_id).await?;
    let change = save::archive(&mut world, lead_id, away, act).map_err(refused)?;
    store::settle(tx, &mut world, act, change).await?;
    decided(&world, lead_id, false)
}

/// Assign a lead to a user, or to nobody.
pub async fn assign(
    tx: &Tx,
    act: &Act,
    lead_id: LeadId,
    if_match: &IfMatch,
    owner: Option<UserId>,
    clocks: Clocks,
) -> Result<Decided, Problem> {
    let mut world = store::leads::world_of(tx, [lead_id]).await?;
    check_if_match(tx, if_match, &world, known(&world, lead_id)?)?;
    store::handoff::add_to(tx, &mut world, lead_id).await?;
    let unknown = || {
        invalid(vec![Fault::new(
            "/owner_id",
            "not_allowed",
            "is not an active user of sales",
        )])
    };
    let owner = match owner {
        Some(id) => Some(store::access::find_user(tx, id).await?.ok_or_else(unknown)?),
        None => None,
    };
    store::routing::add_hours(tx, &mut world, owner.as_ref().map(|owner| owner.id)).await?;
    let assigned = handoff::assign(&mut world, lead_id, owner.as_ref(), clocks, act);
    let changes = assigned.map_err(|not| match not {
        NotAssigned::Taken(handoff) => taken(&handoff),
        NotAssigned::Refused(why) => refused(why),
    })?;
    store::settle(tx, &mut world, act, changes).await?;
    decided(&world, lead_id, false)
}

/// Refuse an owner who is no active user of sales.
pub async fn sells(tx: &Tx, owner: Option<UserId>) -> Result<(), Problem> {
    let Some(owner) = owner else { return Ok(()) };
    let user = store::access::find_user(tx, owner).await?;
    if user.is_some_and(|user| user.works_leads()) {
        return Ok(());
    }
    refuse(vec![Fault::new(
        "/owner_id",
        "not_allowed",
        "is not an active user of sales",
    )])
}

/// The lead, which must be there.
pub fn known(world: &World, lead_id: LeadId) -> Result<&Lead, Problem> {
    world
        .leads
        .get(&lead_id)
        .ok_or_else(|| Problem::new(Code::NotFound))
}

/// Whether the caller's `If-Match` names the lead as it is.
pub fn check_if_match(tx: &Tx, if_match: &IfMatch, world: &World, lead: &Lead) -> Result<(), Problem> {
    let score = world.judging.scores.get(&lead.id);
    if_match.check(lead.version, super::derived(lead, score, &tx.rules().shown_by))
}

/// The lead as a decision left it.
pub fn decided(world: &World, lead_id: LeadId, created: bool) -> Result<Decided, Problem> {
    let lead = known(world, lead_id)?.clone();
    let company = lead.company_id.and_then(|id| world.companies.get(&id)).cloned();
    let score = world.judging.scores.get(&lead_id).cloned();
    Ok(Decided {
        lead,
        company,
        score,
        created,
    })
}

/// The problem that a refused statement is.
pub fn refused(refused: save::SaveError) -> Problem {
    match refused {
        save::SaveError::NoIdentifier => invalid(vec![Fault::new(
            "/email",
            "required",
            "a lead needs an id, external id, e-mail or phone",
        )]),
        save::SaveError::NoSuchLead => Problem::new(Code::NotFound),
        save::SaveError::IdentifiersConflict(leads) => {
            Problem::new(Code::IdentifiersConflict).with("lead_ids", json!(leads))
        }
        save::SaveError::StillInWork => Problem::new(Code::StillInWork),
        save::SaveError::Denied(reason) => reason.into(),
        save::SaveError::Invalid(faults) => invalid(faults),
    }
}
