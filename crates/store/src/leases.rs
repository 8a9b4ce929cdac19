//! Leases: which replica does a job now, until an instant; and which replicas live.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Statement};
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Db, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::leases;

const REPLICA: &str = "replica/";

/// How much later than the lease asked for another one may end, in milliseconds. One that ends later still was taken
/// before the clocks were set back, and holds nobody up.
const SKEW: i64 = 60_000;

/// A lease that was taken. Its number grows with every new holder: see [`hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// How many holders there have been.
    pub fence: i64,
    /// For how many milliseconds it was taken.
    pub lasts: i64,
}

/// Take a lease, or keep one's own, until an instant; `None` while another holds it.
pub async fn take(
    db: &Db,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    let backend = db.writer().get_database_backend();
    let [n, h, u, at] = [1, 2, 3, 4].map(|n| dialect::parameter(backend, n));
    let sql = format!(
        "INSERT INTO leases (name, holder, fence, expires_at) VALUES ({n}, {h}, 1, {u}) ON CONFLICT (name) DO UPDATE \
         SET fence = leases.fence + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END, \
         holder = excluded.holder, expires_at = excluded.expires_at \
         WHERE leases.holder = excluded.holder OR leases.expires_at <= {at} \
         OR leases.expires_at > excluded.expires_at + {SKEW} RETURNING fence"
    );
    let values = [
        name.into(),
        holder.into(),
        until.millis().into(),
        now.millis().into(),
    ];
    let row = db
        .writer()
        .query_one_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    let lasts = until.millis() - now.millis();
    Ok(row
        .map(|row| row.try_get("", "fence").map(|fence| Lease { fence, lasts }))
        .transpose()?)
}

/// Hold a lease until this transaction ends, and renew it by its commit: `Contended` where another holder has taken it over
/// since.
pub async fn hold(tx: &Tx, name: &str, lease: Lease) -> Result<(), StoreError> {
    let until = tx.act().now.plus_millis(lease.lasts);
    let renewed = leases::Entity::update_many()
        .col_expr(leases::Column::ExpiresAt, Expr::value(until.millis()))
        .filter(leases::Column::Name.eq(name))
        .filter(leases::Column::Fence.eq(lease.fence))
        .exec(tx.conn())
        .await?;
    match renewed.rows_affected {
        0 => Err(StoreError::Contended),
        _ => Ok(()),
    }
}

/// Give one lease back.
pub async fn end(db: &Db, name: &str, holder: &str) -> Result<(), StoreError> {
    leases::Entity::update_many()
        .col_expr(leases::Column::ExpiresAt, Expr::value(0i64))
        .filter(leases::Column::Name.eq(name))
        .filter(leases::Column::Holder.eq(holder))
        .exec(db.writer())
        .await?;
    Ok(())
}

/// Give every lease back that this holder has.
pub async fn release_all(db: &Db, holder: &str) -> Result<(), StoreError> {
    leases::Entity::update_many()
        .col_expr(leases::Column::ExpiresAt, Expr::value(0i64))
        .filter(leases::Column::Holder.eq(holder))
        .exec(db.writer())
        .await?;
    Ok(())
}

/// Say that this replica lives until an instant.
pub async fn beat(db: &Db, holder: &str, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
    take(db, &format!("{REPLICA}{holder}"), holder, now, until)
        .await
        .map(drop)
}

/// How many replicas live. A heartbeat of a clock that was set back since counts for none.
pub async fn replicas(on: &impl Read, now: Timestamp) -> Result<u64, StoreError> {
    let alive = leases::Entity::find()
        .filter(leases::Column::Name.starts_with(REPLICA))
        .filter(leases::Column::ExpiresAt.between(now.millis() + 1, now.millis() + 2 * SKEW))
        .count(on.conn())
        .await?;
    Ok(alive.max(1))
}

/// Forget replicas that are long gone.
pub async fn forget_gone(db: &Db, before: Timestamp) -> Result<(), StoreError> {
    leases::Entity::delete_many()
        .filter(leases::Column::Name.starts_with(REPLICA))
        .filter(leases::Column::ExpiresAt.lt(before.millis()))
        .exec(db.writer())
        .await?;
    Ok(())
}
