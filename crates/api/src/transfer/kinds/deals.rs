//! Rows that are deals of the past.

use std::collections::{BTreeSet, HashMap};

use tandem_domain::change::Change;
use tandem_domain::deals::{CloseDeal, OpenDeal, Outcome, Refused};
use tandem_domain::fault::Fault;
use tandem_domain::id::{CompanyId, UserId};
use tandem_domain::leads::fields::CompanyField;
use tandem_domain::leads::identity::Domain;
use tandem_domain::leads::save::{CompanyStatement, Statement, find_company, save_company};
use tandem_domain::money::{Currency, Money};
use tandem_domain::transfer::deals::{PastDeal, state_deal};
use tandem_domain::transfer::history::remember_owners;
use tandem_domain::transfer::values::Values;
use tandem_domain::world::World;
use tandem_store::deals::Wanted;
use tandem_store::{self as store, StoreError, Tx};

use super::{Ground, Taken, address, addressed, email, short};
use crate::transfer::rows::Row;

struct DealRow {
    lead: Statement,
    stated: PastDeal,
    owner: Option<String>,
    pipeline: Option<String>,
}

/// Take a batch of deals.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let base = tx.rules().money.base;
    let good = ground.read(rows, &mut taken, |values| read(ground, values, base));
    let keys: BTreeSet<(String, String)> = good
        .iter()
        .filter_map(|(_, row)| row.stated.opening.external_id.clone())
        .collect();
    store::deals::lock_keys(tx, keys.clone()).await?;
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.lead).collect();
    let mut world = store::leads::world(tx, statements).await?;
    let wanted = Wanted {
        keys,
        lead_ids: world.leads.keys().copied().collect(),
        ..Wanted::default()
    };
    store::deals::add_to(tx, &mut world, &wanted).await?;
    let mut pasts = store::transfer::pasts(tx, wanted.lead_ids).await?;
    remember_owners(&world, &mut pasts);
    let mut touched = BTreeSet::new();
    // A company is written with the first deal that is accepted: the row that names it first may be rejected.
    let mut new_companies: HashMap<CompanyId, Vec<Change>> = HashMap::new();
    for (row, said) in good {
        let mut stated = said.stated;
        let faults = complete(
            &world,
            &mut stated,
            said.owner.as_deref(),
            said.pipeline.as_deref(),
            |email| owners.get(email).map(|user| user.id),
        );
        if !faults.is_empty() {
            taken.reject(row, &faults);
            continue;
        }
        let lead_id = match names_lead(&said.lead) {
            false => None,
            true => match addressed(&world, &said.lead) {
                Ok(lead_id) => Some(lead_id),
                Err(refused) => {
                    taken.refuse(row, &refused);
                    continue;
                }
            },
        };
        if let (None, Some(company)) = (lead_id, &said.lead.company) {
            stated.opening.company_id = find_company(&world, company, None).or_else(|| {
                let observed_at = stated.opened_at.unwrap_or(ground.now);
                let (id, changes) = save_company(&mut world, None, company, observed_at, &ground.act(tx))?;
                new_companies.insert(id, changes);
                Some(id)
            });
        }
        let known = stated
            .opening
            .external_id
            .as_ref()
            .and_then(|key| world.sales.deals_by_key.get(key));
        let elsewhere = known
            .and_then(|id| world.sales.deals.get(id))
            .is_some_and(|deal| {
                let is_same = deal.primary_lead_id == lead_id;
                !is_same || lead_id.is_none() && deal.company_id != stated.opening.company_id
            });
        if elsewhere {
            let detail = "is the external id of a deal of another lead or company";
            taken.reject(row, &[Fault::new("external_id", "deal_of_another_lead", detail)]);
            continue;
        }
        stated.opening.lead_ids = lead_id.into_iter().collect();
        match state_deal(&mut world, &mut pasts, &stated, ground.import.id, &ground.act(tx)) {
            Ok(done) => {
                taken.warn(row, &done.warnings);
                let company_id = stated.opening.company_id;
                let company = company_id.and_then(|id| new_companies.remove(&id));
                let changes = company.into_iter().flatten().chain(done.changes).collect();
                taken.count_as(done.created, done.is_news, changes);
                if done.is_news {
                    touched.extend(lead_id);
                }
            }
            Err(refused) => taken.reject(row, &faults_of(refused)),
        }
    }
    taken.derive(&mut world, &mut pasts, touched, &ground.act(tx));
    taken.suggest(tx, world).await?;
    Ok(taken)
}

/// Whether a row names a lead, and not its company alone.
fn names_lead(said: &Statement) -> bool {
    said.id.is_some() || !said.keys().is_empty()
}

