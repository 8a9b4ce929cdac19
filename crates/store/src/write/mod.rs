//! The one way in: what happened becomes one statement a table, and journal entries, in the transaction.

mod journal;
mod records;
mod rows;
mod statements;

use std::borrow::Borrow;

use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde::Serialize;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::deals::change::DealChange;
use uuid::Uuid;

pub(crate) use self::records::Kept;
pub(crate) use self::rows::Rows;
pub(crate) use self::statements::with_condition;
use crate::db::{Conn, Tx};
use crate::deals;
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::leads::terms;

/// Write what happened. The last state of a row wins; journal entries keep the order of the changes.
pub async fn write(tx: &Tx, changes: &[Change]) -> Result<(), StoreError> {
    write_all(tx, &[(tx.act(), changes)]).await
}

/// [`write()`] for what happened by several requests in one transaction: each part bears its own act in the journal.
pub async fn write_all(
    tx: &Tx,
    parts: &[(impl Borrow<Act>, impl AsRef<[Change]>)],
) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    let mut is_valued = false;
    for change in parts.iter().flat_map(|(_, changes)| changes.as_ref()) {
        rows.add(change);
        is_valued |= values_a_deal(change);
    }
    if is_valued {
        deals::keep_base_currency(tx).await?;
    }
    let backend = tx.conn().get_database_backend();
    let entries = std::iter::once_with(|| journal::statements(backend, parts)).flatten();
    one_by_one(tx, rows.statements(backend).chain(entries)).await?;
    // It asks how many leads a company has, these among them.
    terms::company_renamed(tx, &rows.known_companies).await
}

/// [`write()`] for what happened to plain records.
pub async fn write_records(
    tx: &Tx,
    changes: impl IntoIterator<Item = impl Into<Change>>,
) -> Result<(), StoreError> {
    let changes: Vec<Change> = changes.into_iter().map(Into::into).collect();
    write(tx, &changes).await
}

/// Whether something is valued in the base currency by it.
fn values_a_deal(change: &Change) -> bool {
    match change {
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
    let statement = statements::insert::<E>(tx.conn().get_database_backend(), rows, on_conflict);
    one_by_one(tx, statement.into_iter()).await
}

/// Delete the rows of which a column has one of these ids; nothing where there are none.
pub(crate) async fn delete(
    tx: &Tx,
    table: &str,
    column: &str,
    ids: impl Iterator<Item = Uuid>,
) -> Result<(), StoreError> {
    let statement = statements::delete(tx.conn().get_database_backend(), table, column, ids);
    one_by_one(tx, statement.into_iter()).await
}
