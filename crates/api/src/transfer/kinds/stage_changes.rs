//! Rows that are moves of leads in the past.

use tandem_domain::fault::Fault;
use tandem_domain::leads::save::Statement;
use tandem_domain::lifecycle::Stage;
use tandem_domain::transfer::history::{self, PastMove};
use tandem_domain::transfer::values::Values;
use tandem_store::{self as store, StoreError, Tx};

use super::{Ground, Taken, address, addressed, email, short};
use crate::transfer::rows::Row;

struct MoveRow {
    lead: Statement,
    told: PastMove,
    owner: Option<String>,
}

/// Take a batch of moves, in the order of their dates.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let mut good = ground.read(rows, &mut taken, |values| read(ground, values));
    good.sort_by_key(|(_, row)| row.told.at);
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.lead).collect();
    let mut world = store::leads::world(tx, statements).await?;
    let leads: Vec<_> = world.leads.keys().copied().collect();
    let mut pasts = store::transfer::pasts(tx, leads).await?;
    for (row, said) in &good {
        let owner = said
            .owner
            .as_ref()
            .map(|email| owners.get(email).map(|user| user.id));
        if owner == Some(None) {
            taken.reject(row, &[Fault::new("owner", "no_such_user", "names no user")]);
            continue;
        }
        let lead_id = match addressed(&world, &said.lead) {
            Ok(lead_id) => lead_id,
            Err(refused) => {
                taken.refuse(row, &refused);
                continue;
            }
        };
        let past = pasts.entry(lead_id).or_default();
        let (mut changes, mut is_new) = (vec![], false);
        if let Some((change, warnings)) =
            history::recall(&mut world, past, lead_id, &said.told, &ground.act(tx))
        {
            is_new = true;
            changes.push(change);
            taken.warn(row, &warnings);
        }
        let owner = owner.flatten();
        changes.extend(owner.and_then(|owner| history::own(&mut world, lead_id, owner, ground.now)));
        taken.count(is_new, changes);
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
        faults.push(Fault::new("at", "out_of_range", "lies in the future"));
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
            told: PastMove {
                to,
                at,
                from,
                reason,
                note,
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
