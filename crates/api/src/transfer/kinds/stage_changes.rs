//! Rows that are moves of leads in the past.

use std::collections::BTreeMap;

use tandem_domain::fault::Fault;
use tandem_domain::id::LeadId;
use tandem_domain::leads::save::Statement;
use tandem_domain::lifecycle::Stage;
use tandem_domain::transfer::history::{PastMove, remember_owners, state_move, warnings};
use tandem_domain::transfer::values::Values;
use tandem_store::{self as store, StoreError, Tx};

use super::{Ground, Taken, add_deals, address, addressed, email, short};
use crate::transfer::rows::Row;

struct MoveRow {
    lead: Statement,
    stated: PastMove,
    owner: Option<String>,
}

/// Take a batch of moves. The past of their leads is derived once all of them are stated.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let good = ground.read(rows, &mut taken, |values| read(ground, values));
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.lead).collect();
    let mut world = store::leads::world(tx, statements).await?;
    let leads: Vec<_> = world.leads.keys().copied().collect();
    let mut pasts = store::transfer::pasts(tx, leads.iter().copied()).await?;
    add_deals(tx, &mut world, leads).await?;
    remember_owners(&world, &mut pasts);
    let mut news: BTreeMap<LeadId, (Vec<&Row>, Vec<PastMove>)> = BTreeMap::new();
    for (row, said) in &good {
        let owner = said
            .owner
            .as_ref()
            .map(|email| owners.get(email).map(|user| user.id));
        if owner == Some(None) {
            taken.reject(
                row,
                &[Fault::new("owner", "no_such_user", "is not the e-mail of a user")],
            );
            continue;
        }
        let lead_id = match addressed(&world, &said.lead) {
            Ok(lead_id) => lead_id,
            Err(refused) => {
                taken.refuse(row, &refused);
                continue;
            }
        };
        let stated = PastMove {
            owner_id: owner.flatten(),
            ..said.stated.clone()
        };
        let past = pasts.entry(lead_id).or_default();
        let (stored, is_new) = state_move(past, lead_id, &stated, ground.import.id);
        taken.count_as(is_new, is_new, stored.into_iter().collect());
        if is_new {
            let (rows, moves) = news.entry(lead_id).or_default();
            rows.push(row);
            moves.push(stated);
        }
    }
    let touched = news.keys().copied();
    taken.derive(&mut world, &mut pasts, touched, &ground.act(tx));
    for (lead_id, (rows, moves)) in news {
        let past = pasts.entry(lead_id).or_default();
        for (row, warnings) in rows.iter().zip(warnings(&world, past, lead_id, &moves)) {
            taken.warn(row, &warnings);
        }
    }
    taken.suggest(tx, world).await?;
    Ok(taken)
}

fn read(ground: &Ground<'_>, values: &Values<'_>) -> Result<MoveRow, Vec<Fault>> {
    let mut faults = vec![];
    let lead = address(values, &mut faults);
    let to = stage(values, "to", &mut faults);
    let from = stage(values, "from", &mut faults);
    let at = values.instant("at", &mut faults);
    if at.is_some_and(|at| at > ground.now) {
        faults.push(Fault::new("at", "out_of_range", "is in the future"));
    }
    let reason = short(values, "reason", 64, &mut faults);
    let note = short(values, "note", 4000, &mut faults);
    let owner = email(values, "owner", &mut faults).map(|email| email.as_str().to_owned());
    for field in ["to", "at"] {
        if values.text(field).is_none() {
            faults.push(Fault::new(field, "required", "is missing"));
        }
    }
    match (to, at) {
        (Some(to), Some(at)) if faults.is_empty() => Ok(MoveRow {
            lead,
            stated: PastMove {
                from,
                reason,
                note,
                ..PastMove::plain(to, at)
            },
            owner,
        }),
        _ => Err(faults),
    }
}

fn stage(values: &Values<'_>, field: &str, faults: &mut Vec<Fault>) -> Option<Stage> {
    let stage = Stage::named(values.text(field)?);
    if stage.is_none() {
        let names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        faults.push(Fault::new(
            field,
            "not_allowed",
            format!("must be one of {}", names.join(", ")),
        ));
    }
    stage
}
