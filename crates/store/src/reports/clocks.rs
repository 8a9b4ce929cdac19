//! Promises that were due: counted by owner, and listed.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, Value};
use tandem_domain::clocks::ClockKind;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::id::{ClockId, Id, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::promises::ClockTally;
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::clocks;

/// Which clocks: those due in a time, not void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after.
    pub to: Timestamp,
}

/// Of the promises of one kind, which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// What was promised.
    pub kind: ClockKind,
    /// Only those that were met in time, or only those that were not.
    pub kept: Option<bool>,
    /// Only those of this owner, or of nobody.
    pub owner_id: Option<Option<UserId>>,
}

/// Count the promises that were due, by kind and owner.
pub async fn clock_tally(on: &impl Read, due: Due) -> Result<Vec<ClockTally>, StoreError> {
    let backend = on.conn().get_database_backend();
    let [from, to] = [1, 2].map(|n| dialect::parameter(backend, n));
    let text = format!(
        "SELECT k.kind, k.owner_id, CAST(CASE WHEN k.state = 'met' THEN 1 ELSE 0 END AS bigint) AS kept, count(*) AS n \
         FROM clocks k WHERE k.due_at >= {from} AND k.due_at < {to} AND k.state <> 'void' GROUP BY 1, 2, 3"
    );
    let values = [due.from.millis().into(), due.to.millis().into()];
    let statement = Statement::from_sql_and_values(backend, text, values);
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let kind: String = row.try_get("", "kind")?;
        found.push(ClockTally {
            kind: ClockKind::named(&kind).ok_or(StoreError::Corrupt("clocks"))?,
            owner_id: row.try_get::<Option<Uuid>>("", "owner_id")?.map(Id::from_uuid),
            is_kept: row.try_get::<i64>("", "kept")? == 1,
            clocks: row.try_get("", "n")?,
        });
    }
    Ok(found)
}

/// A page of the promises behind a figure, by id.
pub async fn clock_evidence(
    on: &impl Read,
    due: Due,
    promises: Promises,
    after: Option<ClockId>,
    limit: u64,
) -> Result<Page<ClockRecord>, StoreError> {
    let backend = on.conn().get_database_backend();
    let (mut condition, mut values) = condition(backend, due, promises);
    if let Some(after) = after {
        values.push(after.uuid().into());
        let after = dialect::parameter(backend, values.len());
        condition.push_str(&format!(" AND k.id > {after}"));
    }
    let text = format!(
        "SELECT k.* FROM clocks k WHERE {condition} ORDER BY k.id LIMIT {}",
        limit + 1
    );
    let rows = clocks::Entity::find()
        .from_raw_sql(Statement::from_sql_and_values(backend, text, values))
        .all(on.conn())
        .await?;
    Page::of(rows, limit).read(clocks::Model::into_domain)
}

/// How many promises stand behind a figure.
pub async fn clock_evidence_count(on: &impl Read, due: Due, promises: Promises) -> Result<u64, StoreError> {
    let backend = on.conn().get_database_backend();
    let (condition, values) = condition(backend, due, promises);
    let text = format!("SELECT count(*) AS n FROM clocks k WHERE {condition}");
    let statement = Statement::from_sql_and_values(backend, text, values);
    let row = on.conn().query_one_raw(statement).await?;
    let count = row.map_or(Ok(0), |row| row.try_get::<i64>("", "n"))?;
    Ok(count.max(0) as u64)
}

fn condition(backend: DbBackend, due: Due, promises: Promises) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![
        due.from.millis().into(),
        due.to.millis().into(),
        promises.kind.name().into(),
    ];
    let [from, to, kind] = [1, 2, 3].map(|n| dialect::parameter(backend, n));
    let mut condition =
        format!("k.due_at >= {from} AND k.due_at < {to} AND k.kind = {kind} AND k.state <> 'void'");
    condition.push_str(match promises.kept {
        None => "",
        Some(true) => " AND k.state = 'met'",
        Some(false) => " AND k.state <> 'met'",
    });
    match promises.owner_id {
        None => {}
        Some(None) => condition.push_str(" AND k.owner_id IS NULL"),
        Some(Some(owner)) => {
            values.push(owner.uuid().into());
            let owner = dialect::parameter(backend, values.len());
            condition.push_str(&format!(" AND k.owner_id = {owner}"));
        }
    }
    (condition, values)
}
