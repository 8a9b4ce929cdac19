//! Rows that are companies: what `POST /v1/companies` takes.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::save::{CompanyStatement, date_company, find_company, save_company};
use tandem_domain::transfer::values::Values;
use tandem_store::{self as store, StoreError, Tx};

use super::leads::fault;
use super::unfit::{Warnings, country, omit, sort_out};
use super::{Ground, Taken, owner};
use crate::leads::body::CompanyWrite;
use crate::transfer::rows::Row;

struct CompanyRow {
    said: CompanyStatement,
    owner: Option<String>,
    created_at: Option<Timestamp>,
    /// What of it cannot be taken; the rest is.
    warnings: Warnings,
}

/// Take a batch of companies.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let good = ground.read(rows, &mut taken, |values| read(ground, values));
    let named: Vec<&CompanyStatement> = good.iter().map(|(_, row)| &row.said).collect();
    let mut world = store::leads::world_for_companies(tx, [], named).await?;
    let act = ground.act(tx);
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    for (row, stated) in &good {
        let known = find_company(&world, &stated.said, None);
        let owner = stated.owner.as_ref().map(|email| owners.get(email));
        if owner.is_some_and(|user| user.is_none()) {
            taken.reject(
                row,
                &[Fault::new("owner", "no_such_user", "is not the e-mail of a user")],
            );
            continue;
        }
        let said = CompanyStatement {
            owner_id: owner.flatten().map(|user| Some(user.id)),
            ..stated.said.clone()
        };
        let observed_at = stated.created_at.map_or(ground.now, |at| at.min(ground.now));
        let saved = save_company(&mut world, known, &said, observed_at, &act);
        match saved {
            None => taken.reject(
                row,
                &[Fault::new(
                    "domain",
                    "required",
                    "a company needs a web domain or a name",
                )],
            ),
            Some((id, mut changes)) => {
                if let Some(created_at) = stated.created_at {
                    let created_at = created_at.min(ground.now);
                    date_company(&mut world, id, created_at, &mut changes, &act);
                }
                let is_archived = world
                    .companies
                    .get(&id)
                    .is_some_and(|one| one.archived_at.is_some());
                let mut warnings = stated.warnings.clone();
                if is_archived && !changes.is_empty() {
                    let detail = "the company is archived; the row is imported nevertheless";
                    warnings.push(("archived", detail.into()));
                }
                taken.warn_of(row, &warnings);
                taken.count(known.is_none(), changes);
            }
        }
    }
    taken.world = Some(world);
    Ok(taken)
}

fn read(ground: &Ground<'_>, values: &Values<'_>) -> Result<CompanyRow, Vec<Fault>> {
    let (mut faults, mut unfit, mut warnings) = (vec![], vec![], vec![]);
    let mut body = Map::new();
    for (field, text) in values
        .all()
        .filter(|(field, _)| !matches!(*field, "created_at" | "owner"))
    {
        let value = match field {
            "employees" => values.whole(field, &mut unfit).map(|number| json!(number)),
            "country" => country(field, text, &mut unfit).map(|code| json!(code)),
            _ => Some(json!(text)),
        };
        body.extend(value.map(|value| (field.to_owned(), value)));
    }
    sort_out(unfit, &mut faults, &mut warnings);
    let mut body = Value::Object(body);
    let shape = ground.shapes.body("POST /v1/companies");
    let unfit = shape
        .iter()
        .flat_map(|shape| shape.check(&body))
        .map(fault)
        .collect();
    // A company whose domain cannot be read is known by its name.
    let needed: &[&str] = if values.text("name").is_some() {
        &[]
    } else {
        &["domain"]
    };
    omit(&mut body, unfit, needed, &mut faults, &mut warnings);
    let created_at = values
        .instant("created_at", &mut faults)
        .filter(|_| ground.is_history());
    let mut unfit = vec![];
    let owner = owner(values, &mut unfit).map(|email| email.as_str().to_owned());
    sort_out(unfit, &mut faults, &mut warnings);
    let read = |body: &Value, unfit: &mut Vec<Fault>| {
        let typed = CompanyWrite::deserialize(body);
        typed.map(|typed| typed.read("", unfit)).unwrap_or_default()
    };
    let mut unfit = vec![];
    let said = read(&body, &mut unfit);
    omit(&mut body, unfit, needed, &mut faults, &mut warnings);
    if faults.is_empty() {
        Ok(CompanyRow {
            said,
            owner,
            created_at,
            warnings,
        })
    } else {
        Err(faults)
    }
}
