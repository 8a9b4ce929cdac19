//! Records with the rows that are their own (a deal's leads, an activity's objections, a hand-off's clocks), by one statement.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Select,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::from_json;

/// The records of a query, in its order, each with its own rows in no order. `source` names these as `x`, such as
/// `deal_leads x WHERE x.deal_id = deals.id`. The query must sort few records: own rows are read before it does.
pub(crate) async fn with_own<E, O>(
    on: &impl Read,
    query: Select<E>,
    source: &str,
) -> Result<Vec<(E::Model, Vec<O::Model>)>, StoreError>
where
    E: EntityTrait,
    O: EntityTrait,
    O::Model: DeserializeOwned,
{
    let own = dialect::rows_as_json::<O>(on.conn().get_database_backend(), source);
    let query = query.expr_as(Expr::cust(own), OWN);
    let rows = query.into_model::<WithOwn<E::Model>>().all(on.conn()).await?;
    rows.into_iter().map(|one| one.read()).collect()
}

const OWN: &str = "own_rows";

struct WithOwn<R> {
    row: R,
    own: Option<String>,
}

impl<R: FromQueryResult> FromQueryResult for WithOwn<R> {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            row: R::from_query_result(row, prefix)?,
            own: row.try_get(prefix, OWN)?,
        })
    }
}

impl<R> WithOwn<R> {
    fn read<O: DeserializeOwned>(self) -> Result<(R, Vec<O>), StoreError> {
        let own = self.own.map(|own| from_json(OWN, &own)).transpose()?;
        Ok((self.row, own.unwrap_or_default()))
    }
}

/// Lock the rows of a query until the end of the transaction: the query of just these. What is their own is read behind the
/// lock, since a statement that waits for one sees everything else as it was before.
pub(crate) async fn locked<E: EntityTrait>(
    tx: &Tx,
    query: Select<E>,
    id: E::Column,
) -> Result<Select<E>, StoreError> {
    let backend = tx.conn().get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(query);
    }
    let rows = query.select_only().column(id).lock_exclusive();
    let ids: Vec<Uuid> = rows.into_tuple().all(tx.conn()).await?;
    let chosen = dialect::id_in(backend, id.as_str(), ids);
    Ok(E::find().filter(chosen).order_by_asc(id))
}
