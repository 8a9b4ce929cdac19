//! Pipelines: reading, listing, and what holds on to their stages.

use std::collections::BTreeMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::deals::State;
use tandem_domain::deals::pipelines::Pipeline;
use tandem_domain::id::PipelineId;
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{deals, pipelines, to_json};

/// Create the first pipeline of a new installation, once.
pub async fn adopt_first(db: &crate::Db, now: Timestamp) -> Result<(), StoreError> {
    let row = pipelines::Model::of(&Pipeline::first(now));
    let backend = db.writer().get_database_backend();
    let insert = dialect::insert::<pipelines::Entity>(backend, to_json(&[row]), OnConflict::Keep, &[]);
    db.writer().execute_raw(insert).await?;
    Ok(())
}

/// A pipeline.
pub async fn get(on: &impl Read, id: PipelineId) -> Result<Pipeline, StoreError> {
    let row = pipelines::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Every pipeline, archived ones too.
pub async fn all(on: &impl Read) -> Result<Vec<Pipeline>, StoreError> {
    let rows = pipelines::Entity::find().all(on.conn()).await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// The default pipeline.
pub async fn default(on: &impl Read) -> Result<Option<Pipeline>, StoreError> {
    let found = pipelines::Entity::find().filter(pipelines::Column::IsDefault.eq(true));
    let row = found.one(on.conn()).await?;
    row.map(|row| row.into_domain()).transpose()
}

/// Take the one lock over pipelines and their names, then hold every deal off that one of these would concern.
pub async fn lock(tx: &Tx) -> Result<(), StoreError> {
    dialect::lock_exactly(tx.conn(), &["pipelines"]).await?;
    let query = pipelines::Entity::find()
        .order_by_asc(pipelines::Column::Id)
        .lock_exclusive();
    query.all(tx.conn()).await?;
    Ok(())
}

/// Every pipeline, none of which changes until the end of the transaction.
pub(super) async fn shared(tx: &Tx) -> Result<Vec<Pipeline>, StoreError> {
    let mut query = pipelines::Entity::find().order_by_asc(pipelines::Column::Id);
    if tx.conn().get_database_backend() == DbBackend::Postgres {
        query = query.lock_shared();
    }
    let rows = query.all(tx.conn()).await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// How many pipelines there are, and whether one has this name.
pub async fn known(on: &impl Read, name: &str) -> Result<(usize, bool), StoreError> {
    let names: Vec<String> = pipelines::Entity::find()
        .select_only()
        .column(pipelines::Column::Name)
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok((names.len(), names.iter().any(|known| known == name)))
}

/// A page of pipelines, in the order of their ids.
pub async fn list(
    on: &impl Read,
    after: Option<PipelineId>,
    limit: u64,
) -> Result<Page<Pipeline>, StoreError> {
    let query = pipelines::Entity::find();
    Keyset::by_id(pipelines::Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

/// How many deals hold on to each stage of a pipeline (open ones stand there, closed ones would be opened again
/// there), and how many are open in all.
pub async fn used(on: &impl Read, id: PipelineId) -> Result<(BTreeMap<String, u64>, u64), StoreError> {
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    let mut open = 0;
    for (column, is_open) in [(deals::Column::Stage, true), (deals::Column::ClosedFrom, false)] {
        let state = deals::Column::State;
        let in_state = if is_open {
            state.eq(State::Open.name())
        } else {
            state.ne(State::Open.name())
        };
        let counted: Vec<(String, i64)> = deals::Entity::find()
            .select_only()
            .column(column)
            .expr(Expr::cust("count(*)"))
            .filter(deals::Column::PipelineId.eq(id.uuid()))
            .filter(in_state)
            .group_by(column)
            .into_tuple()
            .all(on.conn())
            .await?;
        for (stage, n) in counted {
            let n = n.max(0) as u64;
            *used.entry(stage).or_default() += n;
            open += if is_open { n } else { 0 };
        }
    }
    Ok((used, open))
}
