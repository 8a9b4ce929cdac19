//! Import of revenue after the win: as `POST /v1/revenue`, with the customer named as other systems name it.

use std::collections::BTreeSet;

use tandem_domain::change::Change;
use tandem_domain::deals::revenue::{Customers, RevenueDetails, RevenueKind, record};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Day;
use tandem_domain::leads::ExternalId;
use tandem_domain::leads::save::{Statement, find_company};
use tandem_domain::money::{Currency, Money};
use tandem_domain::transfer::values::Values;
use tandem_store::{self as store, StoreError, Tx};

use super::deals::{amount, company, faults_of, names_lead};
use super::{Ground, Taken, address, addressed, short};
use crate::transfer::rows::Row;

struct RevenueRow {
    customer: Statement,
    on: Day,
    amount: Money,
    kind: RevenueKind,
    external_id: ExternalId,
}

/// Take a batch of entries.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let base = tx.rules().money.base;
    let good = ground.read(rows, &mut taken, |values| read(values, base));
    let keys: BTreeSet<(String, String)> = good.iter().map(|(_, row)| row.key()).collect();
    let mut known = store::deals::revenue::lock_keys(tx, keys).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.customer).collect();
    let world = store::leads::world(tx, statements).await?;
    let act = ground.act(tx);
    for (row, stated) in &good {
        let (mut lead_id, mut company_id) = (None, None);
        if names_lead(&stated.customer) {
            match addressed(&world, &stated.customer) {
                Ok(id) => lead_id = Some(id),
                Err(refused) => {
                    taken.refuse(row, &refused);
                    continue;
                }
            }
        } else {
            let named = stated.customer.company.as_ref();
            company_id = named.and_then(|company| find_company(&world, company, None));
            if company_id.is_none() {
                let detail = "names a company that does not exist";
                taken.reject(row, &[Fault::new("company.name", "no_such_company", detail)]);
                continue;
            }
        }
        let details = RevenueDetails {
            company_id,
            lead_id,
            on: stated.on,
            amount: stated.amount,
            kind: stated.kind,
            external_id: stated.external_id.clone(),
        };
        let there = Customers {
            has_company: company_id.is_some(),
            has_lead: lead_id.is_some(),
        };
        let before = known.get(&stated.key());
        let is_new = before.is_none();
        match record(before, details, there, &act) {
            Ok((entry, change)) => {
                known.insert(stated.key(), entry);
                taken.count(is_new, change.map(Change::from).into_iter().collect());
            }
            Err(refused) => taken.reject(row, &faults_of(refused)),
        }
    }
    taken.world = Some(world);
    Ok(taken)
}

impl RevenueRow {
    fn key(&self) -> (String, String) {
        (self.external_id.system.clone(), self.external_id.id.clone())
    }
}

fn read(values: &Values<'_>, base: Currency) -> Result<RevenueRow, Vec<Fault>> {
    let (mut faults, mut unfit) = (vec![], vec![]);
    let named = company(values, &mut faults, &mut unfit);
    let has_lead = values.all().any(|(field, _)| field.starts_with("lead."));
    let customer = match has_lead {
        true => address(values, &mut faults),
        false => Statement {
            company: named,
            ..Statement::default()
        },
    };
    if !has_lead && customer.company.is_none() {
        faults.push(Fault::new("", "required", "names no lead and no company"));
    }
    let external_id = short(values, "external_id", 255, &mut faults);
    let on = values.date("on", &mut faults);
    let amount = amount(values, base, &mut faults);
    let kind = match values.text("kind") {
        None => Some(RevenueKind::Invoice),
        Some(text) => RevenueKind::named(text),
    };
    if kind.is_none() {
        let detail = format!("must be one of {}", RevenueKind::NAMES.join(", "));
        faults.push(Fault::new("kind", "not_allowed", detail));
    }
    for field in ["external_id", "on", "amount"] {
        if values.text(field).is_none() {
            faults.push(Fault::new(field, "required", "is missing"));
        }
    }
    match (on, amount, kind, external_id) {
        (Some(on), Some(amount), Some(kind), Some(id)) if faults.is_empty() => Ok(RevenueRow {
            customer,
            on,
            amount,
            kind,
            external_id: ExternalId {
                system: values.system("external_id").to_owned(),
                id,
            },
        }),
        _ => Err(faults),
    }
}
