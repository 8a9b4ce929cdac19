//! What a database needs before it is used.

use tandem_domain::act::Act;
use tandem_migrations::{Migrator, MigratorTrait};

use crate::db::Db;
use crate::deals::pipelines;
use crate::error::StoreError;
use crate::{agreement, dialect, journal};

/// Bring the database up to date, unless it is another program's: schema, first agreement and pipeline, epoch of the journal, partitions. Replicas that
/// start together take turns.
pub async fn prepare(db: &Db, act: Act) -> Result<(), StoreError> {
    let now = act.now;
    if dialect::is_foreign(db.writer()).await? {
        return Err(StoreError::Foreign);
    }
    let steps = async {
        Migrator::up(db.writer(), None).await?;
        agreement::adopt_provisional(db, now).await?;
        pipelines::adopt_first(db, now).await?;
        journal::open_epoch(db, act).await?;
        journal::add_partitions_since(db, now, now).await
    };
    dialect::one_at_a_time(db.writer(), steps).await
}
