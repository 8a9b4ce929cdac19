//! The one way in: what happened becomes one statement a table, and journal entries, in the transaction.

mod journal;
mod records;
mod rows;
mod settle;
mod statements;

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde::Serialize;
use tandem_domain::act::Act;
use tandem_domain::change::{Change, Unruled};
use tandem_domain::deals::change::DealChange;
use tandem_domain::id::{CompanyId, Id, LeadId};
use tandem_domain::leads::change::LeadChange;
use tandem_domain::settle::Settled;
use tandem_domain::tracking::change::TrackingChange;
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::record::TouchRecord;
use tandem_domain::tracking::visitors::Visitors;
use tandem_domain::transfer::change::HistoryChange;

pub(crate) use self::records::HasRows;
pub(crate) use self::rows::Rows;
pub use self::settle::{settle, settle_all, write_history};
use self::statements::together;
pub(crate) use self::statements::with_condition;
use crate::db::{Conn, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::leads::terms;
use crate::{deals, scoring, tracking};

/// Write what happened to records that are no lead's. What happened to leads is written by [`settle()`] alone:
///
/// ```compile_fail
/// async fn unsettled(tx: &tandem_store::Tx, change: tandem_domain::leads::change::LeadChange) {
///     tandem_store::write_records(tx, [change]).await.unwrap();
/// }
/// ```
///
/// ```compile_fail
/// async fn unsettled(tx: &tandem_store::Tx, change: tandem_domain::change::Change) {
///     tandem_store::write_records(tx, [change]).await.unwrap();
/// }
/// ```
///
/// ```
/// async fn plain(tx: &tandem_store::Tx, change: tandem_domain::settings::SettingChange) {
///     tandem_store::write_records(tx, [change]).await.unwrap();
/// }
/// ```
pub async fn write_records(
    tx: &Tx,
    changes: impl IntoIterator<Item = impl Into<Unruled>>,
) -> Result<(), StoreError> {
    let changes = changes.into_iter().map(|change| Change::from(change.into()));
    write_rows(tx, &[(tx.act(), changes.collect())], &mut Rows::default()).await
}

/// Write what is settled, and what is derived of it: sessions, touches, and what leads show of them.
///
/// Private to this module and its door for rules, `settle.rs`. `visitors` are those that the events are of.
async fn put(tx: &Tx, settled: &Settled<'_>, visitors: &Visitors) -> Result<(), StoreError> {
    let changes = || settled.parts().iter().flat_map(|(_, changes)| changes);
    let arrived: Vec<&Event> = changes()
        .filter_map(|change| match change {
            Change::Tracking(TrackingChange::EventRecorded(event)) => Some(&**event),
            _ => None,
        })
        .collect();
    let mut rows = Rows::default();
    let rules = &tx.rules().touch_rules;
    for touch in arrived
        .iter()
        .filter_map(|event| TouchRecord::of_event(event, rules))
    {
        rows.touched.extend(touch.lead_id);
        rows.add(&TrackingChange::TouchKept(Box::new(touch)).into());
    }
    write_rows(tx, settled.parts(), &mut rows).await?;
    let Rows {
        created,
        mut touched,
        active,
        ..
    } = rows;
    let fresh: BTreeSet<LeadId> = created.into_iter().map(Id::from_uuid).collect();
    if !arrived.is_empty() {
        let (derived, seen) = tracking::follow(tx, &arrived, visitors, &fresh).await?;
        touched.extend(seen);
        write_rows(tx, &[(tx.act(), derived)], &mut Rows::default()).await?;
    }
    deals::freeze(tx, settled, &touched).await?;
    tracking::show(tx, &touched, active).await
}

/// Make rows of changes and write them with their journal entries, which keep the order of the changes. Of a row the last
/// state counts.
async fn write_rows(tx: &Tx, parts: &[(&Act, Vec<Change>)], rows: &mut Rows) -> Result<(), StoreError> {
    rows.judging_revision = tx.rules().agreement.revision;
    rows.content = tx.rules().content.clone();
    let asks_for_companies = scoring::asks_for_company_stage(tx);
    let mut is_valued = false;
    for change in parts.iter().flat_map(|(_, changes)| changes) {
        rows.add(change);
        is_valued |= values_a_deal(change);
        if asks_for_companies && let Some(company) = moves_a_company(change) {
            rows.changed_companies.insert(company.uuid());
        }
    }
    rows.fold_activity();
    if is_valued {
        deals::keep_base_currency(tx).await?;
    }
    let backend = tx.conn().get_database_backend();
    let writes = rows.statements(backend).chain(journal::writes(backend, parts));
    one_by_one(tx, together(backend, writes).into_iter()).await?;
    // Both ask for the leads of a company, these among them.
    terms::company_renamed(tx, &rows.known_companies).await?;
    scoring::company_changed(tx, &rows.changed_companies).await
}

/// The company whose furthest stage may be another one by it.
fn moves_a_company(change: &Change) -> Option<CompanyId> {
    match change {
        Change::Lead(
            LeadChange::Created { lead, .. }
            | LeadChange::Edited {
                lead,
                has_other_company: true,
                ..
            }
            | LeadChange::Moved { lead, .. }
            | LeadChange::Archived(lead)
            | LeadChange::Restored(lead),
        ) => lead.company_id,
        Change::History(HistoryChange::Derived(derived)) => derived.lead.company_id,
        _ => None,
    }
}

/// Whether something is valued in the base currency by it.
fn values_a_deal(change: &Change) -> bool {
    match change {
        Change::History(HistoryChange::DealCorrected { deal, .. }) => {
            deal.closing.as_ref().is_some_and(|end| end.value.is_some())
        }
        Change::Deal(DealChange::Closed { deal, .. }) => {
            deal.closing.as_ref().is_some_and(|end| end.value.is_some())
        }
        _ => false,
    }
}

/// Execute statements one after another. While the database works on one, the next is made.
pub(crate) async fn one_by_one(
    tx: &Tx,
    mut statements: impl Iterator<Item = Statement>,
) -> Result<(), StoreError> {
    let mut next = statements.next();
    while let Some(statement) = next {
        let executed = tx.conn().execute_raw(statement);
        let (done, following) = futures::join!(executed, async { statements.next() });
        done?;
        next = following;
    }
    Ok(())
}

/// Insert rows from one JSON parameter; nothing where there are none.
pub(crate) async fn insert<'a, E>(
    tx: &Tx,
    rows: impl Iterator<Item = &'a E::Model>,
    on_conflict: OnConflict,
) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: Serialize + 'a,
{
    let statement = statements::insert_rows::<E>(tx.conn().get_database_backend(), rows, on_conflict);
    one_by_one(tx, statement.into_iter()).await
}
