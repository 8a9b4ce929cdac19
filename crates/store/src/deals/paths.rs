//! Paths of outcomes: frozen in the transaction in which a lead enters mql or sql, and a deal is opened or closed.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;
use tandem_domain::change::Change;
use tandem_domain::deals::change::DealChange;
use tandem_domain::id::{Id, LeadId};
use tandem_domain::leads::change::LeadChange;
use tandem_domain::lifecycle::Stage;
use tandem_domain::settle::Settled;
use tandem_domain::transfer::change::HistoryChange;
use uuid::Uuid;

use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::to_json;

/// Whose outcomes changed.
#[derive(Default)]
struct Outcomes {
    leads: BTreeSet<Uuid>,
    deals: BTreeSet<Uuid>,
    reopenings: BTreeSet<Uuid>,
    has_history: bool,
}

/// Freeze the paths of what happened, after its touches are written. History derives the paths of imports again, also where
/// it brought touches of `touched` leads; what is live stays.
pub(crate) async fn freeze(
    tx: &Tx,
    settled: &Settled<'_>,
    touched: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    let mut outcomes = Outcomes::default();
    for (act, changes) in settled.parts() {
        outcomes.has_history |= act.is_history();
        changes.iter().for_each(|change| outcomes.add(change));
    }
    let Outcomes {
        mut leads,
        mut deals,
        reopenings,
        has_history,
    } = outcomes;
    if has_history {
        leads.extend(touched.iter().map(|id| id.uuid()));
        deals.extend(deals_with(tx, &leads).await?);
    }
    let backend = tx.conn().get_database_backend();
    if !leads.is_empty() || !deals.is_empty() {
        let (leads, deals) = (to_json(&leads), to_json(&deals));
        if has_history {
            let forget = dialect::forget_imported_paths(backend, leads.clone(), deals.clone());
            tx.conn().execute_raw(forget).await?;
        }
        let freeze = dialect::freeze_paths(backend, leads, deals, has_history);
        tx.conn().execute_raw(freeze).await?;
    }
    if !reopenings.is_empty() {
        let reverse = dialect::reverse_paths(backend, to_json(&reopenings));
        tx.conn().execute_raw(reverse).await?;
    }
    Ok(())
}

async fn deals_with(tx: &Tx, leads: &BTreeSet<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    if leads.is_empty() {
        return Ok(vec![]);
    }
    let query = dialect::deals_with_leads(tx.conn().get_database_backend(), to_json(leads));
    let rows = tx.conn().query_all_raw(query).await?;
    rows.iter().map(|row| Ok(row.try_get("", "deal_id")?)).collect()
}

impl Outcomes {
    fn add(&mut self, change: &Change) {
        match change {
            Change::Lead(LeadChange::Moved {
                lead,
                transition,
                cycle,
                ..
            }) => {
                let enters = matches!(transition.to, Stage::Mql | Stage::Sql);
                if enters || cycle.ended_at.is_some() {
                    self.leads.insert(lead.id.uuid());
                }
            }
            Change::Deal(DealChange::Opened { deal, .. } | DealChange::Closed { deal, .. }) => {
                self.deals.insert(deal.id.uuid());
            }
            Change::Deal(DealChange::Reopened { made, .. }) => {
                self.reopenings.insert(made.id.uuid());
            }
            Change::History(HistoryChange::Derived(derived)) => {
                self.leads.insert(derived.lead.id.uuid());
                self.deals.extend(derived.deals.iter().map(|deal| deal.id.uuid()));
            }
            Change::History(HistoryChange::DealCorrected { deal, .. }) => {
                self.deals.insert(Id::uuid(deal.id));
            }
            _ => {}
        }
    }
}