/// The company that a row names; the deal is made with it where it names no lead.
fn company(values: &Values<'_>, faults: &mut Vec<Fault>) -> Option<CompanyStatement> {
    let domain = values.text("company.domain").map(Domain::of_company);
    let domain = domain.transpose().unwrap_or_else(|error| {
        faults.push(Fault::new("company.domain", "invalid_format", error));
        None
    });
    let name = short(values, "company.name", 200, faults);
    (domain.is_some() || name.is_some()).then(|| CompanyStatement {
        domain,
        text: name
            .map(|name| (CompanyField::Name, Some(name)))
            .into_iter()
            .collect(),
        ..CompanyStatement::default()
    })
}

/// Put the user and the pipeline in that the row names, or say what is wrong.
fn complete(
    world: &World,
    stated: &mut PastDeal,
    owner: Option<&str>,
    pipeline: Option<&str>,
    user: impl Fn(&str) -> Option<UserId>,
) -> Vec<Fault> {
    let mut faults = vec![];
    stated.opening.owner_id = owner.and_then(user);
    if owner.is_some() && stated.opening.owner_id.is_none() {
        faults.push(Fault::new("owner", "no_such_user", "is not the e-mail of a user"));
    }
    if let Some(name) = pipeline {
        let found = world.sales.pipelines.values().find(|one| one.name == name);
        stated.opening.pipeline_id = found.map(|one| one.id);
        if found.is_none() {
            faults.push(Fault::new(
                "pipeline",
                "not_found",
                "is not the name of a pipeline",
            ));
        }
    }
    faults
}

fn faults_of(refused: Refused) -> Vec<Fault> {
    match refused {
        Refused::Invalid(faults) => faults,
        Refused::NoSuchStage { allowed } => {
            vec![Fault::new(
                "stage",
                "not_allowed",
                format!("must be one of {}", allowed.join(", ")),
            )]
        }
        other => vec![Fault::new("", "not_allowed", other)],
    }
}

fn read(ground: &Ground<'_>, values: &Values<'_>, base: Currency) -> Result<DealRow, Vec<Fault>> {
    let mut faults = vec![];
    let company = company(values, &mut faults);
    let has_lead = values.all().any(|(field, _)| field.starts_with("lead."));
    let lead = match company.is_some() && !has_lead {
        true => Statement {
            company,
            ..Statement::default()
        },
        false => address(values, &mut faults),
    };
    let external_id = short(values, "external_id", 255, &mut faults);
    if values.text("external_id").is_none() {
        let detail = "is missing: without it every import would create the deal again";
        faults.push(Fault::new("external_id", "required", detail));
    }
    let name = short(values, "name", 200, &mut faults);
    let currency = values
        .text("currency")
        .map_or(Ok(base), |code| code.to_ascii_uppercase().parse());
    let currency = currency.unwrap_or_else(|error| {
        faults.push(Fault::new("currency", "invalid_format", error));
        base
    });
    let amount = values.amount("amount", currency.digits(), &mut faults);
    let opened_at = values.instant("opened_at", &mut faults);
    let closed_at = values.instant("closed_at", &mut faults);
    for (field, at) in [("opened_at", opened_at), ("closed_at", closed_at)] {
        if at.is_some_and(|at| at > ground.now) {
            faults.push(Fault::new(field, "out_of_range", "is in the future"));
        }
    }
    let outcome = match values.text("outcome").map(str::to_ascii_lowercase).as_deref() {
        None | Some("open") => None,
        Some("won") => Some(Outcome::Won),
        Some("lost") => Some(Outcome::Lost),
        Some(_) => {
            faults.push(Fault::new("outcome", "not_allowed", "must be open, won or lost"));
            None
        }
    };
    if outcome.is_some() && values.text("closed_at").is_none() {
        faults.push(Fault::new(
            "closed_at",
            "required",
            "a won or lost deal needs a date",
        ));
    }
    let closing = outcome.map(|outcome| CloseDeal {
        outcome,
        reason: short(values, "reason", 64, &mut faults),
        competitor: short(values, "competitor", 200, &mut faults),
        note: short(values, "note", 4000, &mut faults),
        closed_at,
        until: None,
    });
    let expected_close_on = values.date("expected_close_on", &mut faults);
    let owner = email(values, "owner", &mut faults).map(|email| email.as_str().to_owned());
    let opening = OpenDeal {
        name: name.or(external_id.clone()).unwrap_or_default(),
        external_id: external_id.map(|id| (values.system("external_id").to_owned(), id)),
        stage: short(values, "stage", 64, &mut faults),
        amount: amount.map(|amount| Money { amount, currency }),
        expected_close_on,
        ..OpenDeal::default()
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(DealRow {
        lead,
        stated: PastDeal {
            opening,
            opened_at,
            closing,
        },
        owner,
        pipeline: values.text("pipeline").map(str::to_owned),
    })
}
