//! What can be done with deals: load, decide, save, within the caller's transaction.

use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::deals::{self, Deal, DealError, OpenDeal, READY};
use tandem_domain::fault::Fault;
use tandem_domain::handoff;
use tandem_domain::handoff::qualification::Qualify;
use tandem_domain::id::{CompanyId, DealId, LeadId};
use tandem_domain::money::NotConverted;
use tandem_domain::world::World;
use tandem_store::deals::Wanted;
use tandem_store::{self as store, Tx};

use super::body::DealPatch;
use crate::edge::http::faults::invalid;
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::reply::IfMatch;
use crate::handoff::refused::not_decided;
use crate::leads::actions::sells;

/// Open a deal.
pub async fn open(tx: &Tx, act: &Act, asked: &OpenDeal, said: Option<Qualify>) -> Result<Deal, Problem> {
    store::deals::lock_keys(tx, asked.external_id.clone()).await?;
    let group = asked.lead_ids.iter().chain(&asked.primary_lead_id).copied();
    let mut world = store::leads::world_of(tx, group).await?;
    let primary = asked.primary_lead_id.or(asked.lead_ids.first().copied());
    let wanted = Wanted {
        keys: asked.external_id.clone().into_iter().collect(),
        lead_ids: primary.into_iter().collect(),
        company_ids: asked.company_id.into_iter().collect(),
        ..Wanted::default()
    };
    store::deals::add_to(tx, &mut world, &wanted).await?;
    sells(tx, asked.owner_id).await?;
    let mut changes = vec![];
    if primary.is_none() && said.is_some() {
        return Err(invalid(vec![Fault::new(
            "/qualification",
            "not_allowed",
            "a deal without leads has nobody to qualify",
        )]));
    }
    let known = primary.filter(|id| world.leads.contains_key(id));
    if let Some((lead_id, said)) = known.zip(said) {
        store::handoff::add_to(tx, &mut world, lead_id).await?;
        changes = handoff::qualify(&mut world, lead_id, &said, act).map_err(not_decided)?;
    }
    let opened = deals::open(&mut world, asked, act);
    let (id, opened) = opened.map_err(refused)?;
    changes.extend(opened);
    saved(tx, act, world, id, changes).await
}

/// Update a deal by a merge patch.
pub async fn edit(
    tx: &Tx,
    act: &Act,
    id: DealId,
    if_match: &IfMatch,
    patch: DealPatch,
) -> Result<Deal, Problem> {
    let company = patch.company_id.as_set().copied();
    let joining = patch.lead_ids.clone().unwrap_or_default();
    let world = store::deals::world_of(tx, id, joining, company).await?;
    let (mut world, deal) = checked(if_match, world, id)?;
    let asked = patch.read(&deal).map_err(invalid)?;
    sells(
        tx,
        asked
            .owner_id
            .flatten()
            .filter(|owner| deal.owner_id != Some(*owner)),
    )
    .await?;
    let change = deals::edit(&mut world, id, asked, act).map_err(refused)?;
    saved(tx, act, world, id, Vec::from_iter(change)).await
}

/// Do something with a deal and with what hangs on it.
pub async fn act(
    tx: &Tx,
    act: &Act,
    id: DealId,
    if_match: &IfMatch,
    decide: impl FnOnce(&mut World, &Act) -> Result<Vec<Change>, DealError>,
) -> Result<Deal, Problem> {
    let none: [LeadId; 0] = [];
    let world = store::deals::world_of(tx, id, none, None::<CompanyId>).await?;
    let (mut world, _) = checked(if_match, world, id)?;
    let decided = decide(&mut world, act);
    saved(tx, act, world, id, decided.map_err(refused)?).await
}

/// The world with its deal, which must be there in the version that the caller has read.
fn checked(if_match: &IfMatch, world: World, id: DealId) -> Result<(World, Deal), Problem> {
    let deal = world
        .sales
        .deals
        .get(&id)
        .ok_or_else(|| Problem::new(Code::NotFound))?
        .clone();
    if_match.check(deal.version, 0)?;
    Ok((world, deal))
}

/// Settle what happened, and answer the deal.
async fn saved(
    tx: &Tx,
    act: &Act,
    mut world: World,
    id: DealId,
    changes: Vec<Change>,
) -> Result<Deal, Problem> {
    store::settle(tx, &mut world, act, changes).await?;
    world
        .sales
        .deals
        .remove(&id)
        .ok_or_else(|| Problem::new(Code::InternalError).because("a deal left no deal"))
}

/// The problem that a refused act is.
pub fn refused(refused: DealError) -> Problem {
    match refused {
        DealError::NoSuchDeal => Problem::new(Code::NotFound),
        DealError::AlreadyExists => Problem::new(Code::AlreadyExists),
        DealError::LeadNotSql { current } => Problem::new(Code::LeadNotSql)
            .with("current", json!(current))
            .with("allowed", json!(READY)),
        DealError::NoSuchMove {
            current,
            allowed,
            why,
        } => Problem::new(Code::IllegalTransition)
            .detail(format!("{}{}", why[..1].to_uppercase(), &why[1..]))
            .with("current", json!(current))
            .with("allowed", json!(allowed)),
        DealError::NoSuchStage { allowed } => {
            let detail = format!("must be one of {}", allowed.join(", "));
            let violation = Violation::new(Location::at(["stage"]), "not_allowed", detail);
            Problem::invalid(vec![violation]).with("allowed", json!(allowed))
        }
        DealError::QuoteClosed { state } => Problem::new(Code::QuoteClosed).with("current", json!(state)),
        DealError::Closed => Problem::new(Code::DealClosed),
        DealError::Denied(reason) => reason.into(),
        DealError::NotConverted(error @ NotConverted::MissingRate { from, to, on }) => {
            let detail = error.to_string();
            Problem::new(Code::MissingExchangeRate)
                .detail(format!("{}{}", detail[..1].to_uppercase(), &detail[1..]))
                .with(
                    "missing_rate",
                    json!({"from": from, "to": to, "on": on.to_string()}),
                )
        }
        DealError::NotConverted(NotConverted::TooLarge) => {
            Problem::new(Code::Conflict).detail("The amount is too large for the base currency")
        }
        DealError::Invalid(faults) => invalid(faults),
    }
}
