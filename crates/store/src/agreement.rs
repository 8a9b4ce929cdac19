//! The versions of the agreement; a new installation starts with the provisional one.

pub mod previews;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use tandem_domain::agreement::change::AgreementChange;
use tandem_domain::agreement::{AgreementVersion, VersionState, draft};
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::agreements::{Column, Entity, Model};
use crate::rows::{self, to_json};
use crate::rules::revision;
use crate::write::Rows;

/// Give a new installation its provisional agreement; nothing where there is one. Runs before the first transaction
/// that needs rules, and twice at once without harm.
pub async fn adopt_provisional(db: &crate::Db, now: Timestamp) -> Result<(), StoreError> {
    let row = Model::of(&AgreementVersion::first(now));
    let backend = db.writer().get_database_backend();
    let insert = dialect::insert::<Entity>(backend, to_json(&[row]), OnConflict::Keep, &[]);
    db.writer().execute_raw(insert).await?;
    Ok(())
}

/// The version in force.
pub(crate) async fn in_force(connection: &impl ConnectionTrait) -> Result<AgreementVersion, StoreError> {
    let states = [VersionState::Provisional, VersionState::InForce].map(VersionState::name);
    let row = Entity::find()
        .filter(Column::State.is_in(states))
        .order_by_desc(Column::Number)
        .one(connection)
        .await?;
    row.ok_or(StoreError::Corrupt("agreements"))?.into_domain()
}

/// The version in force, locked until the end of the transaction: who puts another one in its place decides alone.
/// `Conflict` where another one has taken its place since the transaction began.
pub async fn in_force_for_update(tx: &Tx) -> Result<AgreementVersion, StoreError> {
    dialect::lock_exactly(tx.conn(), &["agreement"]).await?;
    let version = in_force(tx.conn()).await?;
    match version.number == tx.rules().agreement.number {
        true => Ok(version),
        false => Err(StoreError::Conflict),
    }
}

/// The version that is signed and comes into force later, if there is one.
pub async fn scheduled(on: &impl Read) -> Result<Option<AgreementVersion>, StoreError> {
    let row = Entity::find()
        .filter(Column::State.eq(VersionState::Scheduled.name()))
        .one(on.conn())
        .await?;
    row.map(Model::into_domain).transpose()
}

/// When a version comes into force that is signed already.
pub async fn next_in_force(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(scheduled(on).await?.and_then(|version| version.effective_at))
}

/// Put the scheduled version in force if its time has come.
pub async fn bring_into_force(tx: &Tx) -> Result<(), StoreError> {
    let in_force = in_force_for_update(tx).await?;
    let now = tx.act().now;
    let due = scheduled(tx).await?;
    let due = due.filter(|version| version.effective_at.is_some_and(|at| at <= now));
    let Some(version) = due else {
        return Ok(());
    };
    let (_, changes) = draft::come_into_force(version, in_force, None, now);
    crate::write_records(tx, changes).await
}

/// A number that no version has; the versions are locked.
pub async fn next_number(tx: &Tx) -> Result<i64, StoreError> {
    let last: Option<i64> = Entity::find()
        .select_only()
        .column(Column::Number)
        .order_by_desc(Column::Number)
        .limit(1)
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(last.unwrap_or(0) + 1)
}

/// A version by its number; the provisional one that nobody has written, with its working hours in the company's time zone.
pub async fn get(on: &impl Read, number: i64) -> Result<AgreementVersion, StoreError> {
    let row = Entity::find_by_id(number).one(on.conn()).await?;
    shown(on, vec![row.ok_or(StoreError::NotFound)?])
        .await?
        .pop()
        .ok_or(StoreError::NotFound)
}

/// The version that was in force at an instant; the first one before there was any.
pub async fn in_force_at(on: &impl Read, at: Timestamp) -> Result<AgreementVersion, StoreError> {
    let by_then = Entity::find()
        .filter(Column::InForceFrom.lte(at.millis()))
        .order_by_desc(Column::InForceFrom)
        .order_by_desc(Column::Number)
        .one(on.conn())
        .await?;
    let row = match by_then {
        Some(row) => Some(row),
        None => Entity::find().order_by_asc(Column::Number).one(on.conn()).await?,
    };
    let found = shown(on, vec![row.ok_or(StoreError::Corrupt("agreements"))?]).await?;
    found.into_iter().next().ok_or(StoreError::Corrupt("agreements"))
}

/// The versions that were in force at some time in a period, in the order in which they came into force.
pub async fn in_force_during(
    on: &impl Read,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<AgreementVersion>, StoreError> {
    let goes_on = Condition::any()
        .add(Column::SupersededAt.is_null())
        .add(Column::SupersededAt.gt(from.millis()));
    let rows = Entity::find()
        .filter(Column::InForceFrom.lt(to.millis()))
        .filter(goes_on)
        .order_by_asc(Column::InForceFrom)
        .order_by_asc(Column::Number)
        .all(on.conn())
        .await?;
    rows.into_iter().map(Model::into_domain).collect()
}

/// How many versions came into force at an instant or later.
pub async fn in_force_since(on: &impl Read, since: Timestamp) -> Result<u64, StoreError> {
    let query = Entity::find().filter(Column::InForceFrom.gte(since.millis()));
    Ok(query.count(on.conn()).await?)
}

/// A page of versions, the newest first, behind one of them; of those that came into force since an instant, if there is one.
pub async fn list(
    on: &impl Read,
    in_force_since: Option<Timestamp>,
    after: Option<i64>,
    limit: u64,
) -> Result<Page<AgreementVersion>, StoreError> {
    let mut query = Entity::find().order_by_desc(Column::Number).limit(limit + 1);
    if let Some(after) = after {
        query = query.filter(Column::Number.lt(after));
    }
    if let Some(since) = in_force_since {
        query = query.filter(Column::InForceFrom.gte(since.millis()));
    }
    let rows = query.all(on.conn()).await?;
    Ok(Page::of(shown(on, rows).await?, limit))
}

async fn shown(on: &impl Read, rows: Vec<Model>) -> Result<Vec<AgreementVersion>, StoreError> {
    let company = crate::rules::company(on).await?;
    let versions = rows.into_iter().map(|row| row.into_domain());
    versions
        .map(|version| Ok(version?.in_zone(&company.timezone)))
        .collect()
}

impl Rows {
    pub(crate) fn add_agreement(&mut self, change: &AgreementChange) {
        match change {
            AgreementChange::CameIntoForce { version, superseded } => {
                for version in [superseded, version] {
                    self.agreements.insert(version.number, Model::of(version));
                }
                self.revisions.insert(revision::AGREEMENT);
            }
            AgreementChange::Draft(_, version) => {
                self.agreements.insert(version.number, Model::of(version));
            }
            AgreementChange::Preview(preview) => {
                let row = rows::previews::Model::of(preview);
                self.previews.insert(row.id, row);
            }
        }
    }
}
